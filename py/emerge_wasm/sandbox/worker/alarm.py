"""A worker's timer: interrupts a call that takes too long where it is, and flushes its output in time.

Shipped code can switch it off. It cannot reach the node's own clock, which kills the process a little later.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType

from ...filesystem.runs.inside.capture import PART, Stop

SOON = 0.05
"""Seconds that printed text may wait before it is sent."""


class Alarm:
    """A process's only alarm: it uses the signals of the process's timers."""

    def __init__(self) -> None:
        self._end = self._last = 0.0  # of the current part, and of the whole call
        self._wall = self._processor = 0.0
        self._part = 0.0
        self._soon: Callable[[], None] | None = None
        self._held = 0
        self._late = False
        self._running = False
        self._rung: Stop | None = None
        signal.signal(signal.SIGALRM, self._ring)
        signal.signal(signal.SIGPROF, self._used_up)

    def start(self, wall: float, processor: float) -> None:
        """Start the time limits of a call, in seconds."""
        self._rung = self._soon = None
        self._running = True
        self._wall, self._processor = wall, processor
        self._end = self._last = time.monotonic() + wall
        signal.setitimer(signal.ITIMER_PROF, processor)
        signal.setitimer(signal.ITIMER_REAL, wall)

    def renew(self) -> None:
        """Start the time limits of the call anew."""
        self._end = self._last = time.monotonic() + self._wall
        signal.setitimer(signal.ITIMER_PROF, self._processor)
        self._set()

    def start_part(self, wall: float) -> None:
        """Start the time limit of the call's next part, in seconds; exceeding it raises a Stop of PART."""
        self._end = min(self._last, time.monotonic() + wall)
        self._part = wall
        self._set()

    def stop(self) -> None:
        """End the time limits."""
        if self._running:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_PROF, 0)
        self._running = False
        self._soon = None

    def call_soon(self, function: Callable[[], None]) -> None:
        """Schedule a function to be called after SOON, unless one is scheduled."""
        if self._soon is None:
            self._soon = function
            signal.setitimer(signal.ITIMER_REAL, max(min(SOON, self._end - time.monotonic()), 1e-6))

    def forget(self) -> None:
        """Cancel the scheduled function."""
        if self._soon is not None:
            self._take_soon()
            self._set()

    def __enter__(self) -> Alarm:
        """Defer the alarm and the scheduled function to the end of the block."""
        self._held += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._held -= 1
        if self._held:
            return
        if self._rung is not None:
            rung, self._rung = self._rung, None
            raise rung
        if self._late and self._soon is not None:
            self._take_soon()()

    def _ring(self, *_: int | FrameType | None) -> None:
        if time.monotonic() >= self._end:
            late = self._end >= self._last
            seconds = self._wall if late else self._part
            self._raise(Stop("wall time" if late else PART, f"it took longer than {seconds:g} s"))
            return
        self._set()
        if self._held:
            self._late = True
        elif self._soon is not None:
            self._take_soon()()

    def _take_soon(self) -> Callable[[], None]:
        soon, self._soon, self._late = self._soon, None, False
        assert soon is not None
        return soon

    def _set(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, max(self._end - time.monotonic(), 1e-6))

    def _used_up(self, *_: int | FrameType | None) -> None:
        self._raise(Stop("processor time", f"it used more than {self._processor:g} s of processor time"))

    def _raise(self, stop: Stop) -> None:
        if self._held:
            self._rung = stop
        else:
            raise stop
