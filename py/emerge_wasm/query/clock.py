"""How long one object may take, for an expression of many parts: each is bounded, not all of them together."""

from __future__ import annotations

import time
from typing import Any

from .nested import NeedsCode
from .row import Row
from .step import Step

FEW = 16
"""Parts that do something, which are not worth a look at the clock."""
SECONDS = 0.05


class Clock:
    """Started for each object; what goes on after its end asks for code, and so for a sandbox."""

    __slots__ = ("_end",)

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self._end = time.perf_counter() + SECONDS

    @property
    def late(self) -> bool:
        return time.perf_counter() > self._end

    def watch(self, step: Step) -> Step:
        """The same step, done only when there is time left."""
        read = step.read

        def watched(row: Row) -> Any:
            if time.perf_counter() > self._end:
                raise NeedsCode("it takes longer than is taken outside a sandbox")
            return read(row)

        return step if step.fixed else Step(watched, field=step.field)
