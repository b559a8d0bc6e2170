"""Who holds up an event loop: the steps of answers are timed, and those that take long are told and counted.

A step is what runs between two waits; nobody else is served meanwhile. No I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from time import perf_counter
from types import TracebackType

STALL_SECONDS = 0.05
"""How long a step may take without being told of."""


class TimedWork(Coroutine[object, object, None]):
    """A coroutine whose steps are timed: `late(seconds)` hears of those that take long."""

    __slots__ = ("_late", "_work")

    def __init__(self, work: Coroutine[object, object, None], late: Callable[[float], None]) -> None:
        self._work = work
        self._late = late

    def send(self, value: object) -> object:
        begun = perf_counter()
        try:
            return self._work.send(value)
        finally:
            if (took := perf_counter() - begun) > STALL_SECONDS:
                self._late(took)

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: BaseException | object = None,
        trace: TracebackType | None = None,
    ) -> object:
        return self._work.throw(kind) if isinstance(kind, BaseException) else self._work.throw(kind, value, trace)

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[object, object, None]:
        return self._work.__await__()
