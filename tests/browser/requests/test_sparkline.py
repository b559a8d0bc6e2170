"""Small curves of series of numbers."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.browser.requests.sparkline import BUCKETS, sparkline

NUMBERS = st.lists(st.one_of(st.integers(-1000, 1000), st.floats(-1e6, 1e6), st.decimals(-99, 99)), max_size=300)


@given(NUMBERS)
def test_a_curve_has_few_points_and_the_lowest_and_highest_of_its_series(numbers: list[float]) -> None:
    points = sparkline(numbers)
    if len(numbers) < 3:
        assert points == []
        return
    assert points == sparkline(tuple(numbers)) == sparkline(deque(numbers))
    assert len(points) <= 2 * BUCKETS
    given_ones = [float(each) for each in numbers]
    assert (min(points), max(points)) == (min(given_ones), max(given_ones))
    assert points == given_ones if len(numbers) <= 2 * BUCKETS else set(points) <= set(given_ones)
    pairs = [(len(numbers) - at, each) for at, each in enumerate(numbers)]
    assert sparkline(pairs) == sparkline(numbers[::-1])


MISSING = [None, float("nan"), float("inf"), float("-inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity")]


@given(NUMBERS, st.data())
def test_what_is_missing_in_a_series_is_left_out(numbers: list[float], data: st.DataObject) -> None:
    holes: list[object] = list(numbers)
    for _ in range(data.draw(st.integers(0, 20))):
        holes.insert(data.draw(st.integers(0, len(holes))), data.draw(st.sampled_from(MISSING)))
    assert sparkline(holes) == (sparkline(numbers) if len(holes) >= 3 else [])
    assert sparkline(list(enumerate(holes))) == sparkline(holes)


def test_what_is_no_series_has_none() -> None:
    for value in (
        [1, 2],
        ["a", "b", "c"],
        [1, 2, "c"],
        [True, False, True],
        [1, 2, None],
        [None, None, None, None],
        {1, 2, 3},
        "123",
        b"123",
        None,
    ):
        assert sparkline(value) == []
    assert sparkline([1, 2, float("nan")]) == sparkline([1, 2, Decimal("Infinity")]) == []
    assert len(sparkline(list(range(1_000_000)))) <= 2 * BUCKETS
