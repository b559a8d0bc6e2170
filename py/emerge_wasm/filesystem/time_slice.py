"""Let others run during long work that never waits: the event loop is shared out in slices of time."""

from __future__ import annotations

import asyncio
from time import perf_counter

SLICE = 0.01
"""Seconds of the loop that long work takes at a time."""


class TimeSlice:
    """A slice of the loop's time, which begins now."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends = perf_counter() + SLICE

    async def share(self) -> None:
        """Let the others run, once this slice is over, and begin the next one."""
        if perf_counter() > self._ends:
            await asyncio.sleep(0)
            self._ends = perf_counter() + SLICE
