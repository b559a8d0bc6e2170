"""Locks by key, such as an object's uuid or a path. Imports nothing of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Counted:
    """A lock and the number of tasks that hold it or wait for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class KeyedLock(Generic[K]):
    """One lock for each key, kept only while it is held or waited for. `len` counts the kept locks."""

    def __init__(self) -> None:
        self._locks: dict[K, _Counted] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @asynccontextmanager
    async def hold(self, key: K) -> AsyncIterator[bool]:
        """Hold the lock of a key; yield whether somebody else had it."""
        counted = self._locks.setdefault(key, _Counted())
        waited = counted.users > 0
        counted.users += 1
        try:
            async with counted.lock:
                yield waited
        finally:
            counted.users -= 1
            if not counted.users:
                del self._locks[key]
