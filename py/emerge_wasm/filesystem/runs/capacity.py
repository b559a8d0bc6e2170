"""Limit how many methods compute at once: a run holds a seat while it computes, none while it waits for the filesystem.

So runs that wait for each other's objects never hold the seats that the others need. Locks and queues, nothing else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ...errors import LimitExceeded

WAITING = 1024
"""Runs that may wait to begin."""

LENT = 64
"""Runs that may have lent their seats, each a process. Any further one keeps its seat while it waits."""


class Capacity:
    """The seats of one filesystem's runner. Runs that take theirs back go before those that begin."""

    def __init__(self) -> None:
        self.taken = 0
        self.lent = 0
        self._returning: deque[asyncio.Future[None]] = deque()
        self._beginning: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait to begin."""
        return len(self._beginning)

    async def take(self, size: int, *, back: bool = False) -> None:
        """Take one of `size` seats (0: there is no bound); raise LimitExceeded when too many wait to begin."""
        if not size or self.taken < size:
            self.taken += 1
            return
        queue = self._returning if back else self._beginning
        if len(self._beginning) >= WAITING and not back:
            raise LimitExceeded(f"{WAITING} calls are waiting to run", remedy="try again later", limit="waiting calls")
        seat = asyncio.get_running_loop().create_future()
        queue.append(seat)
        try:
            await seat  # `leave` hands over a seat
        except asyncio.CancelledError:
            if not seat.cancelled():  # it was handed over already
                self.leave()
            elif seat in queue:
                queue.remove(seat)
            raise

    def leave(self) -> None:
        """Hand the seat over to a run that waits, or free it."""
        for queue in (self._returning, self._beginning):
            while queue:
                seat = queue.popleft()
                if not seat.done():
                    seat.set_result(None)
                    return
        self.taken -= 1


class Seat:
    """The seat of one run, held by `async with`."""

    def __init__(self, capacity: Capacity, size: int) -> None:
        self._capacity = capacity
        self._size = size
        self._held = False
        self._waits = 0  # how many things the run waits for at once
        self._lent = False

    async def __aenter__(self) -> None:
        """Hold the seat for the run."""
        await self._take()

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        """Lend the seat to others while the run waits, and take it back afterwards, unless cancelled."""
        self._waits += 1
        self._lend()
        try:
            yield
        except asyncio.CancelledError:
            self._waits -= 1
            raise
        except BaseException:
            await self._return()
            raise
        else:
            await self._return()

    def _lend(self) -> None:
        if self._held and self._capacity.lent < LENT:
            self._capacity.lent += 1
            self._lent = True
            self._held = False
            self._capacity.leave()

    async def _return(self) -> None:
        self._waits -= 1
        if not self._waits and self._lent:
            await self._take(back=True)
            self._get_back()

    async def _take(self, *, back: bool = False) -> None:
        await self._capacity.take(self._size, back=back)
        self._held = True

    def _get_back(self) -> None:
        if self._lent:
            self._lent = False
            self._capacity.lent -= 1

    def _leave(self) -> None:
        self._get_back()
        if self._held:
            self._held = False
            self._capacity.leave()
