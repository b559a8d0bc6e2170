"""Bound the time of an expression of many parts on one object: each part is bounded alone, not all together."""

from __future__ import annotations

import time
from collections.abc import Callable

from .nested import NeedsCode
from .row import Row, Step

FEW = 16
"""Working parts up to which an expression needs no time limit."""
SECONDS = 0.05


def _thread_clock() -> Callable[[], float]:
    """The clock of the processor's time for this thread; a browser has none."""
    try:
        time.thread_time()
    except (AttributeError, OSError):
        return time.perf_counter
    return time.thread_time


_worked = _thread_clock()


class TimeLimit:
    """A time limit that starts for each object; after it every watched step raises NeedsCode, and a sandbox runs it.

    A thread that had to wait for the processor is given more.
    """

    __slots__ = ("_began", "_end")

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self._end = time.perf_counter() + SECONDS
        self._began = -1.0

    @property
    def late(self) -> bool:
        return time.perf_counter() > self._end and self._was_at_work()

    def _was_at_work(self) -> bool:
        """Tell whether the thread has worked since it seemed late at first; give it more time, if not."""
        worked = _worked()
        if self._began < 0:
            self._began = worked
        if worked >= self._began + SECONDS / 2:
            return True
        self._end = time.perf_counter() + SECONDS / 2
        return False

    def watch(self, step: Step) -> Step:
        """Return the same step, which raises NeedsCode when no time is left."""
        read = step.read

        def watched(row: Row) -> object:
            if time.perf_counter() > self._end and self._was_at_work():
                raise NeedsCode("it takes longer than is taken outside a sandbox")
            return read(row)

        return step if step.fixed else Step(watched, field=step.field)
