"""What is written is read back the same; what cannot be written is refused with its place."""

from __future__ import annotations

import io
import json
import math
from collections import ChainMap, defaultdict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag
from typing import Any
from uuid import UUID

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emerge_wasm.codec import DEPTH_LIMIT, BlockTree, Record, Reference, decode, encode, plain, read_literal, show
from emerge_wasm.errors import CannotShip, Invalid, LimitExceeded
from tests.scale import examples

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ZONES = st.integers(-86399, 86399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
MAYBE_ZONES = st.none() | st.just(UTC) | ZONES
HASHABLE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary(max_size=20)
    | st.complex_numbers(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.dates()
    | st.times(timezones=MAYBE_ZONES)
    | st.datetimes(timezones=MAYBE_ZONES)
    | st.timedeltas()
    | st.builds(Reference, TEXT)
    | st.builds(BlockTree, st.binary(min_size=32, max_size=32), st.integers(0, 2**64 - 1))
)
KEYS = st.recursive(HASHABLE, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)
LITERAL = st.recursive(
    HASHABLE | KEYS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(TEXT, inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.sets(KEYS, max_size=4)
        | st.frozensets(KEYS, max_size=4)
    ),
    max_leaves=12,
)
VALUES = st.recursive(
    LITERAL,
    lambda inner: st.lists(inner, max_size=3) | st.builds(Record, TEXT, TEXT, st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
per_engine = settings(
    max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def same(one: Any, other: Any) -> bool:
    """Equal, and of equal types all the way down."""
    return one == other and show(one) == show(other)


@per_engine
@given(VALUES)
def test_every_value_comes_back(engine: str, value: Any) -> None:
    data = encode(value)
    assert same(decode(data), value)
    assert encode(decode(data)) == data


@per_engine
@given(LITERAL)
def test_text_is_the_inverse_of_showing(engine: str, value: Any) -> None:
    assert same(read_literal(show(value)), value)


@per_engine
@given(VALUES)
def test_every_value_has_a_json_form(engine: str, value: Any) -> None:
    json.loads(json.dumps(plain(value), allow_nan=False))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, complex(math.nan, -0.0), -0.0, Decimal("sNaN")])
def test_odd_numbers(engine: str, value: Any) -> None:
    again = decode(encode([value]))[0]
    assert type(again) is type(value)
    assert repr(again) == repr(value)
    assert show(read_literal(show(value))) == show(value)


@pytest.mark.parametrize(
    "number", [2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 2**127, -(2**127), 255, -256]
)
def test_integers_of_any_size(engine: str, number: int) -> None:
    assert decode(encode({"n": [number]})) == {"n": [number]}


def test_an_integer_too_long_for_decimal_text(engine: str) -> None:
    value = -(1 << 20000)
    assert decode(encode(value)) == read_literal(show(value)) == value


def test_plain_types_are_kept_apart(engine: str) -> None:
    value = {"a": (1, [2], {3}, frozenset({4})), 5: b"6", True: "7", None: bytearray(b"8")}
    again = decode(encode(value))
    assert again == value
    assert [type(item) for item in again["a"]] == [int, list, set, frozenset]
    assert type(again[None]) is bytearray
    assert list(again) == ["a", 5, True, None]


def test_equal_sets_have_equal_bytes(engine: str) -> None:
    numbers = range(0, 4096, 64)  # these share their places in the set's table, so the order of adding shows
    forth, back = {*numbers}, {*reversed(numbers)}
    assert [*forth] != [*back]
    assert encode(forth) == encode(back)


class Level(int):
    pass


class Colour(Enum):
    RED = 1


class Mode(Flag):
    READ = 1
    WRITE = 2


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (
            {"data": {"items": [0, {}, 2, {"handle": io.StringIO()}]}},
            r"field 'data\.items\[3\]\.handle' holds a StringIO",
        ),
        ({"a": Level(3)}, r"field 'a' holds a Level, which cannot be stored \(make it a plain int\)"),
        ({"a": ChainMap()}, r"field 'a' holds a ChainMap"),
        ({"a": defaultdict(lambda: 1)}, r"field 'a' holds a defaultdict whose factory '<lambda>' is not.*plain dict"),
        ({"a": ValueError("x")}, r"field 'a' holds a ValueError"),
        ({"a": [type]}, r"field 'a\[0\]' holds a type"),
        ({"a": {1: {"b": len}}}, r"field 'a\[1\]\.b' holds a builtin_function"),
        ({"a": memoryview(b"")}, "holds a memoryview"),
        ({"a": msgpack.ExtType(1, b"")}, "holds a ExtType"),
        ({"a": [Colour.RED]}, r"field 'a\[0\]' holds a Colour, whose class is not known here"),
        ({"a": {Level(3): 1}}, "field 'a{…}' holds a Level"),
        (object(), "the value holds a object"),
    ],
)
def test_what_cannot_be_stored_is_named(engine: str, value: Any, named: str) -> None:
    with pytest.raises(CannotShip, match=named):
        encode(value)


@pytest.mark.parametrize("value", ["\ud800", {"\ud800": 1}, [["\udfff"]], {1: "\ud800"}])
def test_lone_surrogates_are_invalid(engine: str, value: Any) -> None:
    with pytest.raises(Invalid, match="lone surrogate"):
        encode({"a": value})


@pytest.mark.parametrize(
    "wrap", [lambda v: [v], lambda v: (v,), lambda v: {"k": v}, lambda v: {1: v}, lambda v: Record("A", "", {"v": v})]
)
def test_depth_is_the_same_both_ways(engine: str, wrap: Any) -> None:
    value: Any = 1
    for _ in range(DEPTH_LIMIT):
        value = wrap(value)
    assert decode(encode(value)) == value
    with pytest.raises(CannotShip, match=f"deeper than {DEPTH_LIMIT}"):
        encode(wrap(value))


def test_size_is_limited() -> None:
    with pytest.raises(LimitExceeded) as caught:
        encode(b"12345", limit=6)
    assert caught.value.details["limit"] == "size"
    assert encode(b"1234", limit=6)


def test_classes_become_records(engine: str) -> None:
    data = encode([Colour.RED, Mode.READ | Mode.WRITE, Point(1, [2])], bundle_of=lambda cls: "hash of " + cls.__name__)
    assert decode(data) == [
        Record("Colour", "hash of Colour", {"name": "RED"}),
        Record("Mode", "hash of Mode", {"value": 3}),
        Record("Point", "hash of Point", {"x": 1, "y": [2]}),
    ]
    assert encode(decode(data)) == data


def test_json_form() -> None:
    value = {
        "when": datetime(2024, 5, 1, tzinfo=UTC),
        "day": date(2024, 5, 1),
        "time": time(1, 2),
        "span": timedelta(minutes=1),
        "raw": b"\x00\xff",
        "set": {3, 1},
        "price": Decimal("1.50"),
        "bad": math.nan,
        (1, 2): UUID(int=1),
        "see": Reference("u"),
        "part": Record("Part", "h", {"n": (1,)}),
    }
    assert plain(value) == {
        "when": "2024-05-01T00:00:00+00:00",
        "day": "2024-05-01",
        "time": "01:02:00",
        "span": 60.0,
        "raw": "AP8=",
        "set": [1, 3],
        "price": "1.50",
        "bad": "nan",
        "(1, 2)": "00000000-0000-0000-0000-000000000001",
        "see": {"$ref": "u"},
        "part": {"$class": "Part", "n": [1]},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" [1, -2.5, 'a'] ", [1, -2.5, "a"]),
        ("datetime.datetime(2024, 5, 1, tzinfo=datetime.timezone.utc)", datetime(2024, 5, 1, tzinfo=UTC)),
        ("datetime.fromisoformat('2024-05-01')", datetime(2024, 5, 1)),
        ("decimal.Decimal('1.5')", Decimal("1.5")),
        ("1+2j", 1 + 2j),
        ("-inf", -math.inf),
        ("set()", set()),
        ("timedelta(hours=-1)", timedelta(hours=-1)),
        ("0x10", 16),
    ],
)
def test_typed_text(text: str, value: Any) -> None:
    assert same(read_literal(text), value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 +",
        "__import__('os').system('true')",
        "open('/etc/passwd')",
        "[x for x in (1,)]",
        "1 + 1",
        "'a' * 9",
        "f'{1}'",
        "lambda: 1",
        "name",
        "...",
        "{**{}}",
        "set(*[1])",
        "Reference(1)",
        "Decimal('x')",
        "UUID('1')",
        "{[1]: 2}",
        "datetime(2024, 13, 1)",
        "datetime.max",
        "-" * 10000 + "1",
        "1+" * 20000 + "1",
        "not " * 20000 + "1",
        "a." * 20000 + "a",
        "a" + "[0]" * 5000,
        "1 if 1 else " * 5000 + "1",
        "f'{" + "-" * 5000 + "1}'",
        "[" * 5000,
        "1" * 5000,
        "\0",
        "complex('x')",
    ],
)
def test_text_that_is_no_value(text: str) -> None:
    with pytest.raises((Invalid, LimitExceeded)):
        read_literal(text)
