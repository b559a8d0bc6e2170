"""The clocks that shipped code cannot reach: they end its worker when a call takes too long, or works too much."""

from __future__ import annotations

import asyncio
import os

from .process import Process

GRACE = 0.25
"""Seconds between the alarm inside a worker, which tells where it was, and its being killed."""
LATE, BUSY = "it did not end in time", "it worked for too long"
_CORES = os.cpu_count() or 1


class Deadline:
    """Bounds one call by seconds of wall time and of processor time. `with`."""

    def __init__(self, process: Process, wall: float, processor: float) -> None:
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._wall = wall + GRACE
        self._used_up = process.processor_time() + processor + GRACE

    def __enter__(self) -> Deadline:
        self._late = self._loop.call_later(self._wall, self._process.kill, LATE)
        self._look = self._loop.call_later(self._soonest(), self._check)
        return self

    def __exit__(self, *_: object) -> None:
        self._late.cancel()
        self._look.cancel()

    def _soonest(self) -> float:
        """Seconds until it can have used up its time, on all cores."""
        return max((self._used_up - self._process.processor_time()) / _CORES, 0.05)

    def _check(self) -> None:
        if self._process.processor_time() >= self._used_up:
            self._process.kill(BUSY)
        else:
            self._look = self._loop.call_later(self._soonest(), self._check)
