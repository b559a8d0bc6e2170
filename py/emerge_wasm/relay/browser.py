"""One WebSocket from its acceptance to its end: reading, a bounded queue of events to send, a closing code."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..clients.transports.websocket import SUBPROTOCOL
from ..errors import EmergeError
from .pipe import OVER, FindCaller, Pipe
from .settings import BrowserLimits
from .uplink import Uplink

UNSUPPORTED, MALFORMED, POLICY, TRY_LATER, RESTART = 1003, 1007, 1008, 1013, 1012
ABORT = "emerge.abort"
"""The ASGI extension by which the server lets go of a connection whose other end does not read."""


class Browser:
    """The other end of one accepted WebSocket: a browser, whose session has that id, or a program."""

    def __init__(
        self, websocket: WebSocket, uplink: Uplink, limits: BrowserLimits, find_caller: FindCaller, session: str = ""
    ) -> None:
        self.session = session
        self.pipe = Pipe(uplink, limits, self.deliver, find_caller)
        self._websocket = websocket
        self._uplink = uplink
        self._limits = limits
        self._queue: deque[bytes] = deque()
        self._queued = 0  # bytes
        self._filled = asyncio.Event()
        self._over = False
        self._ending: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        """Serve until either end closes."""
        await self._websocket.accept(SUBPROTOCOL)
        unsubscribe = self._uplink.subscribe(self._switch)
        self.deliver(self.pipe.status())
        tasks: list[asyncio.Future[None]] = [asyncio.ensure_future(self._read()), asyncio.ensure_future(self._write())]
        ends: list[asyncio.Future[None] | asyncio.Future[tuple[int, str]]] = [*tasks, self._ending]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            unsubscribe()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.pipe.close()
            self._queue.clear()
        if self._ending.done():
            await self._leave(*self._ending.result())

    def deliver(self, payload: bytes) -> None:
        """Queue an event for the browser, and disconnect one that reads too slowly."""
        if self._ending.done():
            return
        self._queue.append(payload)
        self._queued += len(payload)
        if len(self._queue) > self._limits.queue or self._queued > self._limits.queue_bytes:
            self.end(TRY_LATER, "this browser reads too slowly: connect again")
        self._filled.set()

    def beat(self) -> None:
        """Send a heartbeat to the browser and, for its requests, to the node; end a session that is over."""
        if self.pipe.is_over:
            self.end(POLICY, OVER)
            return
        self.pipe.beat()
        self.deliver(self.pipe.status())

    def end(self, code: int, reason: str) -> None:
        """Close with this code; a reason has at most 123 bytes."""
        if not self._ending.done():
            self._ending.set_result((code, reason.encode()[:123].decode(errors="ignore")))

    def end_if_over(self) -> None:
        """Close at once when its session has ended."""
        if self.pipe.is_over:
            self._queue.clear()
            self.end(POLICY, OVER)

    def _switch(self) -> None:
        self.pipe.switch()
        self.deliver(self.pipe.status())

    async def _read(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            payload = message.get("bytes")
            if payload is None:
                self.end(UNSUPPORTED, "events are binary messages, not text")
                return
            try:
                self.pipe.from_browser(payload)
            except EmergeError as error:
                self.end(MALFORMED, str(error))
                return
            self._over = self.pipe.is_over

    async def _write(self) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):  # it closed meanwhile; _read sees that too
            while True:
                while self._queue:
                    payload = self._queue.popleft()
                    await self._websocket.send_bytes(payload)
                    self._queued -= len(payload)
                if self._over:  # the reason was sent to them
                    self.end(POLICY, OVER)
                self._filled.clear()
                await self._filled.wait()

    async def _leave(self, code: int, reason: str) -> None:
        """Close with a code and a reason, and drop the connection of one that does not read even that."""
        try:
            async with asyncio.timeout(self._limits.patience):
                with suppress(WebSocketDisconnect, RuntimeError):
                    await self._websocket.close(code, reason)
        except TimeoutError:
            abort = self._websocket.scope.get("extensions", {}).get(ABORT)
            if abort is not None:
                abort["call"]()
