"""The relay as an ASGI application: the page, its one-time link, the WebSocket, REST, GraphQL and its health."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from ..clients.transports.websocket import BEAT
from ..cluster.membership import Cluster
from ..cluster.peer import Identity
from ..rest.app import PREFIX
from ..rest.graphql import GraphQLApp
from ..rest.guess import note_guess
from .browser import RESTART, Browser
from .gate import WebSocketRefused, admit, cookie_name
from .guest import guest
from .header import SecurityHeaders
from .output import output
from .packages.repository import Repository
from .packages.routes import PackageRoutes
from .rest import RESTRelay
from .session import RelayCaller, Sessions
from .settings import RelaySettings
from .sign_in import answered_token, browser_of, is_opened_by_the_user, posted_ids, question
from .static import StaticPage
from .uplink import Uplink

BEAT_PARTS = 20
"""Parts of a beat, so that two thousand browsers are no burst for which others would wait."""


class Relay:
    """What the routes share: settings, sessions, the uplink to the node, the connected browsers."""

    def __init__(self, settings: RelaySettings) -> None:
        self.settings = settings
        self.sessions = Sessions(settings.data, settings.token, settings.session)
        self.uplink = Uplink(settings.nodes, settings.beat, settings.credential)
        self.cluster = Cluster(join=settings.nodes, observer=True, credential=settings.credential)
        self.cluster.on_change(self._members_changed)
        self._sessions_stamp: object = None
        self.browsers: dict[Browser, int] = {}  # in which part of a beat each has its turn
        self._turns = itertools.cycle(range(BEAT_PARTS))
        self.rest = RESTRelay(settings, self.sessions, self.uplink)
        self.graphql = GraphQLApp(self.rest.dispatch, self.rest.admit, self.rest.limits)
        bundled = next(settings.dist.glob("pyodide-*/"), None) if settings.dist else None
        self.packages = Repository(settings.packages, settings.data / "packages", bundled)
        self.page: StaticPage | None = StaticPage(settings.dist, settings.immutable) if settings.dist else None

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self.uplink.start()
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(self._beat()), loop.create_task(self.cluster.start())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.cluster.stop()
            for browser in list(self.browsers):
                browser.end(RESTART, "the relay stops")
            self.graphql.stop()
            await self.rest.close()
            await self.packages.close()
            await self.uplink.close()

    def _members_changed(self, how: str, identity: Identity) -> None:
        """Let nodes that joined take over from those that the settings name."""
        self.uplink.look_at([*self.settings.nodes, *(member.rpc for member in self.cluster.peers())])

    async def _beat(self) -> None:
        """Beat each browser once in BEAT seconds, a part of them at a time: calls of others come in between."""
        while True:
            self.sessions.records.see({browser.session for browser in self.browsers})
            for part in range(BEAT_PARTS):
                await asyncio.sleep(BEAT / BEAT_PARTS)
                self._end_sessions()
                for browser in [each for each, turn in self.browsers.items() if turn == part]:
                    browser.beat()

    def _end_sessions(self) -> None:
        """Close the connections of those whose session was ended, by this relay or by command."""
        stamp = self.sessions.stamp()
        if stamp != self._sessions_stamp:
            self._sessions_stamp = stamp
            for browser in list(self.browsers):
                browser.end_if_over()

    async def socket(self, websocket: WebSocket) -> None:
        """`/ws`: admit a WebSocket, or refuse it before it is accepted."""
        settings = self.settings
        try:
            caller = admit(websocket, self.sessions, settings.host, settings.origins)
        except WebSocketRefused as refused:
            await websocket.send_denial_response(PlainTextResponse(f"{refused}\n", 403))
            return
        if len(self.browsers) >= settings.limits.browsers:
            why = f"{len(self.browsers)} browsers are connected, as many as this relay takes (--browsers)\n"
            await websocket.send_denial_response(PlainTextResponse(why, 503))
            return
        self.sessions.records.see({caller.session})
        browser = Browser(websocket, self.uplink, settings.limits, lambda: self.sessions.renew(caller), caller.session)
        self.browsers[browser] = next(self._turns)
        try:
            await browser.serve()
        finally:
            self.browsers.pop(browser, None)

    async def index(self, request: Request) -> Response:
        """`/`: the page, or with `?token=` a new session: the operator's, or a principal's."""
        token = request.query_params.get("token")
        if token is None:
            return await self._index(request)
        now, caller = self._caller(request), self.sessions.whose(token)
        replaces = now is not None and caller is not None and now.name != caller.name
        if caller is not None and (replaces or not is_opened_by_the_user(request)):
            return question(token, caller, now)
        return self._sign_in(request, token)

    def _sign_in(self, request: Request, token: str) -> Response:
        cookie = self.sessions.redeem(token, browser_of(request))
        if cookie is None and not self._has_session(request):
            note_guess(request)
            return HTMLResponse(_text("refused.html"), 403, {"Cache-Control": "no-store"})
        response = RedirectResponse("/", 303, {"Cache-Control": "no-store"})
        if cookie is not None:
            self._set_cookie(request, response, cookie)
        return response

    async def session(self, request: Request) -> Response:
        """`/session`: 204 when this browser may open the WebSocket, 403 when it needs the link first. Posted by the
        page that asks about a link: the session that it gives."""
        if request.method == "POST":
            token = await answered_token(request, self.settings.host, self.settings.origins)
            refused = PlainTextResponse("open the link yourself\n", 403)
            return refused if token is None else self._sign_in(request, token)
        status = 204 if self._has_session(request) else 403
        return Response(None, status, {"Cache-Control": "no-store"})

    async def list_sessions(self, request: Request) -> Response:
        """`/sessions`: where this browser's principal is signed in; where everybody is, for the operator."""
        caller = self._caller(request)
        if caller is None:
            return Response(None, 403, {"Cache-Control": "no-store"})
        self.sessions.records.see({caller.session})
        found = {"name": caller.name, "sessions": self.sessions.rows(caller)}
        return JSONResponse(found, headers={"Cache-Control": "no-store"})

    async def end_sessions(self, request: Request) -> Response:
        """`/sessions/end`, posted by our page: end those of the ids in its body that its principal may end."""
        ids, caller = await posted_ids(request, self.settings.host, self.settings.origins), self._caller(request)
        if ids is None or caller is None:
            return Response(None, 403, {"Cache-Control": "no-store"})
        ended = self.sessions.records.end({row["id"] for row in self.sessions.rows(caller)} & ids)
        self._end_sessions()
        response = JSONResponse({"ended": ended}, headers={"Cache-Control": "no-store"})
        if caller.session in ended:
            response.delete_cookie(cookie_name(request), httponly=True, samesite="strict")
        return response

    async def health(self, request: Request) -> Response:
        """`/healthz`: the relay is up; the name of its node; the number of its browsers."""
        node = self.uplink.node
        body = {"relay": "up", "node": node.name if node else None, "browsers": len(self.browsers)}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    async def _index(self, request: Request) -> Response:
        if self.page is None or self.settings.dist is None or not (self.settings.dist / "index.html").is_file():
            return HTMLResponse(_text("unbuilt.html"), 503, {"Cache-Control": "no-store"})
        return await self.page.get_response("index.html", request.scope)

    def _has_session(self, request: Request) -> bool:
        return self._caller(request) is not None

    def _caller(self, request: Request) -> RelayCaller | None:
        return self.sessions.by_cookie(request.cookies.get(cookie_name(request)))

    def _set_cookie(self, request: Request, response: Response, cookie: str) -> None:
        response.set_cookie(
            cookie_name(request),
            cookie,
            max_age=int(self.settings.session),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )


def make_app(settings: RelaySettings) -> Starlette:
    """The application; `app.state.relay` is its Relay (`sessions.invite()` gives a one-time token)."""
    relay = Relay(settings)
    routes: list[Route | WebSocketRoute | Mount] = [
        Route("/", relay.index),
        Route("/healthz", relay.health),
        Route("/session", relay.session, methods=["GET", "POST"]),
        Route("/sessions", relay.list_sessions),
        Route("/sessions/end", relay.end_sessions, methods=["POST"]),
        Route("/guest", guest),
        Route("/output", output),
        WebSocketRoute("/ws", relay.socket),
        Mount(PREFIX, relay.rest.app),
        *GraphQLApp.routes(relay.graphql),
        *PackageRoutes(relay.packages, relay.rest.admit, settings.host, settings.origins).routes(),
    ]
    if relay.page is not None:
        page: ASGIApp = relay.page
        routes.append(Mount("/", page))
    app = Starlette(routes=routes, lifespan=relay.lifespan, middleware=[Middleware(SecurityHeaders)])
    app.state.relay = relay
    return app


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")
