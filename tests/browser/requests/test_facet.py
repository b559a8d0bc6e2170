"""The values of a column: what is said of each with its count is what its expression finds, and finds without code."""

from __future__ import annotations

import asyncio
import cProfile
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from random import Random
from typing import Any, cast
from zoneinfo import ZoneInfo

from emerge_wasm import EmergeFile
from emerge_wasm.browser.requests.facet import FACETS, expression_of, facets
from emerge_wasm.browser.tab import Tab
from emerge_wasm.codec import Reference

from .test_table import OneTab, one_tab


class Hue(Enum):
    RED = "red"
    DEEP_BLUE = "deep blue"


class Level(IntEnum):
    LOW = 0
    HIGH = 1


@dataclass
class Point:
    x: int = 0


@dataclass
class Held(EmergeFile):
    hue: Hue | None = None
    level: Level = Level.LOW
    any: Any = None


MAKERS: list[Callable[[Random], object]] = [
    lambda random: None,
    lambda random: random.choice([True, False]),
    lambda random: random.choice([0, 1, 1.0, 0.0, -0.0, Decimal(1), Decimal("1.50"), -7, 10**30]),
    lambda random: random.choice([math.nan, math.inf, -math.inf, 1e-320, Decimal("NaN"), Decimal("-Infinity")]),
    lambda random: random.choice(["", "nan", "None", "a'b\"c\\", "line\nline", "שלום", "🏳️\u200d🌈", "x" * 5000]),
    lambda random: random.choice([b"", b"\x00\xff'"]),
    lambda random: datetime(2026, 5, random.randrange(1, 3), 12, 30, 15, random.choice([0, 7])),
    lambda random: datetime(2026, 5, 1, 12, tzinfo=UTC).astimezone(
        random.choice([UTC, timezone(timedelta(hours=5, minutes=30)), ZoneInfo("Europe/Berlin")])
    ),
    lambda random: random.choice([date(2026, 5, 1), time(12, 30), time(12, 30, tzinfo=UTC), timedelta(-1, 3, 5)]),
    lambda random: random.choice([[1, "a"], (1, 2.5), {1, 2}, {"a": [None]}, (), [], {}, frozenset({1}), 1 + 2j]),
    lambda random: random.choice([Reference("ab" * 16), Reference("cd" * 16)]),
]


async def told(tab: OneTab, field: str) -> list[dict[str, Any]]:
    args = {"where": "local", "path": "/a", "inside": True, "text": "", "order": "", "descending": False}
    found = await facets(cast("Tab", tab), {**args, "field": field})  # type: ignore[typeddict-item]
    assert min(found["distinct"], FACETS) == len(found["values"])
    return cast("list[dict[str, Any]]", found["values"])


def test_what_is_counted_is_what_is_found() -> None:
    async def run(random: Random) -> None:
        async with one_tab() as tab:
            some = [
                Held(
                    name=f"h{n:02}",
                    path="/a",
                    any=random.choice(MAKERS)(random),
                    hue=random.choice([None, *Hue]),
                    level=random.choice(list(Level)),
                )
                for n in range(60)
            ]
            without = [EmergeFile(name=f"without{n}", path="/a") for n in range(3)]
            await tab.place.reader.storeall([*some, *without])
            await tab.rows()  # as the page does before it asks for values
            for field in ("any", "hue", "level"):
                values = await told(tab, field)
                assert sum(each["count"] for each in values) == 63
                assert len({each["text"] for each in values if field != "any"}) == len(values) or field == "any"
                for each in values:
                    assert len(each["text"]) <= 121
                    if each["expression"]:
                        explained = await tab.place.call("explain", ["/a", predicate(each["expression"])])
                        assert not explained["code"], each
                        assert len(await tab.whole(text=each["expression"])) == each["count"], each

    for seed in range(4):
        asyncio.run(run(Random(seed)))


def test_what_people_have_in_columns_can_all_be_asked_for() -> None:
    async def run() -> None:
        async with one_tab() as tab:
            held = [Held(name=f"h{n}", path="/a", hue=hue, any=n / 2) for n, hue in enumerate([None, *Hue])]
            await tab.place.reader.storeall(held)
            page = await tab.rows()
            assert [row["cells"]["hue"] for row in page["rows"]] == ["None", "Hue.RED", "Hue.DEEP_BLUE"]
            assert page["classes"][0]["enums"] == ["hue", "level"]
            shown = {each["text"]: each["expression"] for each in await told(tab, "hue")}
            assert set(shown) == {"None", "Hue.RED", "Hue.DEEP_BLUE"} and all(shown.values())
            plain = [
                Decimal("1.50"),
                date(2026, 5, 1),
                datetime(2026, 5, 1, 12, 0, 0, 7),
                time(12, 30),
                timedelta(days=2),
            ]
            stored = [Held(name=f"h{n}", path="/a", any=each) for n, each in enumerate(plain)]
            await tab.place.reader.storeall(stored)
            assert {each["text"] for each in await told(tab, "any")} == set(map(str, plain))

    asyncio.run(run())
    for make in MAKERS:
        for seed in range(20):
            value = make(Random(seed))
            odd = isinstance(value, complex) or (isinstance(value, Decimal) and not value.is_finite())
            assert expression_of("any", value) or odd or len(repr(value)) > 900, value


def test_each_value_is_looked_at_as_often_whatever_many_there_are() -> None:
    async def calls(number: int) -> int:
        async with one_tab() as tab:
            some = [Held(name=f"h{n}", path="/a", any=Point(n)) for n in range(number)]
            await tab.place.reader.storeall(some)
            profile = cProfile.Profile()
            profile.enable()
            values = await told(tab, "any")
            profile.disable()
            assert len(values) == FACETS
            return sum(row.callcount for row in profile.getstats())

    few, many = asyncio.run(calls(200)), asyncio.run(calls(800))
    assert many < 5 * few, (few, many)


def predicate(text: str) -> object:
    from emerge_wasm.clients.searches import wire_predicate

    return wire_predicate(text)[0]
