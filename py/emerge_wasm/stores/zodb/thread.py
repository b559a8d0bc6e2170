"""A thread for work that waits for a file or a server, and what happens when a server never answers.

Must not import ZODB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ...errors import Unavailable

T = TypeVar("T")


class Silent(Unavailable):
    """A server that is connected did not answer in time; `details["begun"]`: what it was asked may still be done."""


class Thread:
    """One thread; what is asked of it is done in order."""

    def __init__(self, name: str, place: str) -> None:
        self._executor = ThreadPoolExecutor(1, name)
        self._place = place

    async def run(self, seconds: float | None, work: Callable[..., T], *args: object) -> T:
        """What the work comes to. Raises Silent when it takes longer: what had not begun by then is never done."""
        begun = False

        def begin() -> T:
            nonlocal begun
            begun = True
            return work(*args)

        future = asyncio.get_running_loop().run_in_executor(self._executor, begin)
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            raise Silent(f"{self._place} is silent", remedy="look at the server, then try again", begun=begun) from None

    def end(self) -> None:
        """End the thread after what it does now."""
        self._executor.shutdown(wait=False)


Look = Callable[[Any], Any]


class Reads:
    """Reads that wait at the same moment are done together: one hop to a thread, one look at the server."""

    def __init__(self, thread: Thread, seconds: float, read: Callable[[Sequence[Look]], list[Any]]) -> None:
        """`read` (in the thread) gives what each of some looks sees, all of one moment."""
        self._thread = thread
        self._seconds = seconds
        self._read = read
        self._waiting: list[tuple[Look, asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None

    async def read(self, look: Callable[[Any], T]) -> T:
        """What this sees."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((look, answer))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        return await answer

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

    async def _look(self, some: list[tuple[Look, asyncio.Future[Any]]]) -> None:
        try:
            answers = await self._thread.run(self._seconds, self._read, [look for look, _ in some])
        except Exception as error:
            answers = [error] * len(some)
        for (_, waiter), answer in zip(some, answers, strict=True):
            if waiter.done():
                continue
            if isinstance(answer, Exception):
                waiter.set_exception(answer)
            else:
                waiter.set_result(answer)
