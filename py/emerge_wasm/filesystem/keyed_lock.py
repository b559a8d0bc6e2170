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

    def take(self, key: K) -> asyncio.Future[None] | None:
        """Take the lock of a key, to be released; return what to await first, if somebody else has it."""
        if key not in self._held:
            self._held[key] = None
            return None
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._held[key] = self._held[key] or deque()
        waiting.append(turn)
        return turn

    def release(self, key: K) -> None:
        """Hand a lock to whoever waits for it first."""
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
        turn = self.take(key)
        try:
            if turn is not None:
                await turn
            yield turn is not None
        finally:
            self.leave(key, turn)

    def leave(self, key: K, turn: asyncio.Future[None] | None) -> None:
        """Release a lock, or wait for it no longer: `turn` is what `take` returned."""
        if turn is not None and not turn.done():
            turn.cancel()
        elif turn is None or not turn.cancelled():
            self.release(key)
