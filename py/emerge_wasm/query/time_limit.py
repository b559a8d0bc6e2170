"""Bound the time of an expression of many parts on one object: each part is bounded alone, not all together."""

from __future__ import annotations

import time

from .nested import NeedsCode
from .row import Row, Step

FEW = 16
"""Working parts up to which an expression needs no time limit."""
SECONDS = 0.05


class TimeLimit:
    """A time limit that starts for each object; after it every watched step raises NeedsCode, and a sandbox runs it."""

    __slots__ = ("_end",)

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self._end = time.perf_counter() + SECONDS

    @property
    def late(self) -> bool:
        return time.perf_counter() > self._end

    def watch(self, step: Step) -> Step:
        """Return the same step, which raises NeedsCode when no time is left."""
        read = step.read

        def watched(row: Row) -> object:
            if time.perf_counter() > self._end:
                raise NeedsCode("it takes longer than is taken outside a sandbox")
            return read(row)

        return step if step.fixed else Step(watched, field=step.field)
