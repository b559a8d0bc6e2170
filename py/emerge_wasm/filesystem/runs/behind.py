"""Rows that need no commit of their own: gathered, and written together a moment later.

What is lost when the process dies in that moment must not matter.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ...errors import EmergeError
from ...store import Batch, Store

SECONDS = 0.1
AT_ONCE = 500
"""Rows of one commit, where the store takes so many."""


class Behind:
    """What waits to be put and deleted."""

    def __init__(self) -> None:
        self._waiting = Batch()
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def add(self, store: Store, batch: Batch) -> None:
        """Write these puts and deletes soon."""
        self._waiting.puts += batch.puts
        self._waiting.deletes += batch.deletes
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self._start, store)

    async def flush(self, store: Store) -> None:
        """Write now what waits."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            await self._writing
        await self._write(store)

    def _start(self, store: Store) -> None:
        self._timer = None
        self._writing = asyncio.ensure_future(self._write(store))

    async def _write(self, store: Store) -> None:
        batch, self._waiting = self._waiting, Batch()
        with suppress(EmergeError):  # the store is full, or closed: those who change anything are told
            step = min(AT_ONCE, store.capabilities.largest_batch) // 2
            for at in range(0, max(len(batch.puts), len(batch.deletes)), step):
                cut = slice(at, at + step)
                await store.commit(Batch(puts=batch.puts[cut], deletes=batch.deletes[cut]))
