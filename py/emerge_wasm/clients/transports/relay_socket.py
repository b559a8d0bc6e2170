"""WebSockets to a relay: the browser's in Pyodide, `websockets` on CPython. Knows nothing of events.

Both are imported when a connection is made, so that this module can be imported without them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, Self

from ...errors import LimitExceeded
from ...sync import IN_PYODIDE
from ..package import missing_package

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

SUBPROTOCOL = "emerge.v1"

EVENT_LIMIT = 16 << 20
QUEUE_LIMIT = 64 << 20
"""Most bytes of one event, and of all events that wait to be sent."""

ABNORMAL = 1006
CLOSINGS = {
    1000: "the relay closed the connection",
    1001: "the relay went away",
    ABNORMAL: "the connection broke",
    1012: "the relay restarts",
}
"""What the protocol's numbers mean, where no reason came with them."""


class RelayRefused(Exception):
    """The relay answered and refused the connection."""


class RelaySocket(Protocol):
    """One open connection. `send` does not wait; `run` passes on what arrives until the end, and returns the reason."""

    def send(self, data: bytes) -> None: ...
    async def run(self, receive: Callable[[bytes], None]) -> str: ...
    def close(self) -> None: ...


def _too_full() -> LimitExceeded:
    return LimitExceeded(
        f"{QUEUE_LIMIT} bytes wait to be sent", remedy="wait for some calls to end", limit="bytes to send"
    )


def check_package() -> None:
    """Raise Unavailable, naming the extra, if this Python has no WebSocket."""
    if not IN_PYODIDE:
        try:
            import websockets  # noqa: F401
        except ImportError as error:
            raise missing_package(error, "websocket") from None


async def open_socket(url: str, token: str | None) -> RelaySocket:
    """Connect. Raises RelayRefused, or OSError when no relay answers."""
    if IN_PYODIDE:
        return await _BrowserSocket.open(url)
    return await _ProgramSocket.open(url, token)


class _ProgramSocket:
    """A connection by `websockets`, on CPython."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._filled = asyncio.Event()

    @classmethod
    async def open(cls, url: str, token: str | None) -> Self:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus
        from websockets.typing import Subprotocol

        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            connection = await connect(
                url,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                additional_headers=headers,
                compression=None,
                max_size=EVENT_LIMIT,
                proxy=None,
            )
        except InvalidStatus as error:
            body = (error.response.body or b"").decode("utf-8", "replace").strip()
            raise RelayRefused(body[:300] or f"it answered {error.response.status_code}") from None
        except (InvalidMessage, EOFError) as error:
            raise OSError(f"it is no relay: {error}") from None
        except InvalidHandshake as error:
            raise RelayRefused(str(error)) from None
        return cls(connection)

    def send(self, data: bytes) -> None:
        if self._queued > QUEUE_LIMIT:
            raise _too_full()
        self._queue.append(data)
        self._queued += len(data)
        self._filled.set()

    async def run(self, receive: Callable[[bytes], None]) -> str:
        from websockets.exceptions import ConnectionClosed

        writing = asyncio.ensure_future(self._write())
        try:
            while True:
                data = await self._connection.recv()
                if isinstance(data, bytes):
                    receive(data)
        except ConnectionClosed as closed:
            frame = closed.rcvd or closed.sent
            return _closing(frame.code, frame.reason) if frame else _closing(ABNORMAL, "")
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await self._connection.close()

    async def _write(self) -> None:
        while True:
            while self._queue:
                data = self._queue.popleft()
                await self._connection.send(data)
                self._queued -= len(data)
            self._filled.clear()
            await self._filled.wait()

    def close(self) -> None:
        self._connection.transport.abort()


class _BrowserSocket:
    """A connection by the browser's WebSocket, in Pyodide; no proxy is left behind."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[bool] = loop.create_future()
        self._closed: asyncio.Future[str] = loop.create_future()
        self._receive: Callable[[bytes], None] = lambda data: None
        self._early: list[bytes] = []
        self._proxies: list[Any] = []

    @classmethod
    async def open(cls, url: str) -> Self:
        import js

        socket = js.WebSocket.new(url, SUBPROTOCOL)
        socket.binaryType = "arraybuffer"
        self = cls(socket)
        self._attach()
        try:
            if not await self._opened:
                raise await _why_not(url)
        except BaseException:
            self.close()
            raise
        return self

    def send(self, data: bytes) -> None:
        import js

        if self._socket.bufferedAmount > QUEUE_LIMIT:
            raise _too_full()
        array = js.Uint8Array.new(len(data))
        array.assign(data)
        self._socket.send(array)

    async def run(self, receive: Callable[[bytes], None]) -> str:
        self._receive = receive
        early, self._early = self._early, []
        for data in early:
            receive(data)
        return await self._closed

    def close(self) -> None:
        """Close the connection, and destroy the proxies that JavaScript holds."""
        for name in ("onopen", "onmessage", "onclose"):
            setattr(self._socket, name, None)
        self._socket.close()
        for proxy in self._proxies:
            proxy.destroy()
        self._proxies = []
        self._on_close_reason("it was closed")

    def _attach(self) -> None:
        from pyodide.ffi import create_proxy

        self._receive = self._early.append
        handlers: dict[str, Callable[[Any], None]] = {
            "onopen": self._on_open,
            "onmessage": lambda event: self._receive(event.data.to_bytes()),
            "onclose": lambda event: self._on_close_reason(_closing(event.code, event.reason)),
        }
        for name, handler in handlers.items():
            proxy = create_proxy(handler)
            self._proxies.append(proxy)
            setattr(self._socket, name, proxy)

    def _on_open(self, event: Any) -> None:
        if not self._opened.done():
            self._opened.set_result(True)

    def _on_close_reason(self, reason: str) -> None:
        if not self._opened.done():
            self._opened.set_result(False)
        if not self._closed.done():
            self._closed.set_result(reason)


def _closing(code: int, reason: str) -> str:
    """Say why a connection ended: in the words of who closed it, or else in ours for the protocol's number."""
    return reason or CLOSINGS.get(code, f"the relay closed the connection ({code})")


async def _why_not(url: str) -> Exception:
    """Ask the relay's /session why it refused a WebSocket, which a browser does not tell."""
    import js
    from pyodide.ffi import JsException

    try:
        answer = await js.fetch(url.replace("ws", "http", 1).removesuffix("/ws") + "/session")
    except JsException:
        return OSError("the relay does not answer")
    if answer.status == 403:
        return RelayRefused("this browser is not signed in; open the link that the relay printed")
    return OSError("the relay closed the connection")
