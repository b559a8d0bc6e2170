"""What a message would become is known before anything is made of it, and bounded."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from datetime import date
from typing import Any
from unittest.mock import patch

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm.codec import decode, encode, show
from emerge_wasm.codec.cost import CONTAINER, COST_LIMIT, EXTENSION, check_cost, cost_of
from emerge_wasm.codec.value import Ext
from emerge_wasm.errors import Invalid, LimitExceeded
from emerge_wasm.wire.event import REQUEST_COST
from tests.scale import examples

from .test_codec_bytes import ext
from .test_codec_values import VALUES

some = settings(max_examples=examples(60), deadline=None)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False)
    | st.text(max_size=40) | st.integers(0, 70_000).map(lambda size: "x" * size) | st.binary(max_size=300)
    | st.integers(0, 70_000).map(bytes),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=3), inner, max_size=20),
    max_leaves=60,
)  # fmt: skip


SMALL = st.none() | st.floats() | st.text(max_size=9) | st.binary(max_size=30) | st.just([]) | st.just({"a": [1]})


def counted(value: Any) -> int:
    """What msgpack's own types cost, counted in the value itself."""
    if isinstance(value, list):
        return 1 + CONTAINER + sum(map(counted, value))
    if isinstance(value, dict):
        return 1 + CONTAINER + sum(counted(item) for pair in value.items() for item in pair)
    return 1


@some
@given(PLAIN)
def test_the_cost_is_that_of_the_value(value: Any) -> None:
    assert cost_of(msgpack.packb(value), 1 << 60) == counted(value)


@some
@given(VALUES)
def test_within_its_cost_a_message_decodes_the_same_and_above_not_at_all(value: Any) -> None:
    data = encode(value)
    cost = cost_of(data, 1 << 60)
    with patch("emerge_wasm.codec.cost.DEAREST", 1 << 60):  # also the shortest is looked at
        assert show(decode(data, cost=cost)) == show(decode(data))
        with pytest.raises(LimitExceeded) as caught:
            decode(data, cost=cost - 1)
    assert caught.value.details["limit"] == "values"
    assert str(cost - 1) in caught.value.message


@some
@given(st.binary(max_size=300), st.integers(0, 40))
def test_no_byte_costs_more_than_is_believed_of_short_messages(data: bytes, limit: int) -> None:
    """What is let through without a look costs no more, whatever the bytes are."""
    checked = [data, msgpack.packb([]) * len(data), ext(Ext.TUPLE, b"\x90")]
    for each in checked:
        made = 0

        def count(found: Any) -> Any:
            nonlocal made
            made += 1 + CONTAINER
            return found

        def extension(code: int, held: bytes) -> Any:
            nonlocal made
            made += 1 + EXTENSION
            return held

        try:
            msgpack.unpackb(each, strict_map_key=False, list_hook=count, object_hook=count, ext_hook=extension)
        except Exception:
            pass
        assert made <= 11 * len(each)


def many(inner: bytes, count: int) -> bytes:
    return b"\xdd" + count.to_bytes(4, "big") + inner * count


DEAR: dict[str, Callable[[], bytes]] = {
    "lists": lambda: many(b"\x90", 15_000_000),
    "maps": lambda: many(b"\x80", 15_000_000),
    "small numbers": lambda: many(b"\x01", 15_000_000),
    "lists of lists": lambda: many(b"\x9f" + b"\x90" * 15, 900_000),
    "long lists": lambda: many(b"\xdc\xff\xff" + b"\xc0" * 0xFFFF, 200),
    "short texts": lambda: many(b"\xa2ab", 5_000_000),
    "pairs": lambda: many(b"\x82\xa1a\x01\xa1b\x02", 2_000_000),
    "tuples": lambda: many(b"\xd4\x02\x90", 5_000_000),
    "dates": lambda: many(ext(Ext.DATE, b"2024-01-01"), 500_000),
    "sets in records": lambda: ext(Ext.RECORD, b"\x93\xa1A\xa0\x81\xa1x" + many(b"\xd4\x03\x90", 3_000_000)),
    "a graph": lambda: ext(Ext.GRAPH, msgpack.packb([b"\x90", many(b"\x90", 9_000_000)])),
    "a bad length behind": lambda: many(b"\x90", 9_000_000)[:-1] + b"\xdb\xff\xff\xff\xff",
}


@pytest.mark.parametrize("name", DEAR)
def test_what_would_become_much_is_refused_before_it_is_made(name: str) -> None:
    data = DEAR[name]()
    tracemalloc.start()
    try:
        with pytest.raises((LimitExceeded, Invalid)) as caught:
            decode(data, cost=REQUEST_COST)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.details["limit"] == "values"


def test_what_is_written_can_be_read() -> None:
    """A value that could not be read again is refused when it is written."""
    for value in ([0] * (COST_LIMIT + 1), [[] for _ in range(COST_LIMIT // 8)], [date(2024, 1, 1)] * 130_000):
        with pytest.raises(LimitExceeded) as caught:
            encode(value)
        assert caught.value.details["limit"] == "values"
    value = {
        "numbers": list(range(1_000_000)),
        "text": "x" * 20_000_000,
        "bytes": random.Random(1).randbytes(20_000_000),
    }
    assert decode(encode(value)) == value


@some
@given(st.lists(SMALL, min_size=1, max_size=3), st.integers(1, 2000), st.integers(-1, 1))
def test_what_is_let_through_by_its_bytes_costs_no_more(values: list[Any], times: int, more: int) -> None:
    data = msgpack.packb(values * times)
    cost = cost_of(data, 1 << 60)
    if more < 0:
        with pytest.raises(LimitExceeded):
            check_cost(data, cost + more)
    else:
        check_cost(data, cost + more)


def test_a_page_of_rows_costs_no_look() -> None:
    row = {"pointer": {f"name{number}": f"a text, {number}" for number in range(14)}, "state": bytes(range(200))}
    data = encode({"objects": [{**row, "pointer": {**row["pointer"]}} for _ in range(1000)], "cursor": ""})
    with patch("emerge_wasm.codec.cost.cost_of") as looked:
        check_cost(data)
    assert not looked.called and cost_of(data, COST_LIMIT) < COST_LIMIT


def test_large_bytes_and_texts_cost_no_look() -> None:
    data = msgpack.packb([random.Random(2).randbytes(30_000_000), "é" * 10_000_000])
    assert cost_of(data, COST_LIMIT) == 3 + CONTAINER
    check_cost(data)
