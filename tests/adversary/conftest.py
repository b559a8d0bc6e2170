"""In these tests a node that holds up its event loop fails them, by processor time and not by the clock."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from time import thread_time

import pytest

from emerge_wasm.wire import loop_watch
from emerge_wasm.wire.loop_watch import TimedWork

MOST_SECONDS = 0.25
"""Processor seconds of one step of an answer: a machine as slow as ours takes 0.05 for what is allowed."""


class ProcessorClock:
    """The processor seconds of this thread, less those of the garbage collector, which are nobody's."""

    def __init__(self) -> None:
        self._spent = self._began = 0.0

    def __call__(self) -> float:
        return thread_time() - self._spent

    def note(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = thread_time()
        else:
            self._spent += thread_time() - self._began


@pytest.fixture(autouse=True)
def no_stall(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The steps of this process's nodes that took too long; none, in the end."""
    stalls: list[float] = []
    clock, send = ProcessorClock(), TimedWork.send

    def timed(self: TimedWork, value: object) -> object:
        begun = clock()
        try:
            return send(self, value)
        finally:
            if (took := clock() - begun) > MOST_SECONDS:
                stalls.append(took)

    monkeypatch.setattr(loop_watch.TimedWork, "send", timed)
    gc.callbacks.append(clock.note)
    yield stalls
    gc.callbacks.remove(clock.note)
    assert stalls == [], "processor seconds in which a node served nobody else"
