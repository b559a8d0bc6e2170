"""One worker process as its pool sees it: spoken to, killed. Trusts nothing that it sends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from .frame import BadFrame, Splitter, pack_frame
from .message import Message, Ready, parse

_AHEAD = 1 << 20
"""Bytes that it may be ahead of its node, and a message."""
_COST = 100  # bytes of memory that a message takes besides
_PATIENCE = 20.0


class Gone(Exception):
    """The process ended, or had to be ended; its text says how."""


class Handle:
    """By which a process is killed, and never another one that got its number: a pidfd, else its parent's word."""

    def __init__(self, descriptor: int, otherwise: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._otherwise = otherwise

    def kill(self) -> None:
        if sys.platform == "linux" and self._descriptor >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
        else:
            self._otherwise()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Process(asyncio.Protocol):
    """A worker process, and the pool's end of the socket to it. One call at a time."""

    def __init__(self, pid: int, handle: Handle, frame_limit: int) -> None:
        self.pid = pid
        self.known: set[str] = set()  # hashes of the bundles it was sent
        self.missing: dict[str, str] = {}  # layers that it is not closed in by
        self.ready = False
        self.calls = 0
        self.base = 0  # bytes of memory that it began with
        self.used = time.monotonic()
        self._handle = handle
        self._splitter = Splitter(frame_limit)
        self._transport: asyncio.Transport | None = None
        self._messages: deque[bytes] = deque()
        self._ahead = 0
        self._waiter: asyncio.Future[None] | None = None
        self._fault = ""
        self._status: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def connect(self, sock: socket.socket) -> None:
        """Take the socket, and wait until it says that it is ready. Gone, BadFrame, TimeoutError when it does not."""
        await asyncio.get_running_loop().create_connection(lambda: self, sock=sock)
        message = await asyncio.wait_for(self.receive(), _PATIENCE)
        if not isinstance(message, Ready):
            raise BadFrame("it is something else")
        self.missing, self.base = message.missing, message.peak
        self.ready = True

    # --- the socket's side
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not of that class

    def data_received(self, data: bytes) -> None:
        try:
            frames = self._splitter.feed(data)
        except BadFrame as fault:
            self.kill(str(fault))
            frames = []
        self._messages += frames
        self._ahead += sum(len(frame) + _COST for frame in frames)
        if self._ahead > _AHEAD and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- the pool's side
    @property
    def alive(self) -> bool:
        """Whether it can take another call: it is there, and has nothing more to say."""
        return self._transport is not None and not self._transport.is_closing() and not self._messages

    def send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(pack_frame(data))

    async def receive(self) -> Message:
        """What it says next. Gone when it has ended; BadFrame when it says what it must not."""
        while not self._messages:
            if self._transport is None or self._transport.is_closing():
                raise Gone(self._fault)
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        data = self._messages.popleft()
        self._ahead -= len(data) + _COST
        if self._ahead <= _AHEAD and self._transport is not None and not self._transport.is_reading():
            self._transport.resume_reading()
        return parse(data)

    def processor_time(self) -> float:
        """Seconds that it has worked in its life, by all its threads; 0 where the system does not tell."""
        if sys.platform != "linux":
            return 0.0
        with suppress(OSError):
            return time.clock_gettime((~self.pid << 3) | 2)  # the kernel's name for a process's clock
        return 0.0

    def kill(self, fault: str = "") -> None:
        """End it at once, whatever it is doing."""
        self._fault = self._fault or fault
        if not self._status.done():
            self._handle.kill()
        if self._transport is not None:
            self._transport.abort()

    def ended(self, status: int | None) -> None:
        """It was cleared away; None when nobody knows how it ended."""
        if not self._status.done():
            self._status.set_result(status)
        self._handle.close()
        if self._transport is not None:
            self._transport.abort()

    async def gone(self) -> None:
        """Wait until it was cleared away, at most a second."""
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._status), 1.0)

    async def epitaph(self) -> str:
        """How it ended, in words."""
        if self._fault:
            return self._fault
        await self.gone()
        status = self._status.result() if self._status.done() else None
        if status is None:
            return "its sandbox died"
        if status >= 0:
            return f"it exited with status {status}"
        more = ": perhaps the machine has no more memory" if -status == signal.SIGKILL else ""
        return f"it was ended by signal {-status} ({signal.Signals(-status).name}){more}"
