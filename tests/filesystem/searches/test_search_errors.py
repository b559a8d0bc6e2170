"""What goes wrong on single objects is counted, the same by an index as without one."""

from __future__ import annotations

import asyncio
import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm.operations import Context
from tests.filesystem.searches.searched import Searched, path_of, predicate, searched
from tests.scale import examples

INDEXES: list[tuple[tuple[str, ...], ...]] = [
    (("a",),),
    (("b",),),
    (("a", "b"),),
    (("a",), ("b",)),
    (("a", "b"), ("b", "a"), ("c",)),
]
VALUES = [0, 1, 2, 3, True, None, 2.5, math.nan, "x", "text", "", b"x", [1], date(2026, 1, 1), {"k": 1}]
fields = st.fixed_dictionaries({}, optional={name: st.sampled_from(VALUES) for name in "abc"})

TERMS = [
    "o.a < 2",
    "o.a == 2",
    "2 <= o.b",
    "1 < o.a <= 3",
    "o.a in (1, 'x')",
    "o.a.startswith('t')",
    "o.b is None",
    "o.b != 2",
    "not o.a < 2",
    "hasattr(o, 'a')",
    "1 / o.c > 0.3",
    "o.c",
    "o.a < o.b",
    "o.b in range(1, 3)",
    "o.a > 'a'",
    "o.name > '/'",
]
terms = st.sampled_from(TERMS)
texts = st.one_of(
    terms,
    st.lists(terms, min_size=2, max_size=3).map(" and ".join),
    st.lists(terms, min_size=2, max_size=2).map(" or ".join),
    st.tuples(terms, terms, terms).map(lambda some: f"{some[0]} and ({some[1]} or {some[2]})"),
)


async def told(there: Searched, text: str, order_by: str, limit: int) -> tuple[list[str], int]:
    """What a search finds over all its pages, and how many errors these tell."""
    found: list[str] = []
    errors, cursor = 0, ""
    while True:
        page = await there.call("search", "/s", predicate(text), order_by, False, limit, cursor)
        found += map(path_of, page["objects"])
        errors += page["errors"]["count"]
        cursor = page["cursor"]
        if not cursor:
            return sorted(found), errors


async def everything(there: Searched, text: str) -> list[Any]:
    counted = await there.call("count", "/s", predicate(text))
    grouped = await there.call("aggregate", "/s", {"n": ["count"]}, [], predicate(text))
    answers = [
        await told(there, text, order_by, limit) for order_by, limit in (("", 1000), ("", 3), ("a", 1000), ("b", 4))
    ]
    whole = await there.call("search", "/s", predicate(text))
    return [
        *answers,
        (counted["count"], counted["errors"]["count"]),
        (grouped["groups"][0]["n"], grouped["errors"]["count"]),
        sorted((each["path"], each["error"]) for each in whole["errors"]["first"]) if answers[0][1] < 10 else None,
    ]


@settings(max_examples=examples(5), deadline=None)
@given(st.lists(fields, min_size=5, max_size=25), st.lists(texts, min_size=4, max_size=4), st.data())
def test_an_index_changes_neither_what_is_found_nor_what_is_counted(
    states: list[dict[str, Any]], asked: list[str], data: st.DataObject
) -> None:
    async def work() -> None:
        async with searched() as there:
            await there.put({f"/s/{n:02}": state for n, state in enumerate(states)})
            users = [there, there.as_user("somebody")]
            await there.call("chown", "/s", "somebody", None, True)
            plain = {(text, n): await everything(user, text) for text in asked for n, user in enumerate(users)}
            assert all(len({errors for _, errors in answers[:6]}) == 1 for answers in plain.values())
            defined = data.draw(st.sampled_from(INDEXES))
            for index in defined:
                await there.index("/s", *index)
            for (text, n), expected in plain.items():
                assert await everything(users[n], text) == expected, (text, defined, n)

    asyncio.run(work())


STATES: dict[str, dict[str, Any]] = {
    "low": {"price": 1, "colour": "red", "share": 0},
    "high": {"price": 9, "colour": "red", "share": 0},
    "none": {"price": None, "colour": "red", "share": 1},
    "text": {"price": "dear", "colour": "red", "share": 1},
    "list": {"price": [1], "colour": "red", "share": 1},
    "lacking": {"colour": "red", "share": 1},
    "blue": {"price": "dear", "colour": "blue", "share": 1},
    "plain": {},
}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("o.price < 3", "none text list lacking blue plain"),
        ("o.price == 1", "lacking plain"),
        ("o.price in (1, 2)", "lacking plain"),
        ("hasattr(o, 'price') and o.price < 3", "none text list blue"),
        ("o.colour == 'red' and o.price < 3", "none text list lacking plain"),
        ("o.price < 3 and o.colour == 'red'", "none text list lacking plain"),
        ("1 / o.share > 0 and o.price < 3", "low none text list lacking blue plain"),  # high is ruled out by its price
        ("o.price < 3 and 1 / o.share > 0", "low none text list lacking blue plain"),
        ("o.price < 3 or o.colour == 'red'", "none text list lacking blue plain"),
        ("o.price.startswith('d')", "low high none list lacking plain"),
        ("o.price is None", "lacking plain"),
        ("o.price != 1", "lacking plain"),
        ("False and o.price < 3", ""),
    ],
)
async def test_which_count(text: str, wrong: str) -> None:
    async with searched() as there:
        await there.put({f"/s/{name}": state for name, state in STATES.items()})
        for indexes in ((), ("price",), ("colour",), ("share",)):
            for field in indexes:
                await there.index("/s", field)
            page = await there.call("search", "/s", predicate(text))
            assert {each["path"][3:] for each in page["errors"]["first"]} == set(wrong.split()), indexes
            assert page["errors"]["count"] == len(wrong.split())


async def test_what_lacks_the_field_is_counted_by_the_index_alone() -> None:
    async with searched() as there:
        await there.put({f"/s/{n:03}": {"price": n} if n < 20 else {"weight": n} for n in range(300)})
        await there.index("/s", "price")
        page = await there.call("search", "/s", predicate("o.price < 3"))
        assert (len(page["objects"]), page["scanned"], page["errors"]["count"]) == (3, 3, 280)
        assert page["errors"]["first"][0]["error"] == "AttributeError: 'EmergeFile' object has no attribute 'price'"
        few = await there.call("search", "/s", predicate("o.price < 3"), "", False, 2)
        assert few["errors"]["count"] == 0 and few["cursor"]
        guarded = await there.call("search", "/s", predicate("hasattr(o, 'price') and o.price < 3"))
        assert (len(guarded["objects"]), guarded["scanned"], guarded["errors"]["count"]) == (3, 3, 0)


async def test_what_a_caller_may_not_read_is_no_error() -> None:
    async with searched() as there:
        await there.put({f"/s/{n:02}": {"price": n} if n % 2 else {} for n in range(20)})
        await there.call("chmod", "/s", "rwxrwxrwx", True)
        await there.call("chmod", "/s/00", "rwx------")
        somebody = Searched(there.filesystem, Context("somebody"))
        counts = []
        for indexed in (False, True):
            if indexed:
                await there.index("/s", "price")
            counts.append((await somebody.call("count", "/s", predicate("o.price < 3")))["errors"]["count"])
        assert counts == [9, 9]
