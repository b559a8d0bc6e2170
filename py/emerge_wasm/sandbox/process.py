"""One worker process as its pool sees it: started, spoken to, killed. Trusts nothing that it sends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Self, cast

from ..errors import EmergeError, Unavailable
from ..filesystem.execute import Encoded, Limits
from .frame import READY, BadFrame, Splitter, pack_frame, parse_answer

_LIFE = 512  # different bundles that one worker may see before it is replaced, so that it cannot grow for ever


class Gone(Exception):
    """The process ended, or had to be ended; its text says how."""


class Handle:
    """By which a process is killed: never another one that got its number, where the system has pidfds.

    (asyncio's own `kill` may take the exit status away from under its own watcher.)
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = -1
        if sys.platform == "linux":
            with suppress(OSError):
                self._descriptor = os.pidfd_open(pid)

    def kill(self) -> None:
        if sys.platform == "linux" and self._descriptor >= 0:
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
        else:
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Process(asyncio.Protocol):
    """A worker process, and the pool's end of the socket to it. One call at a time."""

    def __init__(self, frame_limit: int) -> None:
        self.known: set[str] = set()  # hashes of the bundles it was sent
        self.child: asyncio.subprocess.Process | None = None
        self._handle: Handle | None = None
        self._splitter = Splitter(frame_limit)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._fault = ""

    @classmethod
    async def start(cls, limits: Limits, memory: int, frame_limit: int, patience: float = 20.0) -> Self:
        """A process that is ready for its first call. Unavailable when it does not come up."""
        ours, theirs = socket.socketpair()
        process = cls(frame_limit)
        loop = asyncio.get_running_loop()
        try:
            with theirs:
                process.child = await _spawn(theirs.fileno(), limits, memory)
            process._handle = Handle(process.child.pid)
            await loop.create_connection(lambda: process, sock=ours)
            if await asyncio.wait_for(process._answer, patience) != bytes([READY]):
                raise Gone("it is something else")
        except (Gone, OSError, TimeoutError) as error:
            ours.close()
            await process.close()
            raise Unavailable(f"a sandbox worker does not start: {error or 'no sign of life'}") from None
        except BaseException:
            await process.close()
            raise
        return process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not of that class

    def data_received(self, data: bytes) -> None:
        try:
            frames = self._splitter.feed(data)
            if len(frames) > 1 or (frames and self._answer.done()):
                raise BadFrame("it sent an answer that nobody asked for")
        except BadFrame as fault:
            self.kill(str(fault))
        else:
            for frame in frames:
                self._answer.set_result(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_exception(Gone(self._fault))
        if not self._answer.cancelled():
            self._answer.exception()  # seen, also when nobody waits for it

    @property
    def alive(self) -> bool:
        """Whether it can take another call."""
        return self._transport is not None and not self._transport.is_closing() and len(self.known) < _LIFE

    async def ask(self, request: bytes) -> Encoded | EmergeError:
        """Its answer to a packed call. Gone when it dies first; BadFrame when the answer is none."""
        if self._transport is None or self._transport.is_closing():
            raise Gone(self._fault)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(pack_frame(request))
        return parse_answer(await self._answer)

    def kill(self, fault: str = "") -> None:
        """End it at once, whatever it is doing."""
        self._fault = self._fault or fault
        if self._handle is not None and self.child is not None and self.child.returncode is None:
            with suppress(ProcessLookupError):
                self._handle.kill()
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """End it and wait until the system has cleared it away."""
        self.kill()
        if self.child is not None:
            await self.child.wait()
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    async def epitaph(self) -> str:
        """How it ended, in words."""
        if self._fault:
            return self._fault
        assert self.child is not None
        status = await self.child.wait()
        return f"it was ended by signal {-status}" if status < 0 else f"it exited with status {status}"


async def _spawn(descriptor: int, limits: Limits, memory: int) -> asyncio.subprocess.Process:
    numbers = [descriptor, memory, limits.output, limits.result, limits.items]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        "emerge_wasm.sandbox.worker",
        *(str(number) for number in numbers),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        pass_fds=[descriptor],
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1"},
        cwd="/",
    )
