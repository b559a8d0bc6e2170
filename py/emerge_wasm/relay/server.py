"""The relay on uvicorn: in a loop that runs already; its caller owns signals and printing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Any, Self

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ..errors import Invalid, Unavailable
from ..node.server import is_loopback
from .app import Relay, make_app
from .browser import ABORT
from .setting import Settings

STOP_SECONDS = 2
BACKLOG = 512


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's own, which lets the application drop a connection whose other end does not read."""

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        scope: Any = getattr(self, "scope", None)  # there is none when the handshake itself was refused
        if scope is not None:
            scope["extensions"][ABORT] = {"call": self.transport.abort}

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # refused in words: nothing that uvicorn has to log as an error


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to whoever runs the loop."""
        yield

    async def main_loop(self) -> None:
        """As uvicorn's own, but ends at once when told to."""
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self.ending.wait()


class RelayServer:
    """A relay in the running loop. `async with` it, or `start` and `stop` it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = ""
        self.app = make_app(settings)
        self.relay: Relay = self.app.state.relay
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> str:
        """Listen; the address. Invalid when the port is taken, Unavailable when the relay cannot start."""
        sock = _listen(self.settings.host, self.settings.port)
        self._server = _Server(_config(self.app, self.settings))
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[sock]))
        while not self._server.started:
            if self._task.done():
                sock.close()
                raise Unavailable("the relay did not start", remedy="see its log above")
            await asyncio.sleep(0.002)
        host = "127.0.0.1" if self.settings.host in ("", "0.0.0.0", "localhost") else self.settings.host
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{sock.getsockname()[1]}"
        return self.url

    def invite(self) -> str:
        """An address with a fresh one-time token, for one browser."""
        return f"{self.url}/?token={self.relay.sessions.invite()}"

    async def stop(self) -> None:
        """Close every connection and end; a second call does nothing."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        self._server.ending.set()
        await self._task
        self._server = None


def _config(app: Any, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ws=WebSocketProtocol,
        ws_max_size=settings.limits.message,
        ws_per_message_deflate=False,
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _listen(host: str, port: int) -> socket.socket:
    if not is_loopback(host):
        raise Invalid(
            f"{host}:{port} can be reached from other machines, and this version encrypts nothing",
            remedy="listen on 127.0.0.1 and put a TLS proxy in front, whose address --origin names",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off only where the protocol is named; without, small answers wait 40 ms
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        return sock
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise Invalid(
                f"port {port} of {host} is taken", remedy="stop what listens there, or take another"
            ) from None
        raise Invalid(f"{host}:{port} cannot be listened on: {error}", remedy="use 127.0.0.1 and a free port") from None
