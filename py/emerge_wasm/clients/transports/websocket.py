"""The transport to a relay over a WebSocket, in Pyodide (the browser's own) and on CPython (`websockets`).

Importable where neither is: `js` and `websockets` are imported when a connection is made. It reconnects by itself,
and never repeats a call: only the caller can know whether that is harmless.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from ...errors import EmergeError, Invalid, LimitExceeded, Unavailable
from ...wire.call import Calls
from ...wire.client import ClientProtocol
from ...wire.event import decode

SUBPROTOCOL = "emerge.v1"

STATUS = "_emerge_status"
"""The event that a relay sends unasked, on connecting, on each change and each BEAT:
args [{"node": name, "state": "up" or "down"}]."""

BEAT = 5.0
"""Seconds between signs of life from a relay; after three times that without any, it counts as gone."""

EVENT_LIMIT = 16 << 20
QUEUE_LIMIT = 64 << 20
"""Bytes of one event, and of those that wait to be sent."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
OFFLINE, CONNECTING, NO_NODE, ONLINE, REFUSED, CLOSED = (
    "offline",  # no relay; the next attempt comes by itself
    "connecting",
    "no-node",  # the relay is there, the node is not
    "online",
    "refused",  # the relay is there and wants a session or a token
    "closed",
)
UNKNOWN = "it is not known whether the change was made: look before you repeat it"

OnStatus = Callable[[str, str], None]
"""(state, detail): one of the states above, and the node's name or the reason."""


class Refused(Exception):
    """The relay answered, and let us not in."""


class Socket(Protocol):
    """One open connection. `send` does not wait; `run` feeds what arrives until the end and tells the reason."""

    def send(self, data: bytes) -> None: ...
    async def run(self, receive: Callable[[bytes], None]) -> str: ...
    def close(self) -> None: ...


class WebSocketTransport:
    """A relay's node, called from afar (an `operations.Transport`).

    `url` is the relay's ws:// (or http://) address, with or without /ws. `token` is for programs; in a browser the
    session's cookie goes along by itself. `patience` is how long (s) the first call waits for the first connection;
    after that a call fails at once while there is no connection. Use it on one event loop.
    """

    def __init__(
        self, url: str, *, token: str | None = None, on_status: OnStatus | None = None, patience: float = 5.0
    ) -> None:
        self.url = relay_url(url)
        self.state, self.detail = CONNECTING, ""
        self._token = token
        self._on_status = on_status
        self._patience = patience
        self._calls = Calls(self._send)
        self._calls.protocol = ClientProtocol(heartbeat=0, limit=EVENT_LIMIT)  # the relay's signs of life do
        self._socket: Socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()  # the first attempt is over
        self._silent = 0

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> Self:
        """Connect now rather than at the first call; Unavailable or PermissionDenied when that fails."""
        await self._ready()
        return self

    async def call(self, name: str, args: list[Any], context: dict[str, Any] | None = None) -> Any:
        """Run an operation that answers once. Raises the EmergeError it failed with; Unavailable when unreachable."""
        if self._socket is None:
            await self._ready()
        return await self._calls.call(name, args, context)

    async def stream(self, name: str, args: list[Any], context: dict[str, Any] | None = None) -> AsyncIterator[Any]:
        """Run an operation that streams; closing the iterator ends it on the other side."""
        if self._socket is None:
            await self._ready()
        async with aclosing(self._calls.stream(name, args, context)) as items:
            async for item in items:
                yield item

    async def close(self) -> None:
        """End what is under way with Unavailable and stop reconnecting; a second call does nothing."""
        if self.state == CLOSED:
            return
        self._set(CLOSED, "")
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._lose("the connection was closed")

    async def _ready(self) -> None:
        if self._task is None and self.state != CLOSED:
            self._task = asyncio.get_running_loop().create_task(self._keep_connected())
        if self.state == CONNECTING and not self._tried.is_set():
            try:
                async with asyncio.timeout(self._patience):
                    await self._tried.wait()
            except TimeoutError:
                pass
        if self._socket is None:
            raise self._unreachable()

    async def _keep_connected(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                reason = await self._connection()
                pause = FIRST_PAUSE
                self._set(OFFLINE, reason)
            except Refused as error:
                self._set(REFUSED, str(error))
            except OSError as error:
                self._set(OFFLINE, str(error))
            self._tried.set()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _connection(self) -> str:
        """Connect and stay so until the connection ends; why it did. OSError or Refused when there was none."""
        socket = await _connect(self.url, self._token)
        beating = asyncio.ensure_future(self._listen(socket))
        self._socket = socket
        self._silent = 0
        self._set(NO_NODE, "")
        self._tried.set()
        try:
            reason = await socket.run(self._receive)
        finally:
            beating.cancel()
            socket.close()
            self._lose("the connection to the relay was lost")
        return reason

    async def _listen(self, socket: Socket) -> None:
        """Give up a relay that has fallen silent. Counted in turns, so that a kernel that was busy blames itself."""
        while self._silent < 3:
            await asyncio.sleep(BEAT)
            self._silent += 1
        socket.close()

    def _receive(self, payload: bytes) -> None:
        self._silent = 0
        if STATUS.encode() in payload[:128] and self._status(payload):
            return
        self._calls.receive(payload)

    def _status(self, payload: bytes) -> bool:
        try:
            header, name, args = decode(payload)
        except EmergeError:
            return False
        match args:
            case [{"state": state, "node": node}, *_] if name == STATUS and "response_to" not in header:
                self._set(ONLINE if state == "up" else NO_NODE, str(node))
                return True
        return False

    def _send(self, payload: bytes) -> None:
        if self._socket is None:
            raise self._unreachable()
        self._socket.send(payload)

    def _lose(self, reason: str) -> None:
        self._socket = None
        self._calls.lose(Unavailable(f"{reason} while this was under way", remedy=UNKNOWN))

    def _set(self, state: str, detail: str) -> None:
        if (state, detail) != (self.state, self.detail):
            self.state, self.detail = state, detail
            if self._on_status is not None:
                self._on_status(state, detail)

    def _unreachable(self) -> Unavailable:
        reason = f": {self.detail}" if self.detail else ""
        if self.state == REFUSED:
            remedy = "a browser opens the link that the relay printed, a program gives its token"
            return Unavailable(f"the relay at {self.url} refused us{reason}", remedy=remedy)
        return Unavailable(f"no connection to the relay at {self.url}{reason}", remedy="it is tried again by itself")


def relay_url(url: str) -> str:
    """The WebSocket address of a relay; Invalid for what is no address of one."""
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme)
    if scheme is None or not parts.netloc:
        raise Invalid(f"{url!r} is no address of a relay", remedy="write ws://host:port")
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/') or '/ws'}"


def _too_full() -> LimitExceeded:
    return LimitExceeded(
        f"{QUEUE_LIMIT} bytes wait to be sent", remedy="wait for some calls to end", limit="bytes to send"
    )


async def _connect(url: str, token: str | None) -> Socket:
    if sys.platform == "emscripten":
        return await _BrowserSocket.open(url)
    return await _ProgramSocket.open(url, token)


class _ProgramSocket:
    """By `websockets`, on CPython."""

    def __init__(self, connection: Any) -> None:
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
        options: dict[str, Any] = {"compression": None, "max_size": EVENT_LIMIT, "proxy": None}
        try:
            return cls(
                await connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)], additional_headers=headers, **options)
            )
        except InvalidStatus as error:
            body = (error.response.body or b"").decode("utf-8", "replace").strip()
            raise Refused(body[:300] or f"it answered {error.response.status_code}") from None
        except (InvalidMessage, EOFError) as error:
            raise OSError(f"it is no relay: {error}") from None
        except InvalidHandshake as error:
            raise Refused(str(error)) from None

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
            return f"{frame.code} {frame.reason}".strip() if frame else "it went away"
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
    """By the browser's WebSocket, in Pyodide; no proxy is left behind."""

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
        """Close, and let go of what JavaScript holds of ours."""
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
            "onclose": lambda event: self._on_close_reason(f"{event.code} {event.reason}".strip()),
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


async def _why_not(url: str) -> Exception:
    """A browser does not tell why a WebSocket was refused; the relay's /session does."""
    import js
    from pyodide.ffi import JsException

    try:
        answer = await js.fetch(url.replace("ws", "http", 1).removesuffix("/ws") + "/session")
    except JsException:
        return OSError("the relay does not answer")
    if answer.status == 403:
        return Refused("this browser is not signed in; open the link that the relay printed")
    return OSError("it closed the connection")
