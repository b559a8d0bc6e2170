"""Locks by key, such as an object's uuid or a path. Imports nothing of ours."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class KeyedLock(Generic[K]):
    """One lock for each key, kept only while it is held. `len` counts the kept locks."""

    def __init__(self) -> None:
        self._held: dict[K, deque[asyncio.Future[None]] | None] = {}  # who waits for the key, the first first

    def __len__(self) -> int:
        return len(self._held)

    def take(self, key: K) -> bool:
        """Take the lock of a key, to be released, if nobody has it; tell whether that was so."""
        if key in self._held:
            return False
        self._held[key] = None
        return True

    def release(self, key: K) -> None:
        """Hand a lock that was taken to whoever waits for it first."""
        waiting = self._held[key]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._held[key]

    @asynccontextmanager
    async def hold(self, key: K) -> AsyncIterator[bool]:
        """Hold the lock of a key; yield whether somebody else had it."""
        waited = not self.take(key)
        if waited:
            await self._wait(key)
        try:
            yield waited
        finally:
            self.release(key)

    async def _wait(self, key: K) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._held[key] = self._held[key] or deque()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was this one's turn already
                self.release(key)
            raise
