"""What takes too long on one object is told by the processor's time, not by that of a thread that waits for it."""

from __future__ import annotations

import time

import pytest

from emerge_wasm.query.nested import NeedsCode
from emerge_wasm.query.row import Row, Step
from emerge_wasm.query.shape import Shape
from emerge_wasm.query.time_limit import SECONDS, TimeLimit

ROW = Row({}, {}, Shape("Any"))


def test_who_waits_for_the_processor_is_not_late() -> None:
    limit = TimeLimit()
    step = limit.watch(Step(lambda row: 1))
    for _ in range(6):
        time.sleep(SECONDS * 1.2)
        assert step.read(ROW) == 1


def test_who_works_is_late_soon() -> None:
    limit = TimeLimit()
    step = limit.watch(Step(lambda row: sum(range(1000))))
    began = time.thread_time()
    with pytest.raises(NeedsCode):
        while time.thread_time() < began + 10 * SECONDS:
            step.read(ROW)
    assert time.thread_time() < began + 5 * SECONDS
    assert limit.late
    limit.start()
    assert not limit.late
    assert step.read(ROW)
