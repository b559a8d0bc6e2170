"""A transaction's store over a store: it is a store itself, and what comes of it is as if it had been alone."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm.errors import Conflict, LimitExceeded
from emerge_wasm.filesystem.transactions.overlay import Overlay
from emerge_wasm.filesystem.transactions.seen import TransactionOvertaken
from emerge_wasm.store import Batch, Store
from emerge_wasm.stores import open_store
from emerge_wasm.stores.memory import MemoryStore
from tests.contracts.store import SCENARIOS, Scenario, failure, puts, scan_all
from tests.contracts.store_model import KEYS, VALUES, Model
from tests.scale import examples

ELSEWHERE = {
    "malformed_is_refused": "the filesystem makes the batches; the store below refuses what is malformed",
    "numbers_are_never_given_twice": "numbers are given by the store below when all is settled",
}
"""Scenarios that cannot apply, and why."""


class Numbered(Overlay):
    """An overlay that gives numbers at once, as rows, so that the scenarios with a log can run on it too."""

    def __init__(self, base: Store) -> None:
        super().__init__(base)
        self.last: dict[str, int] = {}
        self.turn = asyncio.Lock()

    async def commit(self, batch: Batch) -> list[int]:
        async with self.turn:
            last, numbers, rows = dict(self.last), [], list(batch.puts)
            for space, value in batch.appends:
                last[space] = last.get(space, 0) + 1
                numbers.append(last[space])
                rows.append((space, last[space].to_bytes(8, "big"), value))
            numbered = Batch(puts=rows, deletes=batch.deletes, expects=batch.expects, counts=batch.counts)
            assert await super().commit(numbered) == []
            self.last = last
            return numbers


def scenario_name(scenario: Scenario) -> str:
    return scenario.__name__.removeprefix("scenario_")


@pytest.mark.parametrize(
    "scenario", [each for each in SCENARIOS if scenario_name(each) not in ELSEWHERE], ids=scenario_name
)
async def test_contract(scenario: Scenario) -> None:
    async def open_overlay() -> Store:
        return Numbered(await open_store("memory:"))

    await scenario(open_overlay)


# --- one transaction alone: the same as a dict
SPACES_USED = ("entries", "links", "versions")
spaces = st.sampled_from(SPACES_USED)
keys = st.sampled_from(KEYS)
places = st.tuples(spaces, keys)
batches = st.builds(
    Batch,
    puts=st.lists(st.tuples(spaces, keys, st.sampled_from(VALUES)), max_size=4),
    deletes=st.lists(places, max_size=3),
    appends=st.lists(st.tuples(st.just("log"), st.binary(min_size=1, max_size=3)), max_size=2),
)
expectations = st.lists(st.tuples(spaces, keys, st.none() | st.sampled_from(VALUES)), max_size=2)
ranges = st.tuples(spaces, keys, st.none() | keys, st.integers(0, 6), st.booleans())
steps = st.lists(
    st.one_of(batches, st.lists(places, max_size=5), ranges, st.tuples(batches, expectations)), max_size=12
)


def log_of(batch: Batch) -> bytes:
    return b"".join(value for _, value in batch.appends)


@given(begin=batches, steps=steps)
@settings(deadline=None, max_examples=examples(60))
def test_settled_is_like_a_dict(begin: Batch, steps: list[object]) -> None:
    async def run() -> None:
        base, model, log = MemoryStore(), Model(), b""
        begin.appends.clear()
        await base.commit(begin)
        model.commit(begin)
        overlay = Overlay(base)
        for step in steps:
            match step:
                case Batch() | (Batch(), list()):
                    batch, expects = step if isinstance(step, tuple) else (step, [])
                    whole = Batch(puts=batch.puts, deletes=batch.deletes, expects=expects)
                    wanted = model.commit(whole)
                    whole.appends = batch.appends
                    try:
                        assert await overlay.commit(whole) == wanted == []
                        log += log_of(batch)
                    except Conflict as error:
                        assert (error.details["space"], error.details["key"]) == wanted
                case list():
                    assert await overlay.get(step) == [model.rows.get(place) for place in step]
                case (space, start, end, limit, reverse):
                    found = await overlay.scan(space, start, end, limit=limit, reverse=reverse)
                    assert found == model.scan(space, start, end, limit, reverse)
        assert await base.commit(overlay.settle()) == ([1] if log else [])
        for space in SPACES_USED:
            assert await base.scan(space) == model.scan(space, b"", None, 1000, False)
        assert await base.scan("log") == ([((1).to_bytes(8, "big"), log)] if log else [])

    asyncio.run(run())


# --- pages
async def test_pages_at_the_borders_of_what_was_made() -> None:
    base = MemoryStore()
    old = [(b"%03d" % number, b"old") for number in range(0, 100, 2)]
    await base.commit(puts(*old, space="entries"))
    overlay = Overlay(base)
    gone = [("entries", key) for key, _ in old[10:40]]
    new = [("entries", b"%03d" % number, b"new") for number in range(1, 100, 4)]
    await overlay.commit(Batch(puts=new, deletes=gone))
    wanted = sorted([(key, value) for _, key, value in new] + old[:10] + old[40:])
    for limit in (1, 2, 3, 7, 44, 45, 46, 1000):
        assert await scan_all(overlay, "entries", limit) == wanted
        assert await scan_all(overlay, "entries", limit, reverse=True) == wanted[::-1]
    assert await base.scan("entries") == old


async def test_a_page_is_whole_when_rows_are_deleted_while_it_is_read() -> None:
    base = MemoryStore()
    await base.commit(puts(*[(b"%d" % number, b"") for number in range(9)], space="entries"))

    class Slow(MemoryStore):
        async def scan(self, *args: object, **options: object) -> list[tuple[bytes, bytes]]:
            page = await base.scan(*args, **options)  # type: ignore[arg-type]  # passed on as they came
            await asyncio.sleep(0)
            return page

    overlay = Overlay(Slow())
    page = asyncio.ensure_future(overlay.scan("entries", limit=3))
    await asyncio.sleep(0)
    await overlay.commit(Batch(deletes=[("entries", b"0"), ("entries", b"2")]))
    assert [key for key, _ in await page] == [b"1", b"3", b"4"]


# --- others at the same time
async def filled(*rows: tuple[bytes, bytes]) -> MemoryStore:
    base = MemoryStore()
    await base.commit(puts(*(rows or [(b"a", b"1"), (b"c", b"3"), (b"e", b"5")]), space="entries"))
    return base


def put(key: bytes, value: bytes = b"x", space: str = "entries") -> Batch:
    return Batch(puts=[(space, key, value)])


def delete(*keys: bytes, space: str = "entries") -> Batch:
    return Batch(deletes=[(space, key) for key in keys])


@pytest.mark.parametrize(
    ("change", "fails"),
    [
        (put(b"a"), True),
        (delete(b"a"), True),
        (put(b"b"), True),  # absent when it was asked for
        (put(b"d"), True),  # in the range that was read
        (delete(b"c"), True),
        (Batch(deletes=[("entries", b"c")], puts=[("entries", b"d", b"3")]), True),  # as many as before
        (put(b"e"), False),  # beyond the page
        (put(b"cc", space="links"), False),
        (put(b"aa"), False),
        (put(b"a", b"1"), False),  # as it was
    ],
)
async def test_only_what_was_read_must_stay(change: Batch, fails: bool) -> None:
    base = await filled()
    overlay = Overlay(base)
    await overlay.get([("entries", b"a"), ("entries", b"b")])
    assert await overlay.scan("entries", b"bb", limit=1) == [(b"c", b"3")]
    assert await overlay.scan("entries", b"c\0", b"e") == []
    await overlay.commit(put(b"made"))
    await base.commit(change)
    if fails:
        await failure(base.commit(overlay.settle()), Conflict)
    else:
        await base.commit(overlay.settle())
    assert (await base.get([("entries", b"made")]))[0] == (None if fails else b"x")


async def test_lasting_rows_are_not_remembered_absent_ones_are() -> None:
    base = MemoryStore()
    await base.commit(Batch(puts=[("versions", b"%d" % number, b"v") for number in range(5)]))
    overlay = Overlay(base)
    assert await overlay.get([("versions", b"1"), ("bundles", b"no")]) == [b"v", None]
    batch = overlay.settle()
    assert batch.expects == [("bundles", b"no", None)] and not batch.counts
    await overlay.scan("versions", b"3", limit=1, reverse=True)  # the newest, and there is none after it
    newest_kept_only = Batch(deletes=[("versions", b"4")], puts=[("versions", b"5", b"v")])
    await base.commit(newest_kept_only)
    await failure(base.commit(overlay.settle()), Conflict)


async def test_a_lasting_row_that_a_commit_relies_on_is_a_condition() -> None:
    base = MemoryStore()
    await base.commit(put(b"1", b"v", space="versions"))
    overlay = Overlay(base)
    await overlay.scan("versions")
    await overlay.commit(Batch(expects=[("versions", b"1", b"v")]))
    assert ("versions", b"1", b"v") in overlay.settle().expects
    await failure(overlay.commit(Batch(expects=[("versions", b"1", b"w")])), Conflict)


async def test_seeing_a_thing_twice_and_differently_is_noticed() -> None:
    for change in (put(b"a"), put(b"b"), delete(b"c")):
        base = await filled()
        overlay = Overlay(base)
        assert len(await overlay.scan("entries")) == 3
        await base.commit(change)
        with pytest.raises(TransactionOvertaken) as caught:
            await overlay.scan("entries", b"", b"d")
        assert (caught.value.space, caught.value.key) == (change.puts or change.deletes)[0][:2]
        assert await overlay.get([("entries", b"a"), ("entries", b"b")]) == [b"1", None], "a row is read once"


async def test_counts_look_at_both() -> None:
    base = await filled()
    overlay = Overlay(base)
    await overlay.commit(Batch(puts=[("entries", b"b", b"")], deletes=[("entries", b"e")]))
    await overlay.commit(Batch(counts=[("entries", b"a", None, 3), ("entries", b"d", b"f", 0)]))
    error = await failure(overlay.commit(Batch(counts=[("entries", b"b", None, 3)])), Conflict)
    assert error.details["key"] == b"b"
    await base.commit(put(b"f"))
    await failure(base.commit(overlay.settle()), Conflict)


async def test_counts_over_many_pages() -> None:
    base = await filled(*[(b"%05d" % number, b"") for number in range(2500)])
    overlay = Overlay(base)
    await overlay.commit(Batch(counts=[("entries", b"", None, 2500)], deletes=[("entries", b"00007")]))
    await overlay.commit(Batch(counts=[("entries", b"0", None, 2499)]))
    await base.commit(overlay.settle())
    assert len(await base.scan("entries", limit=9999)) == 2499


async def test_settled_without_what_came_to_nothing() -> None:
    base = await filled()
    overlay = Overlay(base)
    await overlay.get([("entries", b"a"), ("entries", b"new")])
    await overlay.commit(Batch(puts=[("entries", b"a", b"2"), ("entries", b"new", b"x")], appends=[("log", b"1")]))
    await overlay.commit(Batch(puts=[("entries", b"a", b"1")], deletes=[("entries", b"new")], appends=[("log", b"2")]))
    batch = overlay.settle()
    assert (batch.puts, batch.deletes, batch.appends) == ([], [], [("log", b"12")])


# --- attempts and limits
async def test_a_failed_attempt_leaves_no_trace() -> None:
    base = await filled()
    overlay = Overlay(base)
    await overlay.commit(Batch(puts=[("entries", b"a", b"mine"), ("entries", b"b", b"")], appends=[("log", b"1")]))
    before = overlay.settle()
    with pytest.raises(ZeroDivisionError), overlay.attempt():
        await overlay.commit(Batch(puts=[("entries", b"a", b"?"), ("entries", b"d", b"?")], appends=[("log", b"?")]))
        await overlay.commit(Batch(puts=[("entries", b"d", b"!")], deletes=[("entries", b"b"), ("entries", b"c")]))
        assert await overlay.scan("entries") == [(b"a", b"?"), (b"d", b"!"), (b"e", b"5")]
        raise ZeroDivisionError
    after = overlay.settle()
    assert (after.puts, after.deletes, after.appends) == (before.puts, before.deletes, before.appends)
    assert [key for key, _ in await overlay.scan("entries")] == [b"a", b"b", b"c", b"e"]
    with overlay.attempt():
        await overlay.commit(put(b"d"))
    assert await overlay.get([("entries", b"d")]) == [b"x"]


async def test_limits() -> None:
    base = await filled(*[(b"%02d" % number, b"") for number in range(20)])
    overlay = Overlay(base, limit=10)
    error = await failure(overlay.scan("entries"), LimitExceeded)
    assert error.details["limit"] == "transaction"
    assert len(await overlay.scan("entries", limit=6)) == 6
    assert len(await overlay.scan("entries", limit=6)) == 6, "what was read before counts once"
    await failure(overlay.commit(Batch(puts=[("links", b"%d" % number, b"") for number in range(5)])), LimitExceeded)
    await overlay.commit(Batch(puts=[("links", b"%d" % number, b"") for number in range(4)]))
    await failure(overlay.get([("entries", b"more")]), LimitExceeded)
    assert len(overlay.settle().puts) == 4


# --- two transactions, step by step: all is as if one had come after the other
Step = tuple[str, int, int]


class Running:
    """A random transaction under way: it writes what it has read so far, so that rows tell what it saw."""

    def __init__(self, base: Store, name: bytes, steps: list[Step]) -> None:
        self.base, self.name, self.steps = base, name, list(steps)
        self.overlay = Overlay(base)
        self.seen: list[object] = []
        self.committed: bool | None = None

    async def go_on(self) -> None:
        """The next step; after the last one, the commit."""
        try:
            if self.steps:
                await self.do(*self.steps.pop(0))
            elif self.committed is None:
                await self.base.commit(self.overlay.settle())
                self.committed = True
        except (Conflict, TransactionOvertaken):
            self.committed, self.steps = False, []

    async def do(self, kind: str, first: int, second: int) -> None:
        key, end = bytes([first]), bytes([max(first, second) + 1])
        match kind:
            case "get":
                self.seen.append(await self.overlay.get([("entries", key)]))
            case "scan":
                options = {"limit": 1 + second % 3, "reverse": bool(second & 4)}
                self.seen.append(await self.overlay.scan("entries", key, end, **options))  # type: ignore[arg-type]
            case "put":
                await self.overlay.commit(put(key, self.name + repr(self.seen).encode()))
            case "delete":
                await self.overlay.commit(delete(key))
            case "count":
                rows = len(await self.overlay.scan("entries", key, end))
                batch = put(b"n" + self.name, b"%d" % rows)
                batch.expect_count("entries", key, end, rows)
                await self.overlay.commit(batch)


async def interleaved(begin: bytes, scripts: list[list[Step]], order: list[int]) -> tuple[list[bool], list[object]]:
    """Two transactions in this order of steps, over rows of these keys: which were committed, and all there is."""
    base = await filled(*[(bytes([key]), b"0") for key in begin], (b"z", b""))
    running = [Running(base, name, steps) for name, steps in zip((b"P", b"Q"), scripts, strict=True)]
    for who in order:
        await running[who].go_on()
    for each in running:
        while each.committed is None:
            await each.go_on()
    done = [bool(each.committed) for each in running]
    seen = [each.seen for each, committed in zip(running, done, strict=True) if committed]
    return done, [seen, await base.scan("entries")]


async def test_interleavings_are_as_one_after_the_other() -> None:
    source, both, failed = random.Random(3), 0, 0
    kinds = ("get", "scan", "scan", "put", "put", "delete", "count")
    for _ in range(1500):
        begin = bytes(key for key in b"abcdef" if source.random() < 0.5)
        scripts = [
            [
                (source.choice(kinds), source.choice(b"abcdef"), source.choice(b"abcdef"))
                for _ in range(source.randrange(1, 5))
            ]
            for _ in range(2)
        ]
        done, found = await interleaved(begin, scripts, [source.randrange(2) for _ in range(12)])
        none: list[Step] = []
        if all(done):
            both += 1
            serial = [(await interleaved(begin, scripts, [who] * 20))[1] for who in (0, 1)]
            assert found in serial
        else:
            failed += 1
            assert any(done), "one of two always comes through"
            left = [steps if committed else none for steps, committed in zip(scripts, done, strict=True)]
            alone = (await interleaved(begin, left, [0] * 20))[1]
            assert found[1] == alone[1]
    assert both > 300 and failed > 100
