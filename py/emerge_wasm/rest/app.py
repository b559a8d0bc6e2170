"""The operation table as HTTP routes: one ASGI application for the node and for the relay, over any dispatch.

`POST /<operation>` with the arguments as an object; an operation that changes nothing also by `GET` with a query. The
rest of the URL may give the path. No operation is named here. `/files/PATH` are files as HTTP knows them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..codec.value import too_large
from ..context import asker, queue_of
from ..errors import EmergeError, Invalid, LimitExceeded, Unavailable
from ..operations import Context, Dispatch, Operation, find_operation
from ..wire.server import FEW
from .backlog import Backlog
from .exchange import ClientGone, Exchange
from .file_route import METHODS, answer_file
from .form import JSON, MSGPACK, bind, choose_form, read_body, read_context, read_query, write_json
from .gate import HTTPRefused
from .http_protocol import HANG_UP
from .openapi import describe

PREFIX = "/api/v1"

Admit = Callable[[HTTPConnection], Context]
"""Return who asks, or raise HTTPRefused for those who may not."""

RouteHandler = Callable[[Request, Exchange], Awaitable[None]]
MakeExchange = Callable[[Request, Receive, Send], Exchange]

HEADERS = {
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "vary": "Accept",
}


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Sizes in bytes, times in seconds. `requests` under way together hold at most `total` bytes of bodies.

    `patience` is how long the next piece of a body may take, `beat` the longest silence of a stream.
    """

    body: int = 64 << 20
    total: int = 256 << 20
    requests: int = 1024
    patience: float = 15.0
    beat: float = 5.0


class RESTApp:
    """Answer the operation table over HTTP. `dispatch` runs operations, `admit` says who asks."""

    def __init__(self, dispatch: Dispatch, admit: Admit, limits: RequestLimits) -> None:
        self._dispatch = dispatch
        self._admit = admit
        self._limits = limits
        self._under_way: dict[Exchange, int] = {}  # and the bytes of its body
        self._load: Counter[str] = Counter()  # requests under way by principal
        self.backlog = Backlog()
        routes = {
            "/openapi.json": self._describe,
            "/healthz": self._live,
            "/files/{path:path}": self._file,
            "/{operation}{path:path}": self._operate,
        }
        self._router = Router([Route(path, self._endpoint(handler)) for path, handler in routes.items()])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._router(scope, receive, send_with_headers)

    def __len__(self) -> int:
        """The number of requests under way."""
        return len(self._under_way)

    def stop(self) -> None:
        """End the requests under way: their callers read that the server stops."""
        for exchange in list(self._under_way):
            exchange.stop()

    def _endpoint(self, handler: RouteHandler) -> ASGIApp:
        """Make an ASGI application of a handler: Starlette leaves every method to such a one."""
        return Endpoint(handler, self._exchange)

    def _exchange(self, request: Request, receive: Receive, send: Send) -> Exchange:
        return Exchange(choose_form(request.headers), receive, send, self._limits.beat, hang_up_of(request))

    async def _describe(self, request: Request, exchange: Exchange) -> None:
        check_method(request, {"GET"})
        address = f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"
        await exchange.send(200, JSON, write_json(describe(address)))

    async def _live(self, request: Request, exchange: Exchange) -> None:
        """Tell that this process lives, to those who wait for its answers, whoever they are."""
        check_method(request, {"GET"})
        await exchange.send(200, JSON, b'{"status": "up"}')

    def _context(self, request: Request, exchange: Exchange) -> Context:
        """Return on whose behalf a request is made. Raises HTTPRefused."""
        context = self._admit(request)
        exchange.check = lambda: self._admit(request)
        return context.narrowed(read_context(request.headers.get("emerge-context")))

    async def _file(self, request: Request, exchange: Exchange) -> None:
        context = self._context(request, exchange)
        check_method(request, METHODS)
        with self._room(exchange, context):
            await answer_file(request, exchange, self._dispatch, context, self._limits.patience)

    async def _operate(self, request: Request, exchange: Exchange) -> None:
        context = self._context(request, exchange)
        row = find_row(request)
        check_method(request, {"POST"} if row.changes else {"GET", "POST"})
        with self._room(exchange, context):
            body = await self._body(request, exchange)
            args = bind(row, given_arguments(row, request, body))
            await exchange.answer(self._dispatch(row.name, args, context))

    @contextmanager
    def _room(self, exchange: Exchange, context: Context) -> Iterator[None]:
        """Count the exchange among those under way, for its principal. FEW are everybody's, whatever others have;
        beyond, one may have no more than are left, so that the first ones leave as much to those who come later.

        Raises:
            LimitExceeded: there are too many.
        """
        limit, account = self._limits.requests, queue_of(asker(context))
        load = self._load[account]
        if load >= max(min(FEW, limit), limit - len(self._under_way)):
            raise LimitExceeded(
                f"{load} requests of yours are under way, and {len(self._under_way)} in all",
                remedy="wait for some to end",
                limit="requests under way",
            )
        exchange.account, exchange.backlog = account, self.backlog
        self._under_way[exchange] = 0
        self._load[account] += 1
        try:
            yield
        finally:
            del self._under_way[exchange]
            self._load[account] -= 1
            if not self._load[account]:
                del self._load[account]
            self.backlog.drop(exchange)

    async def _body(self, request: Request, exchange: Exchange) -> bytes:
        """Read the request's body.

        Raises:
            LimitExceeded: it is too long, as soon as that is known.
            HTTPRefused: it does not come.
        """
        self._check_size(exchange, int(request.headers.get("content-length") or 0))
        pieces: list[bytes] = []
        stream = aiter(request.stream())
        while True:
            try:
                async with asyncio.timeout(self._limits.patience):
                    piece = await anext(stream, None)
            except TimeoutError:
                raise HTTPRefused(408, Unavailable("the request's body did not come", remedy="send it again")) from None
            if piece is None:
                return b"".join(pieces)
            pieces.append(piece)
            self._check_size(exchange, self._under_way[exchange] + len(piece))
            self._under_way[exchange] += len(piece)

    def _check_size(self, exchange: Exchange, size: int) -> None:
        limit = self._limits.body
        if size > limit:
            raise too_large(f"a body of {size} bytes", limit, "body")
        if size + sum(self._under_way.values()) - self._under_way[exchange] > self._limits.total:
            raise LimitExceeded(
                "too much is being sent here", remedy="try again a little later", limit="request bytes under way"
            )


def hang_up_of(request: Request) -> Callable[[], object]:
    """What ends the connection of a request, whatever waits in it; nothing, where the server has no such thing."""
    found: Callable[[], object] = request.scope.get("extensions", {}).get(HANG_UP, lambda: None)
    return found


class Endpoint:
    """One route: run a handler and answer its errors."""

    def __init__(self, handler: RouteHandler, make: MakeExchange) -> None:
        self._handler = handler
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        exchange = self._make(request, receive, send)
        try:
            await self._handler(request, exchange)
        except (ClientGone, ClientDisconnect):
            pass
        except HTTPRefused as refused:
            await exchange.fail(refused.error, refused.status, refused.headers)
        except Exception as error:
            await exchange.fail(error)


def find_row(request: Request) -> Operation:
    """Find the operation that the URL names; HTTPRefused with 404 for an unknown one."""
    try:
        return find_operation(request.path_params["operation"])
    except EmergeError as error:
        raise HTTPRefused(404, error) from None


def check_method(request: Request, allowed: Set[str]) -> None:
    """Raise HTTPRefused with 405 for any other method."""
    if request.method not in allowed:
        names = ", ".join(sorted(allowed))
        error = Invalid(f"this is not done by {request.method[:20]}", remedy=f"use {names}")
        raise HTTPRefused(405, error, allow=names)


def given_arguments(row: Operation, request: Request, body: bytes) -> dict[str, object]:
    """Read the arguments, by name: from the body of a POST or the query of a GET, the path also from the URL."""
    query = {name: request.query_params.getlist(name) for name in request.query_params}
    if request.method == "GET":
        if body:
            raise Invalid("a GET has no body", remedy="send the arguments in its query")
        given = read_query(row, query)
    elif query:
        raise Invalid("a POST has no query", remedy="send the arguments in its body")
    else:
        given = read_body(row, media_type(request), body) if body else {}
    if path := request.path_params["path"]:
        if "path" in given:
            raise Invalid("the path is given twice", remedy="name it in the URL or among the arguments")
        given["path"] = path
    return given


def media_type(request: Request) -> str:
    """Tell whether the body is JSON or msgpack; HTTPRefused with 415 for anything else."""
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found not in (JSON, MSGPACK):
        error = Invalid(f"the body is {found[:80] or 'of no type'}", remedy=f"send Content-Type: {JSON} (curl --json)")
        raise HTTPRefused(415, error)
    return found
