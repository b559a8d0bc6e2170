"""Group commit: commits that wait at the same moment are written together, in one round trip or with one fsync.

For engines whose commit is slow beside Python. Must not import an engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from ..errors import Conflict
from ..store import Batch, Key
from .check import changed

T = TypeVar("T")

CommitResult = list[int] | BaseException
"""The outcome of one batch: the numbers of its appends, or the error it fails with."""

WriteGroup = Callable[[list[Batch]], Awaitable[list[CommitResult]]]
"""Write these batches, one after the other in effect, and durably: returns a result for each batch.

A batch that fails leaves the others alone; an exception is the result of all of them."""

_Waiter = tuple[Batch, asyncio.Future[list[int]]]


class GroupCommit:
    """Collect the commits that wait and write them in groups, one group at a time, in the order they came."""

    def __init__(self, write: WriteGroup, limit: int = 1000, weigh: Callable[[Batch], int] | None = None) -> None:
        """`limit`: the weight of a group above which no further batch joins; `weigh` defaults to `weight`."""
        self._write = write
        self._limit = limit
        self._weigh = weigh or weight
        self._waiting: list[_Waiter] = []
        self._task: asyncio.Task[None] | None = None

    async def commit(self, batch: Batch) -> list[int]:
        """Commit as `Store.commit` does. A caller cancelled before its batch is taken has written nothing."""
        answer: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, answer))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        return await answer

    async def drain(self) -> None:
        """Wait until every commit asked for is written."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._write_group(self._take())
        finally:
            self._task = None

    def _take(self) -> list[_Waiter]:
        group: list[_Waiter] = []
        size = 0
        while self._waiting:
            batch, answer = self._waiting[0]
            size += self._weigh(batch)
            if group and size > self._limit:
                break
            self._waiting.pop(0)
            if not answer.done():
                group.append((batch, answer))
        return group

    async def _write_group(self, group: list[_Waiter]) -> None:
        try:
            results: Sequence[CommitResult] = await self._write([batch for batch, _ in group]) if group else []
        except Exception as error:
            results = [error] * len(group)
        resolve([waiter for _, waiter in group], results)


def resolve(waiters: Iterable[asyncio.Future[T]], results: Iterable[T | BaseException]) -> None:
    """Give each waiter its result; one that was cancelled meanwhile gets none."""
    for waiter, result in zip(waiters, results, strict=True):
        if waiter.done():
            continue
        if isinstance(result, BaseException):
            waiter.set_exception(result)
        else:
            waiter.set_result(result)


def weight(batch: Batch) -> int:
    """Return the number of a batch's rows and conditions."""
    return len(batch) + len(batch.expects) + len(batch.counts)


class MergedBatches:
    """Merge a group of batches without counts into one set of rows, each batch seeing those before it.

    `held` is what the store holds at the keys of `needed`, `counters` the last number given in each space of
    `appended`, both read in the transaction (or under the condition) in which `rows` are written.
    """

    def __init__(self, held: dict[Key, bytes | None], counters: dict[str, int]) -> None:
        self._held = held
        self.counters = dict(counters)
        self.rows: dict[Key, bytes | None] = {}  # to put, or (None) to delete
        self.used: dict[Key, bytes | None] = {}  # the part of `held` that the batches rely on

    def add(self, batch: Batch) -> list[int] | Conflict:
        """Take in one batch, or nothing of it when an expectation fails."""
        for space, key, expected in batch.expects:
            value = self.rows[space, key] if (space, key) in self.rows else self._hold((space, key))
            if value != expected:
                return changed(space, key)
        for space, key in batch.deletes:
            self.rows[space, key] = None
        for space, key, value in batch.puts:
            self.rows[space, key] = value
        return [self._append(space, value) for space, value in batch.appends]

    def _hold(self, key: Key) -> bytes | None:
        value = self.used[key] = self._held[key]
        return value

    def _append(self, space: str, value: bytes) -> int:
        number = self.counters[space] = self.counters[space] + 1
        self.rows[space, number.to_bytes(8, "big")] = value
        return number


def needed(batches: Iterable[Batch]) -> list[Key]:
    """Return the keys on which these batches set conditions, each once."""
    return list(dict.fromkeys((space, key) for batch in batches for space, key, _ in batch.expects))


def appended(batches: Iterable[Batch]) -> list[str]:
    """Return the spaces to which these batches append, each once."""
    return list(dict.fromkeys(space for batch in batches for space, _ in batch.appends))
