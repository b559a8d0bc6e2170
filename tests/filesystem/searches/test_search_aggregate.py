"""Figures over objects, beside those that Python's own modules give."""

from __future__ import annotations

import asyncio
import math
import random
import statistics
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.errors import Invalid, LimitExceeded
from emerge_wasm.filesystem.searches import aggregate as aggregating
from emerge_wasm.filesystem.searches.figure import make_figure, percentile
from tests.filesystem.searches.searched import Searched, predicate, searched

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def figure(values: list[Any], name: str, *arguments: Any) -> Any:
    made = make_figure(name, list(arguments))()
    for value in values:
        made.add(value)
    return made.result()


@given(st.lists(FINITE, min_size=1))
def test_sums_of_floats_are_exact(values: list[float]) -> None:
    total = sum(map(Fraction, values))
    try:
        expected = float(total)
    except OverflowError:
        expected = math.inf if total > 0 else -math.inf
    found = figure(values, "sum")
    assert found == expected and type(found) is float
    assert figure(values[::-1], "mean") == float(total / len(values))


@given(st.lists(st.integers(), min_size=1), st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1))
def test_integers_and_decimals_stay_what_they_are(ints: list[int], decimals: list[Decimal]) -> None:
    assert figure(ints, "sum") == sum(ints) and type(figure(ints, "sum")) is int
    assert figure(decimals, "sum") == sum(decimals) and type(figure(decimals, "sum")) is Decimal
    mixed = figure([*decimals, *ints, 0.5], "sum")
    assert Fraction(mixed) == sum(map(Fraction, decimals)) + sum(ints) + Fraction(1, 2)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2), st.floats(0, 100))
def test_percentiles_are_between_their_neighbours(values: list[float], percent: float) -> None:
    ordered = sorted(values)
    place = (len(values) - 1) * percent / 100
    found = figure(values, "percentile", percent)
    assert ordered[math.floor(place)] <= found <= ordered[math.ceil(place)] or place % 1 > 1 - 1e-9
    assert figure(values, "median") == pytest.approx(statistics.median(values))
    assert figure(values, "std") == pytest.approx(statistics.stdev(values))


def test_percentiles_are_those_of_numpy() -> None:
    values = [15, 20, 35, 40, 50]
    assert [percentile(values, p) for p in (0, 5, 30, 40, 95, 100)] == [15, 16.0, 23.0, 29.0, 48.0, 50]
    assert percentile([Decimal("1.0"), Decimal("2.0")], 25) == Decimal("1.25")


def test_figures_of_what_is_odd() -> None:
    assert figure([1.0, math.inf], "sum") == math.inf
    assert math.isnan(figure([math.inf, -math.inf], "sum"))
    assert math.isnan(figure([1.0, math.nan, 2.0], "median"))
    assert figure([timedelta(hours=1), timedelta(hours=2)], "mean") == timedelta(minutes=90)
    assert figure([True, 2], "sum") == 3
    assert figure([3.0], "std") is None and figure([], "mean") is None and figure([], "max") is None
    assert figure([1, 1.0, Decimal(1), True, "1", [1]], "distinct") == 4
    assert figure(["b", "a"], "min") == "a" and figure([3, 2.5], "max") == 3
    for name, value in (("sum", "x"), ("median", "x"), ("max", [1]), ("sum", None)):
        with pytest.raises(TypeError):
            figure([value], name)


async def customers(there: Searched, count: int = 300) -> list[dict[str, Any]]:
    chance = random.Random(4)
    rows = [
        {
            "country": chance.choice(["fr", "de", "nl"]),
            "revenue": chance.uniform(0, 1000),
            "orders": chance.randrange(9),
        }
        for _ in range(count)
    ]
    await there.put({f"/customers/c{number:03}": row for number, row in enumerate(rows)})
    return rows


async def test_groups_are_those_of_a_loop() -> None:
    async with searched() as there:
        rows = await customers(there)
        await there.put({"/customers/odd": {"revenue": "much"}, "/customers/none": {"country": "fr", "revenue": None}})
        wanted = {"n": ["count"], "total": ["sum", "revenue"], "p95": ["percentile", "revenue", 95]}
        wanted |= {"least": ["min", "orders"], "kinds": ["distinct", "orders"], "with": ["count", "revenue"]}
        told = await there.call("aggregate", "/customers", wanted, ["country"])
        assert [group["country"] for group in told["groups"]] == [None, "de", "fr", "nl"]
        for group in told["groups"][1:]:
            mine = [row for row in rows if row["country"] == group["country"]]
            assert group["total"] == math.fsum(row["revenue"] for row in mine)
            assert group["n"] == len(mine) + (group["country"] == "fr") and group["with"] == len(mine)
            assert group["kinds"] == len({row["orders"] for row in mine}) and group["least"] == 0
            assert group["p95"] == pytest.approx(
                statistics.quantiles([row["revenue"] for row in mine], n=100, method="inclusive")[94]
            )
        assert told["groups"][0] == {
            "country": None,
            "n": 1,
            "total": 0,
            "p95": None,
            "least": None,
            "kinds": 0,
            "with": 1,
        }
        assert told["errors"]["count"] == 2 and told["errors"]["first"][0]["path"] == "/customers/odd"
        assert told["scanned"] == 302


async def test_without_groups_there_is_one() -> None:
    async with searched() as there:
        await customers(there, 10)
        args = ["/customers", {"n": ["count"], "sum": ["sum", "orders"]}, None]
        assert (await there.call("aggregate", *args, predicate("o.orders < 0")))["groups"] == [{"n": 0, "sum": 0}]
        await there.index("/customers", "orders")
        told = await there.call("aggregate", *args, predicate("o.orders > 5"))
        assert told["groups"][0]["n"] <= told["scanned"] < 10


async def test_bad_figures_are_refused_by_name() -> None:
    async with searched() as there:
        for values, words in (
            ({"n": ["size"]}, "size"),
            ({"n": []}, "n"),
            ({"n": ["sum"]}, "sum"),
            ({"n": ["sum", "a b"]}, "a b"),
            ({"n": ["percentile", "a", 101]}, "100"),
            ({"n": ["percentile", "a"]}, "100"),
            ({"n": ["sum", "a", 3]}, "sum"),
            ({"country": ["count"]}, "country"),
        ):
            with pytest.raises(Invalid, match=words):
                await there.call("aggregate", "/", values, ["country"])


async def test_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with searched() as there:
        await there.put({f"/g/{number}": {"a": number} for number in range(6)})
        monkeypatch.setattr(aggregating, "GROUPS_LIMIT", 5)  # patched: the limit is 100,000 groups
        with pytest.raises(LimitExceeded) as refused:
            await there.call("aggregate", "/g", {"n": ["count"]}, ["a"])
        assert refused.value.details["limit"] == "groups"
        monkeypatch.setattr(aggregating, "VALUES_LIMIT", 5)  # patched: the limit is 5,000,000 values
        with pytest.raises(LimitExceeded) as refused:
            await there.call("aggregate", "/g", {"m": ["median", "a"]})
        assert refused.value.details["limit"] == "values"


def test_order_of_groups() -> None:
    async def work() -> None:
        async with searched() as there:
            values = [3, None, "x", 1.5, [2], True, b"y", [1]]
            await there.put({f"/g/{number}": {"a": value} for number, value in enumerate(values)})
            groups = (await there.call("aggregate", "/g", {"n": ["count"]}, ["a"]))["groups"]
            assert [group["a"] for group in groups] == [None, True, 1.5, 3, "x", b"y", [1], [2]]

    asyncio.run(work())


async def test_figures_are_bounded() -> None:
    async with searched() as there:
        for values, by in (({f"n{n}": ["sum", "a"] for n in range(101)}, []), ({}, [f"f{n}" for n in range(101)])):
            with pytest.raises(LimitExceeded) as refused:
                await there.call("aggregate", "/", values, by)
            assert refused.value.details["limit"] == "figures"
