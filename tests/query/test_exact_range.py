"""What keys say without the object is what Python says of the values; and what is known of an object's class."""

from __future__ import annotations

import operator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emerge_wasm import EmergeFile
from emerge_wasm.codec import encode
from emerge_wasm.query.exact_range import ExactRange
from emerge_wasm.query.nested import NeedsCode
from emerge_wasm.query.order import TEXT_BYTES, family_range, is_whole, sort_key
from emerge_wasm.query.predicate import Predicate, read_predicate
from emerge_wasm.query.row import Row
from emerge_wasm.query.shape import Shape, shape_of
from tests.query.conftest import Item, bundle_of, bundles_of
from tests.query.test_order import ANY, FAMILIES

LONG = st.sampled_from(["x" * 239, "x" * 240, "x" * 241, "x" * 242, "é" * 119, "é" * 120, "é" * 121, "\0" * 120])
DIGITS = st.sampled_from([Decimal(1), Decimal(f"1.{'0' * 1099}1"), Decimal(f"0.{'9' * 1100}"), 1, 2**70, 2**70 + 1])
VALUES = st.one_of(ANY, LONG, LONG.map(str.encode), DIGITS, DIGITS.map(lambda value: -value))
SAME = st.one_of(
    *(st.tuples(each, each) for each in [*FAMILIES.values(), LONG, LONG.map(str.encode), DIGITS]),
    st.tuples(VALUES, VALUES),
)
OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}


def asked(text: str, **values: Any) -> Predicate:
    return read_predicate({"text": f"lambda o: {text}", "values": encode(values), "bundle": ""})


@given(SAME, st.sampled_from(sorted(OPERATORS)))
@example((Decimal(1), Decimal(f"1.{'0' * 1099}1")), "==")
@example(("x" * 242, "x" * 241), "<=")
@example(("x" * 241, "x" * 242), "==")
@example((2**200 + 1, 2**200), "<=")
def test_keys_decide_as_values_do(pair: tuple[Any, Any], name: str) -> None:
    try:
        certain = asked(f"o.a {name} v", v=pair[1]).exact_ranges()
    except UnicodeEncodeError:  # half a character: no codec takes it
        return
    key = sort_key(pair[0])
    if certain is None or key is None:
        return
    found = certain["a"]
    try:
        holds = OPERATORS[name](pair[0], pair[1])
    except TypeError:
        holds = False
    if found.low <= key < found.high:
        assert holds
    elif found.whole:
        assert not holds


@given(VALUES)
def test_whatever_has_a_key_is_there_and_perhaps_none(value: Any) -> None:
    key = sort_key(value)
    for text, holds in (
        ("hasattr(o, 'a')", True),
        ("o.a is not None", value is not None),
        ("o.a != None", value is not None),
    ):
        found = (asked(text).exact_ranges() or {})["a"]
        assert key is None or (found.low <= key < found.high) == holds


@given(SAME)
def test_whole_keys_are_of_equal_values_only(pair: tuple[Any, Any]) -> None:
    one, other = map(sort_key, pair)
    if one is not None and one == other and is_whole(one):
        assert pair[0] == pair[1]


def test_what_keys_can_tell() -> None:
    low, high = family_range(sort_key(0) or b"")
    three, five = sort_key(3) or b"", sort_key(5) or b""
    after = three[:-1] + bytes([three[-1] + 1])
    for text, expected in {
        "o.a < 5": {"a": ExactRange(low, five, True)},
        "5 > o.a": {"a": ExactRange(low, five, True)},
        "o.a > 3": {"a": ExactRange(after, high, True)},
        "3 <= o.a < 5": {"a": ExactRange(three, five, True)},
        "o.a >= 3 and o.a < 5": {"a": ExactRange(three, five, True)},
        "o.a == 3 and o.b < 5": {"a": ExactRange(three, after, True), "b": ExactRange(low, five, True)},
        "hasattr(o, 'a') and o.a < 5": {"a": ExactRange(low, five, True)},
        "o.a is not None and o.a < 5": {"a": ExactRange(low, five, True)},
        "o.a is None": {"a": ExactRange(*family_range(sort_key(None) or b""), True)},
    }.items():
        assert asked(text).exact_ranges() == expected, text
    for text in (
        *("o.a != 3", "o.a < 5 or o.a > 7", "not o.a < 5", "o.a + 1 < 5", "o.a < o.b", "o.a", "o.a is True"),
        *(
            "o.a < 5 and o.b",
            "len(o.a) < 3",
            "o.a == [1]",
            "getattr(o, 'a', 1) < 3",
            "not hasattr(o, 'a')",
            "abs(o.a) < 5",
            "o.a in (1, 2)",
        ),
    ):
        assert asked(text).exact_ranges() is None, text
    assert asked("o.a == v", v="x" * TEXT_BYTES * 2).exact_ranges() is None, "it is cut"
    assert asked("o.a < v", v="x" * TEXT_BYTES * 2).exact_ranges() is not None


# --- classes
def row(bundle: str, find: Any = None, class_name: str = "") -> Row:
    return Row({}, {}, shape_of(bundle, find or {}.get, class_name))


class Outer:
    class Inner(EmergeFile):
        pass


def test_the_name_of_a_class_needs_no_code() -> None:
    bundles = bundles_of(Item)
    items = row(bundle_of(Item), bundles.get)
    for text, expected in {
        "type(o).__name__ == 'Item'": True,
        "type(o).__name__ != 'Item'": False,
        "type(o).__name__ in ('Item', 'Other') and o.kind == 'plain'": True,
        "type(o).__name__.startswith('It')": True,
    }.items():
        assert asked(text).simple
        assert asked(text).test(items) is expected is bool(eval(f"lambda o: {text}")(Item()))
    assert asked("type(o).__name__ == 'EmergeFile'").test(row("", class_name="EmergeFile"))
    assert asked("type(o).__name__ == 'EmergeObject'").test(row("", class_name="EmergeObject"))
    assert asked("type(o).__name__ == 'Inner'").test(Row({}, {}, Shape("Outer.Inner")))
    assert Outer.Inner.__name__ == "Inner"
    with pytest.raises(NeedsCode):
        asked("type(o).__name__ == 'Odd'").test(Row({}, {}, Shape("Odd", opaque="it has a metaclass")))


@pytest.mark.parametrize(
    "text", ["type(o)", "type(o) == 1", "type(o).__mro__", "type(o.a).__name__ == 'int'", "type(o, 1).__name__ == 'X'"]
)
def test_what_else_of_a_class_is_code(text: str) -> None:
    assert not asked(text).simple
