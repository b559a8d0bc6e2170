"""Limit how many methods compute at once: a run holds a seat while it computes, none while it waits for the filesystem.

So runs that wait for each other's objects never hold the seats that the others need. Principals are served in turn: who
asks for one run waits for at most one run of each other principal, on each seat. Locks and queues, nothing else.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from time import monotonic

from ...errors import LimitExceeded

WAITING = 1024
"""Calls of one principal that may wait to begin."""

LENT = 64
"""Runs that may have lent their seats, each a process. Any further one keeps its seat while it waits, unless it is the
last seat, so that what they wait for can run."""

LENT_MOST = 256
"""Runs that may have lent their seats at all. Beyond that none may begin inside of another."""

Waiting = tuple[bool, int, int, asyncio.Future[None]]
"""(whether it begins, how deep it is nested as a negative number, its number, what hands it the seat)"""


class Capacity:
    """The seats of one runner. Of those who wait, the principal whose last seat is the longest ago gets the next one.

    Of a principal's runs, those that take a seat back go first, and then the deepest: runs wait for what they called.
    At least one seat is kept by none that waits.
    """

    def __init__(self, most: int | None = None) -> None:
        """Let each principal have `most` calls waiting, WAITING by default."""
        self.taken = 0
        self.lent = 0
        self.kept = 0
        """Seats of runs that wait for something, and could not lend them."""
        self._most = most
        self._size = 0
        self._queues: dict[str, list[Waiting]] = {}  # by principal
        self._served: dict[str, int] = {}  # the number of each principal's last seat
        self._numbers = count(1)

    @property
    def waiting(self) -> int:
        """How many wait for a seat."""
        return sum(map(len, self._queues.values()))

    def take_free(self, size: int, principal: str = "") -> bool:
        """Take one of `size` seats (0: there is no bound) if one is free, which is so when nobody waits."""
        self._size = size
        if size and self.taken >= size:
            return False
        self._serve(principal)
        return True

    async def take(self, size: int, principal: str = "", *, depth: int = 0, back: bool = False) -> None:
        """Take one of `size` seats (0: there is no bound); raise LimitExceeded when too many of theirs wait."""
        if self.take_free(size, principal):
            return
        queue = self._queues.get(principal, [])
        most = WAITING if self._most is None else self._most
        if depth and not back and self.lent >= LENT_MOST:
            raise LimitExceeded(
                f"{self.lent} runs wait for others already",
                remedy="call again when some of them have ended",
                limit="runs that wait",
            )
        if not back and sum(begins for begins, *_ in queue) >= most:
            raise LimitExceeded(
                f"{most} calls of {principal.strip(chr(0)) or 'guests'} are waiting to run, and more may not",
                remedy="call again when some of them have ended; the calls of others are not counted",
                limit="waiting calls",
            )
        seat = asyncio.get_running_loop().create_future()
        mine = (not back, -depth, next(self._numbers), seat)
        insort(self._queues.setdefault(principal, queue), mine)
        try:
            await seat  # `_hand_over` sets it
        except asyncio.CancelledError:
            if not seat.cancelled():  # it was handed over already
                self.leave()
            else:
                self._forget(principal, mine)
            raise

    def leave(self) -> None:
        """Hand the seat over to a run that waits, or free it."""
        self.taken -= 1
        self._hand_over()
        if not self.taken:
            self._served.clear()

    def may_lend(self) -> bool:
        """Tell whether a run that waits hands its seat to others."""
        last = self.kept + 1 >= self._size
        return self.lent < (LENT_MOST if last else LENT)

    def _is_free(self) -> bool:
        return not self._size or self.taken < self._size

    def _hand_over(self) -> None:
        while self._queues and self._is_free():
            principal = min(self._queues, key=lambda who: self._served.get(who, 0))
            queue = [each for each in self._queues.pop(principal) if not each[-1].done()]  # some are cancelled
            if queue:
                self._serve(principal)
                queue.pop(0)[-1].set_result(None)
            if queue:
                self._queues[principal] = queue

    def _serve(self, principal: str) -> None:
        self.taken += 1
        self._served[principal] = next(self._numbers)

    def _forget(self, principal: str, mine: Waiting) -> None:
        queue = self._queues.get(principal, [])
        if mine in queue:
            queue.remove(mine)
            if not queue:
                del self._queues[principal]


class Seat:
    """The seat of one run, held by `async with`. `ran` is called with the seconds for which it was held, each time
    that it is given away."""

    def __init__(
        self,
        capacity: Capacity,
        size: int,
        principal: str = "",
        depth: int = 0,
        ran: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._capacity = capacity
        self._size = size
        self._principal = principal
        self._depth = depth
        self._ran = ran
        self._held = False
        self._since = 0.0
        self._kept = False
        self._waits = 0  # how many things the run waits for at once
        self._lent = False
        self._taking: asyncio.Lock | None = None

    async def __aenter__(self) -> None:
        """Hold the seat for the run."""
        if not self._capacity.take_free(self._size, self._principal):
            await self._take()
        self._hold()

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
        if not self._held or self._kept:
            return
        if self._capacity.may_lend():
            self._capacity.lent += 1
            self._lent = True
            self._give_away()
        else:
            self._kept = True
            self._capacity.kept += 1

    async def _return(self) -> None:
        self._waits -= 1
        if self._waits:
            return
        if self._lent:
            self._taking = self._taking or asyncio.Lock()
            async with self._taking:  # its other calls wait for the same seat
                await self._take_back()
        self._get_back()

    async def _take_back(self) -> None:
        if not self._lent:
            return
        await self._take(back=True)
        if self._lent:
            self._hold()
            self._get_back()
        else:  # the run ended meanwhile
            self._capacity.leave()

    async def _take(self, *, back: bool = False) -> None:
        await self._capacity.take(self._size, self._principal, depth=self._depth, back=back)

    def _get_back(self) -> None:
        if self._lent:
            self._lent = False
            self._capacity.lent -= 1
        if self._kept:
            self._kept = False
            self._capacity.kept -= 1

    def _leave(self) -> None:
        self._get_back()
        if self._held:
            self._give_away()

    def _hold(self) -> None:
        self._held = True
        self._since = monotonic()

    def _give_away(self) -> None:
        self._held = False
        self._ran(monotonic() - self._since)
        self._capacity.leave()
