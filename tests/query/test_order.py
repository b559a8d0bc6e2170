"""Keys of indexes sort as Python compares, field by field."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emerge_wasm.codec import Record, Reference
from emerge_wasm.query.order import TEXT_BYTES, family_range, sort_key, split_keys

zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
numbers = st.one_of(
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.integers(-(10**330), 10**330),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
    st.fractions(-4, 4, max_denominator=16).map(float),
    st.sampled_from([2**53 + 1, 2**53, float(2**53), 10**400, -(10**400), Decimal("1e-9999"), Decimal("1e9999")]),
)
texts = st.text(st.characters(codec=None, categories=None), max_size=12)
FAMILIES: dict[str, st.SearchStrategy[Any]] = {
    "numbers": numbers,
    "texts": st.one_of(texts, st.text("\0\1a\xff\U0010ffff", max_size=8)),
    "bytes": st.one_of(st.binary(max_size=8), st.text("\0\1\xff", max_size=6).map(lambda s: s.encode("latin-1"))),
    "datetimes": st.datetimes(),
    "aware datetimes": st.datetimes(timezones=zones),
    "dates": st.dates(),
    "times": st.times(),
    "aware times": st.times(timezones=zones),
    "timedeltas": st.timedeltas(),
    "uuids": st.uuids(),
}
ANY = st.one_of(st.none(), *FAMILIES.values())


def key(value: Any) -> bytes:
    made = sort_key(value)
    assert made is not None
    return made


@pytest.mark.parametrize("family", FAMILIES)
def test_sorts_as_python_compares(family: str) -> None:
    @given(FAMILIES[family], FAMILIES[family])
    def check(one: Any, other: Any) -> None:
        assert (key(one) == key(other)) == (one == other) or _is_rounded(one, other)
        if one < other:
            assert key(one) < key(other) or (key(one) == key(other) and _is_rounded(one, other))
        low, high = family_range(key(one))
        assert low <= key(other) < high
        assert len(key(one)) <= 243

    check()


def _is_rounded(one: Any, other: Any) -> bool:
    """Whether two numbers are too large, or too close to each other, for their keys to differ."""
    if not isinstance(one, (int, float, Decimal)) or one == other:
        return False
    if any(each in (math.inf, -math.inf) for each in (one, other)):  # isinf makes a Decimal a float
        return False
    if min(abs(one), abs(other)) > 10**308 or max(abs(one), abs(other)) < Decimal("1e-300"):
        return True
    return abs(Fraction(one) - Fraction(other)) <= abs(Fraction(one)) * Fraction(1, 10**30)


@given(numbers)
@example(True)
@example(Decimal("1.10"))
@example(-0.0)
def test_equal_numbers_have_one_key(number: Any) -> None:
    equal = [partial(Decimal, number), partial(float, number), partial(int, number), partial(bool, number)]
    for make in equal:
        try:
            made = make()
        except (OverflowError, ValueError):
            continue
        if made == number:
            assert key(made) == key(number)


@given(numbers, numbers)
def test_numbers_next_to_each_other_are_told_apart(number: Any, other: Any) -> None:
    if isinstance(number, int) and abs(number) < 2**100:
        assert key(number) < key(number + 1)


def test_the_nearest_float_does_not_hide_the_rest() -> None:
    ordered = [2**53, 2**53 + 1, float(2**53 + 2), 2**64 - 1, 2.0**64, 2**64 + 1]
    assert [key(each) for each in ordered] == sorted({key(each) for each in ordered})
    assert key(Decimal("0.1")) < key(0.1) < key(Decimal("0.1000000000000000056"))
    assert key(-math.inf) < key(-(10**400)) < key(-1.7e308) < key(1.7e308) < key(10**400) < key(math.inf)
    assert key(0) < key(Decimal("1e-9999")) < key(5e-324)


@given(st.lists(st.tuples(ANY, ANY), min_size=2, max_size=2))
def test_joined_keys_sort_field_by_field(pairs: list[tuple[Any, Any]]) -> None:
    one, other = ([key(value) for value in pair] for pair in pairs)
    assert (b"".join(one) < b"".join(other)) == (one < other)
    assert list(split_keys(b"".join(one))) == one


@given(st.text(min_size=TEXT_BYTES, max_size=2 * TEXT_BYTES), st.text(max_size=4), st.text(max_size=4))
@example("\0" * TEXT_BYTES, "a", "b")
@example("a" * (TEXT_BYTES - 1), "\0a", "\0b")
@example("a" * (TEXT_BYTES - 1), "", "\0")
def test_long_texts_are_cut_in_order(long: str, one: str, other: str) -> None:
    for low, high in (sorted((long + one, long + other)), sorted((long, long[: TEXT_BYTES // 3] + one))):
        assert key(low) <= key(high)
        assert len(key(high)) <= 243
        assert key(low.encode(errors="surrogatepass")) <= key(high.encode(errors="surrogatepass"))


@pytest.mark.parametrize(
    "value",
    [math.nan, Decimal("nan"), Decimal("snan"), 1j, [], (), {}, {1}, frozenset(), Record("R", "", {}), Reference("x")],
    ids=repr,
)
def test_what_has_no_order_has_no_place(value: Any) -> None:
    assert sort_key(value) is None


def test_families_do_not_mix() -> None:
    values = [None, 1, "1", b"1", datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), time(1)]
    values += [time(1, tzinfo=UTC), timedelta(1)]
    ranges = [family_range(key(value)) for value in values]
    assert ranges == sorted(ranges)
    assert all(one[1] <= other[0] for one, other in pairwise(ranges))


def test_huge_numbers_are_no_burden() -> None:
    huge = Decimal((0, (1,) * 20_000, -999_999))
    assert key(huge) < key(1)
    assert key(1 << 1_000_000) == key(1 << 2_000_000)
