"""Where the keys of an index decide, and where the row of an index is all that is read of an object: still exactly what
a plain Python loop with the same lambda finds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.codec import encode
from emerge_wasm.errors import Unavailable
from emerge_wasm.filesystem.indexes.index import all_indexes
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.filesystem.searches import search
from emerge_wasm.filesystem.searches.judge import Judge
from emerge_wasm.filesystem.searches.proven import ProvenRows
from emerge_wasm.filesystem.searches.scan import Scanner
from emerge_wasm.store import Key
from tests.filesystem.indexes.indexed import check
from tests.filesystem.searches.searched import Searched, path_of, predicate, searched, states_of
from tests.filesystem.searches.test_search import right
from tests.scale import examples

LONG = "x" * 240
NASTY = st.sampled_from(
    [
        *(1, True, 1.0, Decimal(1), 2, 2**53, 2**53 + 1, 2**53 + 2, float(2**53), 10**400, 10**400 + 1, -(10**400)),
        *(Decimal(f"1.{'0' * 1099}1"), Decimal("0.1"), 0.1, Decimal("1e-9999"), 0, -0.0, float("inf"), None),
        *(LONG, LONG + "a", LONG + "b", LONG[:-1], "x", "x\0", "x\0\0", "", "é" * 120, "é" * 121, "é" * 122),
        *(b"x", b"x" * 240, b"x" * 241, b"", [1], float("nan")),
    ]
)
STATES = st.lists(st.dictionaries(st.sampled_from("ab"), NASTY, max_size=2), max_size=16)
COMPARED = st.tuples(st.sampled_from("aab"), st.sampled_from(["<", "<=", ">", ">=", "==", "is"]), NASTY)
JOINS = st.sampled_from(["and", "and", "or"])
BEFORE = st.sampled_from(["", "", "hasattr(o, 'a') and ", "o.b is not None and ", "o.a != None and "])
FIELDS = st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a")])


@settings(max_examples=examples(50), deadline=None, suppress_health_check=list(HealthCheck))
@example([{"a": LONG + "a"}, {"a": LONG + "b"}, {"a": LONG}], [("a", "==", LONG + "b")], "and", [("a",)], "")
@example([{"a": LONG + "a"}, {"a": LONG + "c"}, {"a": "x"}], [("a", "<=", LONG + "b")], "and", [("a",)], "")
@example([{"a": LONG + "a", "b": 1}, {"a": "x", "b": 2}], [("a", ">", LONG), ("b", "==", 1)], "and", [("b", "a")], "")
@example([{"a": 2**200 + 1}, {"a": 2**200}, {"a": float(2**200)}], [("a", ">=", 2**200 + 1)], "and", [("a",)], "")
@example([{"a": LONG + c} for c in "abc"], [("a", ">=", LONG + "b"), ("a", "<=", LONG + "b")], "and", [("a",)], "")
@example([{"a": 1}, {"a": 5}, {"a": 9}], [("a", ">", 7), ("a", "<", 3)], "and", [("a",)], "")
@given(STATES, st.lists(COMPARED, min_size=1, max_size=3), JOINS, st.lists(FIELDS, max_size=2, unique=True), BEFORE)
def test_keys_that_are_cut_or_rounded_do_not_decide(
    states: Any, compared: Any, join: str, indexes: Any, before: str
) -> None:
    async def work() -> None:
        async with searched() as there:
            await there.call("mkdir", "/s")
            if states:
                await there.put({f"/s/n{number:02}": state for number, state in enumerate(states)})
            for fields in indexes:
                await there.index("/s", *fields)
            parts = [f"o.{field} {operator} v{number}" for number, (field, operator, _) in enumerate(compared)]
            values = {f"v{number}": value for number, (_, operator, value) in enumerate(compared) if operator != "is"}
            parts = [part if f"v{n}" in values else f"o.{compared[n][0]} is None" for n, part in enumerate(parts)]
            text = before + f" {join} ".join(parts)
            rows = await there.rows("/s")
            expected = loop(rows, text, values)
            page = await there.call("search", "/s", predicate(text, **values))
            assert sorted(map(path_of, page["objects"])) == expected
            for caller in (there, there.as_user("tester")):
                assert (await caller.call("count", "/s", predicate(text, **values)))["count"] == len(expected)
            by_order = await there.call("search", "/s", predicate(text, **values), "a")
            assert sorted(map(path_of, by_order["objects"])) == expected

    asyncio.run(work())


def loop(rows: list[Any], text: str, values: dict[str, Any]) -> list[str]:
    """The paths of those for which the expression is true, by Python itself."""
    found = []
    for row, state in zip(rows, states_of(rows), strict=True):
        instance = EmergeFile(name="")
        vars(instance).update(state)
        try:
            if eval(text, {**values, "o": instance}):
                found.append(path_of(row))
        except Exception:
            pass
    return sorted(found)


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/s.db"


async def fill(there: Searched, count: int = 40) -> None:
    await there.put({f"/s/d{n % 2}/n{n:02}": {"a": n, "b": "xy"[n % 2], "c": [n]} for n in range(count)})


TEXTS = [
    *("o.a < 2", "o.a == 2", "o.a >= 'x'", "o.b == 'x' and o.a > 1", "o.a in (1, 'x', None)", "o.a == 2 or o.b == 2"),
    *("hasattr(o, 'a') and o.a < 3", "o.b == 1 or o.a == 'x'", "o.a != 1", "not o.a < 2"),
]


# --- what is read
async def test_a_page_reads_little_more_than_it_gives(url: str) -> None:
    async with searched(url) as there:
        await fill(there, 600)
        await there.index("/s", "a")
        for limit, order in ((100, ""), (100, "a"), (30, "a"), (300, "")):
            page = await there.call("search", "/s", predicate("o.a >= 0"), order, False, limit)
            assert len(page["objects"]) == limit
            page = await there.call("search", "/s", None, "a", False, limit)
            assert len(page["objects"]) == limit <= page["scanned"] <= 2 * limit + 64


async def test_a_directory_that_was_seen_is_seen_where_it_is(url: str) -> None:
    async with searched(url) as there:
        await fill(there, 12)
        await there.index("/s", "a")

        async def where() -> set[str]:
            page = await there.call("search", "/s", predicate("o.a < 6"))
            return {each["pointer"]["path"] for each in page["objects"]}

        assert await where() == await where() == {"/s/d0", "/s/d1"}
        await there.call("mv", "/s/d0", "/s/e0")
        assert await where() == {"/s/e0", "/s/d1"}
        await there.call("mv", "/s/d1", "/s/e0/d1")
        assert await where() == {"/s/e0", "/s/e0/d1"}
        await there.call("mv", "/s/e0", "/s/d0")
        assert await where() == {"/s/d0", "/s/d0/d1"}
        await there.call("rm", "/s/d0/d1", True)
        assert await where() == {"/s/d0"}
        await there.call("restore", "/s/d0/d1")
        await there.put({"/s/d0/d1/n": {"a": 1}})
        assert await where() == {"/s/d0", "/s/d0/d1"}


async def test_directories_that_were_seen_are_read_together(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with searched(url) as there:
        await there.put({f"/s/d{n}/n": {"a": n} for n in range(50)})
        await there.index("/s", "a")
        store = there.filesystem.core.store
        get, asked = store.get, 0

        async def watched(keys: Any) -> Any:
            nonlocal asked
            asked += 1
            return await get(keys)

        assert len(await there.names("/s", "o.a >= 0")) == 50
        monkeypatch.setattr(store, "get", watched)  # patched: what is asked for is counted
        for order in ("", "a"):
            assert len(await there.names("/s", "o.a >= 0", order_by=order)) == 50
        assert 0 < asked <= 10


async def test_keys_decide_and_one_read_gives_an_object(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with searched(url) as there:
        await fill(there)
        await there.index("/s", "a")
        await there.index("/s", "b", "a")
        asked: list[Key] = []
        tested: list[Any] = []
        store = there.filesystem.core.store
        get, join, test = store.get, store.scan_joined, Judge._test  # private: what is evaluated is counted

        async def watched(keys: Any) -> Any:
            asked.extend(keys)
            return await get(keys)

        async def joined(space: str, ranges: Any, *args: Any) -> Any:
            assert join is not None
            rows = await join(space, ranges, *args)
            asked.extend(ranges[place].lookup.key_of(key, value) for place, key, value, _ in rows)
            return rows

        def told(self: Judge, page: Any, *args: Any) -> bool:
            tested.append(args)
            return test(self, page, *args)

        monkeypatch.setattr(store, "get", watched)  # patched: what is read is counted
        if join is not None:
            monkeypatch.setattr(store, "scan_joined", joined)  # patched: likewise
        monkeypatch.setattr(Judge, "_test", told)  # patched: what is evaluated is counted
        for text in (
            "o.a < 5",
            "4 >= o.a",
            "o.a >= 0 and o.a < 5",
            "o.b == 'x' and o.a < 10",
            "o.b == 'y' and o.a <= 9",
        ):
            asked.clear()
            page = await there.call("search", "/s", predicate(text))
            assert len(page["objects"]) == page["scanned"] == 5 and not tested, text
            assert sum(space == "versions" for space, _ in asked) == 5
            assert sum(space == "entries" for space, _ in asked) <= 5, "the way to /s, and its two directories"
            asked.clear()
            assert (await there.call("count", "/s", predicate(text)))["count"] == 5
            assert not [key for space, key in asked if space == "versions"]
        await there.call("search", "/s", predicate("o.a * 1 < 5 and o.a < 5"))
        assert tested


async def test_objects_without_the_field_are_not_looked_at(url: str) -> None:
    async with searched(url) as there:
        await fill(there)
        await there.put({f"/s/other{n}": {"z": n} for n in range(30)} | {"/s/list": {"a": [1]}, "/s/e": {}})
        await there.index("/s", "a")
        await there.index("/s", "z")
        page = await there.call("search", "/s", predicate("o.a > 36"))
        assert (len(page["objects"]), page["scanned"], page["errors"]["count"]) == (3, 4, 32), (
            "they are counted, though"
        )
        page = await there.call("search", "/s", predicate("o.z == 3 or o.a == 3"))
        assert [path_of(row) for row in page["objects"]] == ["/s/other3"], "o.z is read first"
        assert page["errors"]["count"] == 71 and page["scanned"] <= 72, "o.a is read where o.z is another"
        everything = sorted(map(path_of, await there.rows("/s")))
        for order in ("a", "z"):
            for limit in (7, 1000):
                assert sorted(await there.names("/s", order_by=order, limit=limit)) == everything
        for text in ("getattr(o, 'a', 1) == 1", "not hasattr(o, 'a')", "o.a == 3 if hasattr(o, 'a') else o.z == 3"):
            assert sorted(await there.names("/s", text)) == sorted(right(await there.rows("/s"), text))
        await check(there.filesystem)


async def test_what_the_engine_joins_is_what_is_found_without(tmp_path: Path) -> None:
    """Whatever is asked, in whichever order and pages, by whomever: the same objects, errors and cursors."""
    dice = Random(14)
    values = [None, 1, 2, 2.5, "x", "x" * 300, [1], b"", "gone"]
    async with searched(f"sqlite:///{tmp_path}/s.db") as there:
        states = [{name: value for name in "ab" if (value := dice.choice(values)) != "gone"} for _ in range(60)]
        await there.put({f"/s/d{n % 3}/n{n:02}": state for n, state in enumerate(states)})
        await there.put({"/s/large": {"a": 2, "b": "y" * 100_000}})
        await there.index("/s", "a")
        await there.index("/s", "b", "a")
        for n in range(0, 60, 7):
            await there.call("chmod", f"/s/d{n % 3}/n{n:02}", dice.choice(["rw-------", "rw-r--r--"]))
        await there.call("chmod", "/s", "rwxr-xr-x")
        await there.call("chmod", "/s/d1", "rwxr-xr-x")
        store = there.filesystem.core.store
        join, joined = store.scan_joined, 0

        async def watched(*args: Any) -> Any:
            nonlocal joined
            joined += 1
            assert join is not None
            return await join(*args)

        for _ in range(40):
            asked = dice.choice([there, there.as_user("eve")])
            text = dice.choice(TEXTS)
            more = (dice.choice(["", "a", "b"]), dice.random() < 0.5, dice.choice([1, 3, 20, 1000]))
            answers = []
            for store.scan_joined in (watched, None):
                pages, cursor = [], ""
                while not pages or cursor:
                    page = await asked.call("search", "/s", predicate(text), *more, cursor)
                    cursor = page["cursor"]
                    pages.append(page | {"cursor": cursor.partition("@")[0]})  # less the clock
                answers.append(pages)
            assert answers[0] == answers[1], (text, more)
        assert joined > 40


async def test_what_was_made_for_a_cause_is_found(url: str) -> None:
    async with searched(url) as there:
        await there.index("/", "a")
        caused = Searched(there.filesystem, replace(there.context, cause="cell 3"))
        await caused.put({f"/s/n{n}": {"a": n} for n in range(5)})
        assert await there.names("/s", "o.a < 3") == ["/s/n0", "/s/n1", "/s/n2"]
        assert await there.names("/s", "o.a < 3", order_by="a", descending=True) == ["/s/n2", "/s/n1", "/s/n0"]


# --- the rows say which version is the newest
async def test_rows_follow_every_version(url: str) -> None:
    async with searched(url) as there:
        await fill(there, 6)
        await there.index("/s", "a")

        async def found() -> list[tuple[str, int, str, Any]]:
            page = await there.call("search", "/s", predicate("o.a < 3"), "a")
            rows = zip(page["objects"], states_of(page["objects"]), strict=True)
            return [(path_of(row), row["pointer"]["version"], row["pointer"]["perms"], s["b"]) for row, s in rows]

        await there.call("update", "/s/d0/n00", encode({"b": "new"}))
        await there.call("chmod", "/s/d1/n01", "rw-------")
        await there.call("mv", "/s/d0/n02", "/s/moved")
        assert await found() == [
            ("/s/d0/n00", 2, "rwxr-x---", "new"),
            ("/s/d1/n01", 2, "rw-------", "y"),
            ("/s/moved", 2, "rwxr-x---", "x"),
        ]
        await there.call("mv", "/s/d0", "/s/d2")
        await there.call("update", "/s/moved", encode({"c": "z" * 100_000}))
        assert [row[:2] for row in await found()] == [("/s/d2/n00", 2), ("/s/d1/n01", 2), ("/s/moved", 3)]
        await there.call("retain", "/s", "1")
        await there.call("chmod", "/s/moved", "rw-r--r--")
        assert [row[1] for row in await found()] == [2, 2, 4]
        await there.call("rm", "/s/d2/n00")
        await there.call("chmod", "/s", "rwxr-xr-x")
        assert [row[0] for row in await found()] == ["/s/d1/n01", "/s/moved"]
        assert await there.as_user("eve").names("/s", "o.a < 3") == ["/s/moved"]
        await check(there.filesystem)


async def test_a_version_that_goes_after_its_row_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async with searched() as there:
        await fill(there, 8)
        await there.index("/s", "a")
        await there.call("retain", "/s", "1")
        store = there.filesystem.core.store
        scan, done = store.scan, False

        async def overtaken(space: str, *args: Any, **more: Any) -> Any:
            nonlocal done
            rows = await scan(space, *args, **more)
            if space == "indexes" and not done:
                done = True
                await there.call("update", "/s/d0/n00", encode({"b": "new"}))  # its first version goes
                await there.call("update", "/s/d1/n01", encode({"a": 100}))
                await there.call("update", "/s/d1/n03", encode({"a": 100}))
                await there.call("mv", "/s/d1/n03", "/s/elsewhere")
            return rows

        monkeypatch.setattr(store, "scan", overtaken)  # patched: somebody writes while it is read
        page = await there.call("search", "/s", predicate("o.a < 4"))
        assert done
        found = {path_of(row): state for row, state in zip(page["objects"], states_of(page["objects"]), strict=True)}
        assert found["/s/d0/n00"]["b"] == "new"
        assert sorted(found) == ["/s/d0/n00", "/s/d0/n02"], "what does not fit any more is not given"


async def test_changes_and_searches_at_once(tmp_path: Path) -> None:
    """Every object that is found is as it was at some moment: its pointer and state of one version, and it fits."""
    async with searched(f"sqlite:///{tmp_path}/s.db") as there:
        await there.put({f"/s/n{n}": {"a": n, "b": n} for n in range(20)})
        await there.index("/s", "a")
        await there.call("retain", "/s", "2")

        async def change(number: int) -> None:
            for step in range(10):
                state = encode({"a": (number + step) % 20, "b": (number + step) % 20, "step": step})
                await there.call("update", f"/s/n{number}", state)

        async def look() -> None:
            while not all(work.done() for work in works):
                page = await there.call("search", "/s", predicate("o.a < 10"))
                for row, state in zip(page["objects"], states_of(page["objects"]), strict=True):
                    assert state["a"] == state["b"] < 10
                    assert row["pointer"]["version"] == state.get("step", -1) + 2
                await asyncio.sleep(0)

        works = [asyncio.ensure_future(change(number)) for number in range(20)]
        await asyncio.gather(look(), *works)
        await check(there.filesystem)


# --- classes that decide for themselves
@dataclass
class Plain(EmergeFile):
    a: int = 0
    b: int = 0


@dataclass
class Doubled(EmergeFile):
    """Its `a` is another one than its state says."""

    b: int = 0

    @property
    def a(self) -> int:
        return self.b * 2


async def test_a_union_of_indexes_gives_what_a_class_computes_too() -> None:
    """Such an object has no place in the order of `a`, whatever its state holds under that name."""
    async with searched(runner=Here()) as there:
        client = Client(LocalTransport(there.filesystem, there.context))
        await client.storeall([Plain(name=f"p{n}", path="/s", a=n, b=n) for n in range(10)])
        await client.storeall([Doubled(name=f"d{n}", path="/s", b=n) for n in range(10)])
        await there.call("update", "/s/d2", encode({"a": 1000}))
        await there.index("/s", "a")
        await there.index("/s", "b")
        for text, expected in (
            ("o.a == 4 or o.b == 9", ["/s/d2", "/s/d9", "/s/p4", "/s/p9"]),
            ("o.b == 9 or o.a == 4", ["/s/d2", "/s/d9", "/s/p4", "/s/p9"]),
            ("o.a == 4", ["/s/d2", "/s/p4"]),
            ("o.a > 14 or o.b < 1", ["/s/d0", "/s/d8", "/s/d9", "/s/p0"]),
        ):
            explained = await there.call("explain", "/s", predicate(text))
            assert explained["plan"]["inputs"][0]["step"] in ("union", "index")
            assert sorted(await there.names("/s", text)) == expected
            assert (await there.call("count", "/s", predicate(text)))["count"] == len(expected)
    async with searched() as there:
        await there.put({"/s/one": {"a": 1}})
        await there.index("/s", "a")
        assert len(await all_indexes(there.filesystem.core)) == 1
        with pytest.raises(Unavailable):
            await there.names("/s", "o.a == 1 and [x for x in o.a]")


# --- the short way of what keys prove
PLACES = st.sampled_from(["/s", "/s", "/s/open", "/s/closed", "/elsewhere"])
MOSTLY = st.one_of(st.integers(-3, 9), st.integers(-3, 9), st.integers(-3, 9), NASTY)
OWNED = st.tuples(PLACES, st.fixed_dictionaries({"a": MOSTLY}, optional={"b": MOSTLY}), st.sampled_from([0o022, 0o027]))
ASKED = ("o.a < v", "v <= o.a", "o.a >= v", "w <= o.a <= v", "o.a == v", "o.a == v and o.b < w")


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(OWNED, min_size=8, max_size=40),
    st.lists(st.tuples(PLACES, st.dictionaries(st.sampled_from("bc"), NASTY)), max_size=2),
    st.sampled_from(ASKED),
    st.tuples(st.one_of(st.integers(0, 9), NASTY), st.one_of(st.integers(-3, 3), NASTY)),
    st.sampled_from([("a",), ("a", "b")]),
    st.sampled_from([1, 3, 8, 1000]),
    st.sets(st.integers(0, 39), max_size=2),
    st.sets(st.integers(0, 39), max_size=2),
)
def test_the_short_way_gives_what_the_long_one_does(
    objects: Any, others: Any, text: str, values: Any, fields: Any, limit: int, large: Any, later: Any
) -> None:
    """Whatever the condition, the rights and the pages: the same pointers and states in the same order, and as
    many errors. Some states are too large to stand with their versions, or are those of earlier ones."""
    asks = predicate(text, v=values[0], w=values[1])

    async def work() -> None:
        async with searched() as there:
            for path in ("/s/open", "/s/closed", "/elsewhere"):
                await there.call("mkdir", path)
            await there.index("/s", *fields)
            await there.put({f"{place}/o{number}": state for number, (place, state) in enumerate(others)})
            for number, (place, state, umask) in enumerate(objects):
                maker = Searched(there.filesystem, replace(there.context, umask=umask))
                more = {"c": "z" * 70_000} if number in large else {}
                await maker.put({f"{place}/n{number:02}": state | more})
                if number in later:
                    await there.call("chmod", f"{place}/n{number:02}", "rwxr-x--x")
            for path, perms in (("/s", "rwxr-xr-x"), ("/s/open", "rwxr-xr-x"), ("/s/closed", "rwx------")):
                await there.call("chmod", path, perms)
            for caller in (there, there.as_user("eve")):
                short, errors, scanned = await all_pages(caller, asks, limit)
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(search, "proven_rows", nothing_proven)  # patched: the long way finds everything
                    long, *told = await all_pages(caller, asks, limit)
                assert short == long
                assert errors == told[0]
                assert scanned == told[1] or len(short) >= limit, "a page reads more than it gives"

    asyncio.run(work())


async def nothing_proven(asked: Any, plan: Any, mark: Any, limit: int) -> ProvenRows:
    return ProvenRows(mark or (), mark)


async def all_pages(there: Searched, asks: Any, limit: int) -> tuple[list[Any], int, int]:
    """The rows of all pages, how many objects had errors, and how many were looked at."""
    found: list[Any] = []
    errors = scanned = 0
    cursor = ""
    while True:
        page = await there.call("search", "/s", asks, "", False, limit, cursor)
        found += page["objects"]
        errors, scanned = errors + page["errors"]["count"], scanned + page["scanned"]
        cursor = page["cursor"]
        if not cursor:
            return found, errors, scanned


async def test_what_keys_prove_takes_the_short_way(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with searched(url) as there:
        await fill(there, 600)
        await there.index("/s", "a")
        monkeypatch.setattr(Scanner, "scan", None)  # patched: there is no other way
        for limit, pages in ((1000, 1), (600, 1), (599, 2), (100, 6), (7, 86)):
            found, cursor = 0, ""
            for number in range(pages):
                page = await there.call("search", "/s", predicate("o.a >= 0"), "", False, limit, cursor)
                found, cursor = found + len(page["objects"]), page["cursor"]
                assert bool(cursor) == (number < pages - 1), "no page is asked for in vain"
            assert found == 600
