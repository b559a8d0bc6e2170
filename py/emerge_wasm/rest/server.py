"""An ASGI application on uvicorn, in the running loop; the caller owns signals and printing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from ..errors import Invalid, Unavailable
from .guess import SlowGuesses
from .http_protocol import HttpProtocol

STOP_SECONDS = 2
BACKLOG = 512
IDLE = 75
"""Seconds that an idle connection is kept: longer than clients keep it, or they would send on one just closed."""


class _Server(uvicorn.Server):
    """uvicorn's server, which ends when it is told to and not at the next tenth of a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to whoever runs the loop."""
        yield

    async def main_loop(self) -> None:
        """Renew the date in the answers' headers each second."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close every connection once its request is answered, or when the time for that is over."""
        state = self.server_state
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while state.connections or state.tasks:  # noqa: ASYNC110  # uvicorn tells nobody when they end
                    await asyncio.sleep(0.005)
        except TimeoutError:
            for task in state.tasks:
                task.cancel("the server stops")
        await self.lifespan.shutdown()


class HttpServer:
    """Serve `app` at host and port (0: a free one). `options` are uvicorn's."""

    def __init__(self, app: ASGIApp, host: str, port: int, **options: Any) -> None:
        self.url = ""
        self._app = SlowGuesses(app)
        self._host, self._port = host, port
        self._options = options
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Listen, and return the address.

        Raises:
            Invalid: the port is taken.
            Unavailable: the application cannot start.
        """
        sock = listen(self._host, self._port)
        self._server = _Server(self._config())
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[sock]))
        while not self._server.started:
            if self._task.done():
                sock.close()
                raise Unavailable("the server did not start", remedy="see its log above")
            await asyncio.sleep(0.002)
        host = "127.0.0.1" if self._host in ("", "0.0.0.0", "localhost") else self._host
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{sock.getsockname()[1]}"
        return self.url

    async def stop(self, before: Callable[[], None] | None = None) -> None:
        """Stop listening, call `before` to end the requests under way, and close; a second call does nothing."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        self._server.ending.set()
        if before is not None:
            before()
        await self._task
        self._server = None

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._app,
            http=HttpProtocol,
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_keep_alive=IDLE,
            timeout_graceful_shutdown=STOP_SECONDS,
            **self._options,
        )


def listen(host: str, port: int) -> socket.socket:
    """Make a listening socket.

    Raises:
        Invalid: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off only where the protocol is named; without, small answers wait 40 ms
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        return sock
    except (OSError, OverflowError) as error:
        sock.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise Invalid(
                f"port {port} of {host} is taken", remedy="stop what listens there, or take another"
            ) from None
        raise Invalid(f"{host}:{port} cannot be listened on: {error}", remedy="use 127.0.0.1 and a free port") from None
