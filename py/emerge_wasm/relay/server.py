"""The relay on uvicorn, in the running loop; the caller owns signals and printing."""

from __future__ import annotations

from typing import Any, Self

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from ..clients.transports.endpoint import is_loopback
from ..errors import Invalid
from ..rest.server import HttpServer
from .app import Relay, make_app
from .browser import ABORT
from .settings import RelaySettings


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, with a way for the application to drop a connection whose other end does not read."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        scope = getattr(self, "scope", None)  # there is none when the handshake itself was refused
        if scope is not None:
            scope["extensions"][ABORT] = {"call": self.transport.abort}

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # refused in words: nothing that uvicorn has to log as an error


class RelayServer:
    """A relay in the running loop. `async with` it, or `start` and `stop` it."""

    def __init__(self, settings: RelaySettings) -> None:
        self.settings = settings
        self.app = make_app(settings)
        self.relay: Relay = self.app.state.relay
        self._server = HttpServer(
            self.app,
            settings.host,
            settings.port,
            ws=WebSocketProtocol,
            ws_max_size=settings.limits.message,
            ws_per_message_deflate=False,
            lifespan="on",
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """The relay's address, once started."""
        return self._server.url

    async def start(self) -> str:
        """Listen, and return the address.

        Raises:
            Invalid: the port is taken, or other machines could reach the address.
            Unavailable: the relay cannot start.
        """
        if not is_loopback(self.settings.host):
            raise Invalid(
                f"{self.settings.host}:{self.settings.port} can be reached from other machines,"
                " and this version encrypts nothing",
                remedy="listen on 127.0.0.1 and put a TLS proxy in front, whose address --origin names",
            )
        return await self._server.start()

    def invite(self) -> str:
        """Make an address with a one-time token, for one browser."""
        return f"{self.url}/?token={self.relay.sessions.invite()}"

    async def stop(self) -> None:
        """Close every connection and end; a second call does nothing."""
        await self._server.stop(self.relay.rest.app.stop)
