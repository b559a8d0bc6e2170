"""Locks by key, such as an object's uuid or a path. Imports nothing of ours."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
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

    def hold(self, key: K) -> LockHold[K]:
        """Return a context that holds the lock of a key, and gives whether somebody else had it."""
        return LockHold(self, key)

    def leave(self, key: K, turn: asyncio.Future[None] | None) -> None:
        """Release a lock, or wait for it no longer: `turn` is what `take` returned."""
        if turn is not None and not turn.done():
            turn.cancel()
        elif turn is None or not turn.cancelled():
            self.release(key)


class LockHold(Generic[K]):
    """The lock of one key, held by `async with`."""

    __slots__ = ("_key", "_lock", "_turn")

    def __init__(self, lock: KeyedLock[K], key: K) -> None:
        self._lock = lock
        self._key = key

    async def __aenter__(self) -> bool:
        turn = self._turn = self._lock.take(self._key)
        if turn is None:
            return False
        try:
            await turn
        except BaseException:
            self._lock.leave(self._key, turn)
            raise
        return True

    async def __aexit__(self, *_: object) -> None:
        self._lock.leave(self._key, self._turn)
