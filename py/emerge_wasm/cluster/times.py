"""How long the members of a cluster wait for each other, in seconds."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

TICKS = 2
"""In a period: silence is counted in these, and is never as long as it seems by more than one."""

PARTS = 5
"""Into how many parts a wait is divided."""


class Times(NamedTuple):
    """The time between announcements; of silence until a node is taken for gone, at the earliest; for answers to a
    question; and between renewals of a node's lease in a store that several share (each is a commit, which some engines
    keep)."""

    period: float = 1.0
    silence: float = 3.5
    patience: float = 0.5
    roster: float = 3.0

    @property
    def tick(self) -> float:
        return self.period / TICKS

    @property
    def suspicion(self) -> float:
        """Of silence, until a node is asked whether it is there."""
        return self.silence / 2

    @property
    def probe(self) -> float:
        """For the answer to that."""
        return self.silence * 0.3


TIMES = Times()


async def settled(work: asyncio.Future[bool], seconds: float) -> bool:
    """Wait for a result; tell whether it came in time, and was true.

    A process that stands still hears nobody, so the time is taken in parts, of which that costs one.
    """
    for _ in range(PARTS):
        if (await asyncio.wait([work], timeout=seconds / PARTS))[0]:
            return work.result()
    return False
