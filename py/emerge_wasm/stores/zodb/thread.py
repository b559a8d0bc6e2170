"""A thread for work that waits for a file or a server, and what happens when a server never answers.

Must not import ZODB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from ...errors import Unavailable
from ..group_commit import resolve

T = TypeVar("T")
R = TypeVar("R")


class ServerSilent(Unavailable):
    """A connected server did not answer in time; `details["begun"]`: what it was asked to do may still happen."""


class WorkerThread:
    """One thread, which does its work in the order asked for."""

    def __init__(self, name: str, server: str) -> None:
        """`server`: what the work waits for, for error messages."""
        self._executor = ThreadPoolExecutor(1, name)
        self._server = server

    async def run(self, seconds: float | None, work: Callable[..., T], *args: object) -> T:
        """Return the result of `work(*args)`, called in the thread.

        Raises:
            ServerSilent: it takes longer than this. Work that has not begun by then is never done.
        """
        begun = False

        def begin() -> T:
            nonlocal begun
            begun = True
            return work(*args)

        future = asyncio.get_running_loop().run_in_executor(self._executor, begin)
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            raise ServerSilent(
                f"{self._server} is silent", remedy="look at the server, then try again", begun=begun
            ) from None

    def end(self) -> None:
        """End the thread after what it does now."""
        self._executor.shutdown(wait=False)


class ReadQueue(Generic[R]):
    """Reads of rows R that wait at the same moment are made together: one hop to a thread, one moment of the server."""

    def __init__(
        self, thread: WorkerThread, seconds: float, read: Callable[[Sequence[Callable[[R], None]]], None]
    ) -> None:
        """`read` (in the thread) lets each of some callables look, all at one moment; perhaps several times."""
        self._thread = thread
        self._seconds = seconds
        self._read = read
        self._waiting: list[tuple[Callable[[R], None], asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def read(self, look: Callable[[R], T]) -> T:
        """Return what `look` sees."""
        seen: list[T] = []

        def keep(rows: R) -> None:
            seen[:] = [look(rows)]

        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((keep, done))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        await done
        return seen[0]

    async def close(self) -> None:
        """Wait for all that was asked for, and end the thread."""
        while self._task is not None:
            await asyncio.wait([self._task])
        self._thread.end()

    async def _run(self) -> None:
        try:
            while self._waiting:
                some, self._waiting = self._waiting, []
                await self._look([each for each in some if not each[1].done()])
        finally:
            self._task = None

    async def _look(self, some: list[tuple[Callable[[R], None], asyncio.Future[None]]]) -> None:
        failure: Exception | None = None
        try:
            await self._thread.run(self._seconds, self._read, [look for look, _ in some])
        except Exception as error:
            failure = error
        resolve([done for _, done in some], [failure] * len(some))
