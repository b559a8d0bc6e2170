"""A lambda over stored objects in a process that never saw their classes: its values, and what it raises on each."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from emerge_wasm.bundles import capture
from emerge_wasm.bundles.expression import capture_expression
from emerge_wasm.codec import Record, pack_state
from emerge_wasm.errors import EmergeError, ExecutionFailed, LimitExceeded, NotFound
from emerge_wasm.filesystem.runner import EvaluateCall, EvaluateOutcome
from emerge_wasm.filesystem.runs.inside.evaluate import evaluate_rows
from emerge_wasm.filesystem.runs.inside.execute import RunLimits
from emerge_wasm.objects import METADATA
from tests.bundles.conftest import forget, fresh, module

__all__ = ["fresh", "module"]
Make = Callable[..., ModuleType]
TEXT = """
import re
from dataclasses import dataclass
from enum import IntEnum
from emerge_wasm import EmergeFile

class Level(IntEnum):
    LOW = 0
    HIGH = 1

@dataclass
class Item(EmergeFile):
    price: float = 1.0
    level: Level = Level.LOW

    @property
    def half(self):
        return self.price / 2

    def total(self, count):
        return self.price * count

FACTOR = 3

def dear(o):
    if o.half > FACTOR:
        return True
    return False

half = lambda o: o.half
total = lambda o: o.total(FACTOR) > 6
matched = lambda o: re.match("b", o.name)
level = lambda o: o.level
method = lambda o: o.total
high = lambda o: o.level == Level.HIGH
loud = lambda o: print("x" * 100)
large = lambda o: "x" * 1000
many = lambda o: [n for n in range(3) if n < o.price]
stops = lambda o: exit(3)
"""


def evaluate(made: ModuleType, function: Any, *, limits: RunLimits | None = None, drop: int = 0) -> EvaluateOutcome:
    items = [made.Item(price, level, name=name) for price, level, name in ((2.0, 0, "a"), (8.0, 1, "b"))]
    for item in items:
        item.level = made.Level(item.level)
    expression = capture_expression(function)
    bundles = dict(expression.bundles)
    rows = []
    for item in items:
        state = pack_state(item, lambda cls: capture(cls)[-1].hash)
        bundles |= {bundle.hash: bundle.data for bundle in capture(made.Item)}
        pointer = {name: getattr(item, name) for name in METADATA}
        rows.append(({**pointer, "class_name": "Item", "bundle": capture(made.Item)[-1].hash}, state))
    for hash in list(bundles)[:drop]:
        del bundles[hash]
    wire = expression.to_wire()
    forget()
    return evaluate_rows(EvaluateCall(wire, rows, bundles, 10.0), limits)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("half", [1.0, 4.0]),
        ("total", [False, True]),
        ("dear", [False, True]),
        ("matched", [None, True]),
        ("method", [True, True]),
        ("high", [False, True]),
        ("many", [[0, 1], [0, 1, 2]]),
    ],
)
def test_values(module: Make, name: str, values: list[Any]) -> None:
    made = module(TEXT)
    assert evaluate(made, getattr(made, name)) == EvaluateOutcome(values)


def test_instances_are_records_and_false_ones_are_false(module: Make) -> None:
    made = module(TEXT)
    low, high = evaluate(made, made.level).values
    assert low is False
    assert isinstance(high, Record) and high.fields == {"name": "HIGH"}


def test_what_one_row_raises_is_its_own_error(module: Make) -> None:
    made = module(TEXT + "one = lambda o: 1 / (o.price - 2)\n")
    found = evaluate(made, made.one)
    assert found.values == [None, 1 / 6]
    assert found.errors == {0: "ZeroDivisionError: float division by zero"}


def test_a_row_whose_class_is_not_there(module: Make) -> None:
    made = module(TEXT)
    found = evaluate(made, made.many, drop=1)
    assert found.values == [None, None]
    assert all("is not here" in text for text in found.errors.values())


def test_what_ends_the_whole_call(module: Make) -> None:
    made = module(TEXT)
    with pytest.raises(LimitExceeded) as caught:
        evaluate(made, made.loud, limits=RunLimits(output=50))
    assert caught.value.details["limit"] == "output"
    with pytest.raises(LimitExceeded) as caught:
        evaluate(made, made.large, limits=RunLimits(result=1500))
    assert caught.value.details["limit"] == "result"
    expression = capture_expression(made.dear)
    with pytest.raises(NotFound):
        evaluate_rows(EvaluateCall(expression.to_wire(), [], {}, 1.0))


def test_an_expression_that_cannot_be_loaded(module: Make) -> None:
    made = module("import math\ndef f(x):\n    return x\nN = lambda o: f(o)\n")
    expression = capture_expression(made.N)
    wire = expression.to_wire() | {"values": b"\xc1"}
    forget()
    with pytest.raises(EmergeError):
        evaluate_rows(EvaluateCall(wire, [], expression.bundles, 1.0))
    assert issubclass(ExecutionFailed, EmergeError)
