"""A worker process from the pool's side: calls it and kills it. Trusts nothing that it sends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from ..errors import EmergeError, Invalid, Unavailable
from ..operations import Answer
from ..wire.duplex import Duplex
from ..wire.event import SentArguments
from ..wire.link import Link
from ..wire.server import ServerRequest
from .frame import BadFrame, Splitter, pack_frame
from .host_session import STREAMS, HostSession
from .reply import read_ready

_PATIENCE = 20.0
_LINUX = sys.platform == "linux"


class WorkerGone(EmergeError):
    """The process ended or was killed; the message says how."""


class ProcessHandle:
    """Kills a process, and never another that reuses its pid: by a pidfd, or through its parent where there is none."""

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


def _open_tasks(pid: int) -> int:
    """Open the folder of a process's threads, so that to count them needs no path; -1 where there is none."""
    try:
        return os.open(f"/proc/{pid}/task", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if _LINUX else -1
    except OSError:
        return -1


class WorkerProcess(asyncio.Protocol):
    """A worker process, and the pool's end of the socket to it. One call at a time."""

    def __init__(self, pid: int, handle: ProcessHandle, frame_limit: int) -> None:
        self.pid = pid
        self.known: set[str] = set()  # hashes of the bundles that it was sent
        self.missing: dict[str, str] = {}  # layers that it lacks, with reasons
        self.ready = False
        self.calls = 0
        self.base = 0  # bytes of memory at its start
        self.peak = 0  # peak memory in bytes
        self.spent = 0.0  # seconds of processor time when that was last looked at, which is dear
        self.used = time.monotonic()
        self._handle = handle
        self._tasks = _open_tasks(pid)
        self._splitter = Splitter(frame_limit)
        self._link = Link(Duplex.of_host(requests=2 * STREAMS), self._send, self._answer)
        self._session: HostSession | None = None
        self._transport: asyncio.Transport | None = None
        self._drained = asyncio.Event()
        self._drained.set()
        self.fault = ""
        self._status: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def connect(self, sock: socket.socket) -> None:
        """Take the socket and wait until the worker is ready. Raises WorkerGone, BadFrame or TimeoutError otherwise."""
        await asyncio.get_running_loop().create_connection(lambda: self, sock=sock)
        async with asyncio.timeout(_PATIENCE):
            self.missing, self.base = read_ready(await self.call("ready", [], HostSession(None, 0)))
        self.peak = self.base
        self.ready = True

    # --- asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of another class

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._splitter.feed(data):
                if self._session is None:
                    raise BadFrame("it spoke when nobody had called it")
                self._link.receive(payload)
        except Invalid as fault:
            self.kill(fault.message)
        except BadFrame as fault:
            self.kill(str(fault))

    def pause_writing(self) -> None:
        self._drained.clear()

    def resume_writing(self) -> None:
        self._drained.set()

    async def _wait_drained(self) -> None:
        await self._drained.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._drained.set()
        self._link.lose(WorkerGone(self.fault))

    def _send(self, payload: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(pack_frame(payload))

    def _answer(self, request: ServerRequest) -> Answer:
        try:
            if self._session is None:
                raise Unavailable("this call is over")
            return self._session.answer(request, self._wait_drained)
        except BadFrame as fault:
            self.kill(str(fault))
            raise WorkerGone(self.fault) from None

    # --- for the pool
    @property
    def alive(self) -> bool:
        """Whether the worker can take another call."""
        return self._transport is not None and not self._transport.is_closing()

    async def call(self, name: str, args: SentArguments, session: HostSession) -> Any:
        """Make a call and return its answer.

        Raises:
            WorkerGone: the process ended.
            EmergeError: the error that the worker answered with, or that `session` raised for its output.
        """
        if not self.alive:
            raise WorkerGone(self.fault)
        self._session = session
        session.peak = self.peak
        try:
            return await self._link.call(name, args, hear=session.hear)
        finally:
            if session.asked:
                self.kill("it did not wait for an answer")
            if self._link.busy:
                await self._link.cancel()
            self._session = None
            if self._threads() > 1:
                session.peak = -1
            self.peak = session.peak

    def _threads(self) -> int:
        """Return how many threads it has, as the kernel counts them; 1 where that is not told.

        One that a call left behind could answer the next call in its place.
        """
        try:
            return os.stat(self._tasks).st_nlink - 2 if self._tasks >= 0 else 1
        except OSError:
            return 1

    def processor_time(self) -> float:
        """Return its processor time so far in seconds, for all threads; 0 where the system does not report it."""
        if sys.platform != "linux":
            return 0.0
        try:
            self.spent = time.clock_gettime((~self.pid << 3) | 2)  # the kernel's id of a process's CPU clock
        except OSError:
            return 0.0
        return self.spent

    def kill(self, fault: str = "") -> None:
        """Kill the process at once."""
        self.fault = self.fault or fault
        if not self._status.done():
            self._handle.kill()
        if self._transport is not None:
            self._transport.abort()

    def ended(self, status: int | None) -> None:
        """Record that the process was reaped; `status` is None when it is unknown."""
        if not self._status.done():
            self._status.set_result(status)
        self._handle.close()
        if self._tasks >= 0:
            os.close(self._tasks)
            self._tasks = -1
        if self._transport is not None:
            self._transport.abort()

    async def gone(self) -> None:
        """Wait until the process is reaped, at most one second."""
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await asyncio.shield(self._status)

    async def epitaph(self) -> str:
        """Return how the process ended, as text."""
        if self.fault:
            return self.fault
        await self.gone()
        status = self._status.result() if self._status.done() else None
        if status is None:
            return "its sandbox died"
        if status >= 0:
            return f"it exited with status {status}"
        more = ": perhaps the machine has no more memory" if -status == signal.SIGKILL else ""
        return f"it was ended by signal {-status} ({signal.Signals(-status).name}){more}"
