"""Reads that wait at the same moment are done together: one hop to the reading thread, one look at the server.

Must not import ZODB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from .zodb_tree import Rows

T = TypeVar("T")


class Reads:
    """The thread that reads, and the reads that wait for it."""

    def __init__(self, read: Callable[[Sequence[Callable[[Rows], Any]]], list[Any]]) -> None:
        """`read` (in the thread) gives what each of some looks sees, all of one moment."""
        self._read = read
        self._executor = ThreadPoolExecutor(1, "emerge-zodb-read")
        self._waiting: list[tuple[Callable[[Rows], Any], asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None

    async def read(self, look: Callable[[Rows], T]) -> T:
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
        self._executor.shutdown(wait=False)

    async def _run(self) -> None:
        try:
            while self._waiting:
                some, self._waiting = self._waiting, []
                await self._look([each for each in some if not each[1].done()])
        finally:
            self._task = None

    async def _look(self, some: list[tuple[Callable[[Rows], Any], asyncio.Future[Any]]]) -> None:
        try:
            answers = await asyncio.get_running_loop().run_in_executor(
                self._executor, self._read, [look for look, _ in some]
            )
        except Exception as error:
            answers = [error] * len(some)
        for (_, waiter), answer in zip(some, answers, strict=True):
            if waiter.done():
                continue
            if isinstance(answer, Exception):
                waiter.set_exception(answer)
            else:
                waiter.set_result(answer)
