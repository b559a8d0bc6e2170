"""GraphQL over HTTP at the relay: POST /graphql, or /graphql/<path> for the objects below a path.

Follows the GraphQL-over-HTTP specification; subscriptions are server-sent events ("distinct connections" of
graphql-sse). The node answers: nothing here reads a document, and graphql-core is not needed.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Send

from ..errors import Invalid
from ..operations import Answer, Dispatch, Wire
from .app import Admit, RequestLimits, RESTApp, check_method, hang_up_of, media_type
from .exchange import Exchange
from .form import JSON, Form, parse_json, read_context, write_json
from .gate import HTTPRefused

PREFIX = "/graphql"
RESPONSE, EVENTS = "application/graphql-response+json", "text/event-stream"
BODY = 1 << 20
"""Bytes of a request: a document, and the values of its variables."""

_COMPLETE = b"event: complete\ndata:\n\n"


class GraphQLApp(RESTApp):
    """Answer GraphQL over HTTP. `dispatch` runs `graphql` and `subscribe`, `admit` says who asks."""

    def __init__(self, dispatch: Dispatch, admit: Admit, limits: RequestLimits) -> None:
        super().__init__(dispatch, admit, replace(limits, body=min(limits.body, BODY)))
        self._router = Router(self.routes(self._endpoint(self._answer)))

    @staticmethod
    def routes(endpoint: ASGIApp) -> list[Route]:
        """The routes that lead to such an application."""
        return [Route(path, endpoint) for path in (PREFIX, PREFIX + "/{path:path}")]

    def _exchange(self, request: Request, receive: Receive, send: Send) -> Exchange:
        return _Exchange(_form(request), receive, send, self._limits.beat, hang_up_of(request))

    async def _answer(self, request: Request, exchange: Exchange) -> None:
        context = self._admit(request)
        exchange.check = lambda: self._admit(request)
        check_method(request, {"POST"})
        context = context.narrowed(read_context(request.headers.get("emerge-context")))
        with self._room(exchange, context):
            if media_type(request) != JSON:
                raise HTTPRefused(415, Invalid("the body is not JSON", remedy=f"send Content-Type: {JSON}"))
            asked = read_request(await self._body(request, exchange))
            operation = "subscribe" if _wants_events(request) else "graphql"
            path = "/" + request.path_params.get("path", "").strip("/")
            await exchange.answer(self._dispatch(operation, [path, *asked], context))


class _Exchange(Exchange):
    """An exchange whose whole answers have the status that the specification asks for."""

    async def answer(self, asked: Answer) -> None:
        if not isinstance(asked, Awaitable):
            await super().answer(asked)
            return
        result = await self.attended(self._result(asked))
        refused = result["data"] is None and bool(result["errors"])
        status = 400 if refused and self._form.media_type == RESPONSE and not result["extensions"].get("cost") else 200
        await self.send(status, self._form.media_type, self._form.write(result))


def read_request(body: bytes) -> tuple[str, Wire | None, str]:
    """Read (document, variables, name of the operation) from a request's body; Invalid when it is none."""
    asked = parse_json(body)
    if not isinstance(asked, dict):
        raise Invalid("the body is not an object", remedy=_USAGE)
    query, variables, name = asked.get("query"), asked.get("variables"), asked.get("operationName")
    if not isinstance(query, str):
        raise Invalid("the body has no query", remedy=_USAGE)
    if not isinstance(variables, dict | None) or not isinstance(name, str | None):
        raise Invalid("variables are an object, operationName is text", remedy=_USAGE)
    return query, variables, name or ""


_USAGE = 'send {"query": "{ … }", "variables": {…}, "operationName": "…"}'


def _wants_events(request: Request) -> bool:
    return EVENTS in request.headers.get("accept", "").lower()


def _form(request: Request) -> Form:
    kind = RESPONSE if RESPONSE in request.headers.get("accept", "").lower() else JSON
    return Form(kind, _write, EVENTS, _event, lambda wire: _event(wire) + _COMPLETE, _COMPLETE, b":\n\n")


def _write(answer: Any) -> bytes:
    """Write an answer as the specification says: no empty `errors`, and no `data` where nothing was run."""
    if "data" not in answer:  # an error of ours, on its way by `fail`
        extensions = {key: answer[key] for key in ("code", "path", "remedy", "details") if answer.get(key)}
        return write_json({"errors": [{"message": answer["message"], "extensions": extensions}]}) + b"\n"
    kept = {key: value for key, value in answer.items() if key != "errors" or value}
    if kept["data"] is None and not answer["extensions"].get("cost"):
        del kept["data"]
    return write_json(kept) + b"\n"


def _event(answer: Any) -> bytes:
    return b"event: next\ndata: " + _write(answer) + b"\n"
