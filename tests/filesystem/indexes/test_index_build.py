"""Indexes built in the background: while writers work, over restarts, by several processes at once, and given up."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from emerge_wasm import Conflict, EmergeError, LimitExceeded, Unavailable
from emerge_wasm.codec import encode
from emerge_wasm.context import Context
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.indexes.build import builder as building
from emerge_wasm.filesystem.indexes.build.builder import Builder
from emerge_wasm.filesystem.indexes.definitions import read_catalogue
from emerge_wasm.filesystem.layout.catalogue import CATALOGUE, DROPPED
from emerge_wasm.store import Batch, prefix_end
from emerge_wasm.stores import open_store
from emerge_wasm.stores.memory import MemoryStore
from tests.backends import Started

from .indexed import Hands, check, definitions, opened, rows_there


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that writers come between."""
    monkeypatch.setattr(building, "AT_ONCE", 8)  # patched: many pages of few objects
    monkeypatch.setattr(building, "RUN_PARTS", 3)  # patched: likewise
    monkeypatch.setattr("emerge_wasm.filesystem.indexes.build.sorted_run.PART", 3)  # patched: likewise
    monkeypatch.setattr("emerge_wasm.filesystem.indexes.build.walk.PAGE_ROWS", 16)  # patched: many pages of few objects


@pytest.fixture(params=["memory", "sqlite"])
async def filesystem(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Filesystem]:
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/store.db"
    async with opened(url) as filesystem:
        yield filesystem
        await settled(filesystem)


async def settled(filesystem: Filesystem) -> None:
    """All is built, nothing is left half done, and every row is what it must be."""
    await Hands(filesystem).settle()
    store = filesystem.core.store
    assert await store.scan("meta", DROPPED, prefix_end(DROPPED)) == []
    assert await store.scan("meta", b"indexes/", b"indexes0") == []
    await check(filesystem)
    assert (await audit(store)).faults == []


def stock(count: int) -> dict[str, dict[str, Any]]:
    return {f"i{n:04}": {"price": n % 13, "sku": n, "text": f"word{n % 5} and word{n % 7}"} for n in range(count)}


async def work(filesystem: Filesystem, seed: int, until: Callable[[], bool]) -> int:
    """Change things at random, as long as it takes; how many changes."""
    hands, source = Hands(filesystem), random.Random(seed)
    done = 0

    def path() -> str:
        return f"/inv/{source.choice(['', 'd1/', 'd2/', 'd1/d3/'])}i{source.randrange(120):04}"

    while not until():
        steps: list[tuple[Any, ...]] = [
            ("update", path(), encode({"price": source.randrange(9), "text": source.choice(["red", "word1", ""])})),
            ("store", path(), encode({"price": source.random(), "sku": source.randrange(400)})),
            ("mv", path(), path()),
            ("cp", path(), path()),
            ("rm", path()),
            ("restore", path()),
        ]
        with suppress(EmergeError):
            await hands(*source.choice(steps))
        done += 1
        await asyncio.sleep(0)
    return done


async def test_writers_work_while_it_is_built(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    for directory in ("/inv", "/inv/d1", "/inv/d1/d3"):
        await hands.put_all(directory, stock(100))
    finished = False
    workers = [asyncio.create_task(work(filesystem, seed, lambda: finished)) for seed in range(4)]
    await asyncio.sleep(0.01)
    await hands("index", "/inv", ["price"])
    await hands("index", "/inv/d1", ["text"], False, True)
    await hands("index", "/", ["price", "size"])
    rows = await hands("index", "/inv")
    assert any(row["state"] == "building" for row in rows)
    await hands.settle()
    assert all(row["state"] == "ready" for row in await hands("index", "/inv"))
    finished = True
    assert sum(await asyncio.gather(*workers)) > 100


async def test_directories_move_while_it_is_built(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    for directory in ("/inv/a", "/inv/b", "/out/c"):
        await hands.put_all(directory, stock(60))
    await hands("index", "/inv", ["price"])
    for source, target in [("/inv/b", "/inv/a/b"), ("/out/c", "/inv/c"), ("/inv/a", "/out/a"), ("/out/a", "/inv/a2")]:
        await asyncio.sleep(0)
        await hands("mv", source, target)
    await hands("rm", "/inv/c", True)
    await hands.settle()
    (row,) = await hands("index", "/inv")
    assert row["state"] == "ready"


async def test_it_is_built_again_when_a_directory_moves_in_or_out(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    await hands.put_all("/inv", stock(10))
    await hands.put_all("/out/d", stock(40))
    await hands("index", "/inv", ["price"])
    await hands.settle()
    for source, target, states in [
        ("/out/d", "/inv/d", ["building"]),
        ("/inv/d", "/inv/e", ["ready"]),
        ("/inv/e", "/out/e", ["building"]),
        ("/inv", "/out/inv", ["ready"]),
    ]:
        await hands("mv", source, target)
        assert [row["state"] for row in await hands("index", "/")] == states
        await settled(filesystem)
    await hands("rm", "/out/inv", True)
    assert await hands("index", "/") == []


async def test_a_transaction_moves_a_directory(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    await hands.put_all("/inv", stock(10))
    await hands.put_all("/out/d", stock(40))
    await hands("index", "/inv", ["price"])
    await hands.settle()
    begun = await hands("begin", "", 60)
    inside = Hands(filesystem, Context("tester", superuser=True, transaction=begun["transaction"]))
    await inside("mv", "/out/d", "/inv/d")
    assert [row["state"] for row in await inside("index", "/")] == ["building"]
    assert [row["state"] for row in await hands("index", "/")] == ["ready"]
    await hands("commit", begun["transaction"])
    await hands.settle()
    assert [row["state"] for row in await hands("index", "/")] == ["ready"]
    await check(filesystem)


async def test_a_unique_one_over_objects_that_agree_is_given_up(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    await hands.put_all("/inv", stock(50))
    await hands.put("/inv/sub/twin", sku=7, price=1)
    await hands("index", "/inv", ["sku"], True)
    await hands.settle()
    (row,) = await hands("index", "/inv")
    assert row["state"] == "failed"
    assert row["error"] == "/inv/i0007 and /inv/sub/twin have the same sku"
    assert await rows_there(filesystem) == {}
    await hands("chmod", "/inv", "rwxr-xr-x")
    (row,) = await Hands(filesystem, Context("guest"))("index", "/inv")
    assert row["error"] == "two objects have the same sku"
    await hands.put("/inv/third", sku=7)
    for path in ("/inv/third", "/inv/sub/twin"):
        await hands("rm", path)
    await hands("index", "/inv", ["sku"], True)
    await hands.settle()
    (row,) = await hands("index", "/inv")
    assert (row["state"], row["error"]) == ("ready", "")
    with pytest.raises(Conflict, match="/inv/i0007"):
        await hands.put("/inv/third", sku=7)


async def test_twins_in_one_page(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    await hands.put_all("/inv", {"a": {"sku": 1}, "b": {"sku": True}})
    await hands("index", "/inv", ["sku"], True)
    await hands.settle()
    (row,) = await hands("index", "/inv")
    assert row["error"] == "/inv/a and /inv/b have the same sku"


async def test_a_unique_one_while_writers_work(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    await hands.put_all("/inv", stock(100))
    finished = False
    await hands("index", "/inv", ["sku"], True)
    workers = [asyncio.create_task(work(filesystem, seed, lambda: finished)) for seed in range(3)]
    await hands.settle()
    finished = True
    await asyncio.gather(*workers)
    await check(filesystem)


async def test_goes_on_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    async with opened(url) as filesystem:
        hands = Hands(filesystem)
        await hands.put_all("/inv", stock(60))
        await hands.put_all("/inv/d1/d2", stock(60))
        await hands("index", "/inv", ["price"])
        done = 0
        while done < 40:
            await asyncio.sleep(0)
            (row,) = await hands("index", "/inv")
            done = row["done"]
        assert row["total"] == 120
    counted: list[Any] = []
    # patched: whether it counts is what is tested
    monkeypatch.setattr(building, "count_objects", lambda *args: counted.append(args))
    async with opened(url) as filesystem:
        (row,) = await Hands(filesystem)("index", "/inv")
        assert row["state"] == "building" and row["done"] >= done
        await settled(filesystem)
        assert counted == [], "it began anew"
    async with opened(url) as filesystem:
        builder = filesystem.builder
        # private: nothing runs, which is seen nowhere else
        assert builder is not None and builder._task is None, "there is nothing to do"
        await Hands(filesystem)("index", "/inv", ["price"], False, False, True)
    async with opened(url) as filesystem:
        await settled(filesystem)
        assert await rows_there(filesystem) == {}


async def test_dropped_while_it_is_built(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    await hands.put_all("/inv", stock(100))
    for _ in range(3):
        await hands("index", "/inv", ["price"])
        await hands("index", "/inv", ["text"], False, True)
        await asyncio.sleep(0)
        await hands("index", "/inv", ["price"], False, False, True)
        await hands("index", "/inv", ["text"], False, True, True)
    await hands.settle()
    assert await rows_there(filesystem) == {}


class Failing(MemoryStore):
    """A store whose scans of a space end with these errors, one each."""

    def __init__(self) -> None:
        super().__init__()
        self.space = "entries"
        self.errors: list[Exception] = []

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        if space == self.space and self.errors:
            raise self.errors.pop(0)
        return await super().scan(space, start, end, limit=limit, reverse=reverse)


@pytest.fixture
async def failing() -> AsyncIterator[tuple[Filesystem, Failing, Hands]]:
    """A filesystem with thirty objects, whose store is to fail; its builder asks again soon."""
    store = Failing()
    filesystem = await Filesystem.open(store)
    filesystem.builder.pause, filesystem.builder.longest = 0.005, 0.01
    hands = Hands(filesystem)
    await hands.put_all("/inv", stock(30))
    yield filesystem, store, hands
    assert store.errors == []
    await settled(filesystem)
    await filesystem.close()


async def test_a_store_that_fails_is_asked_again(
    failing: tuple[Filesystem, Failing, Hands], caplog: pytest.LogCaptureFixture
) -> None:
    _, store, hands = failing
    await hands("index", "/inv", ["price"])
    store.errors = [Unavailable("the store is away"), Conflict("somebody was first"), Unavailable("the store is away")]
    with caplog.at_level(logging.WARNING, "emerge.filesystem"):
        await hands.settle()
    (row,) = await hands("index", "/inv")
    assert (row["state"], row["error"]) == ("ready", "")
    waits = [record.getMessage() for record in caplog.records]
    assert len(waits) == 3 and "the store is away" in waits[0] and "somebody was first" in waits[1]


@pytest.mark.parametrize("error", [RuntimeError("a fault"), LimitExceeded("the disk is full", limit="disk")])
async def test_an_index_that_cannot_be_built_fails_and_the_others_go_on(
    failing: tuple[Filesystem, Failing, Hands], caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    filesystem, store, hands = failing
    await hands("chmod", "/inv", "rwxr-xr-x")
    await hands("index", "/inv", ["price"])
    await hands("index", "/inv", ["text"], False, True)
    store.errors = [error]
    with caplog.at_level(logging.WARNING, "emerge.filesystem"):
        await hands.settle()
    price, text = await hands("index", "/inv")
    assert (price["state"], price["error"]) == ("failed", f"{type(error).__name__}: {error}")
    assert text["state"] == "ready"
    assert "the index 1 over price of local failed" in caplog.text and str(error) in caplog.text
    theirs = await Hands(filesystem, Context("bob"))("index", "/inv")
    assert [row["error"] for row in theirs] == ["it could not be built", ""], "what it says is its owner's"
    await hands("index", "/inv", ["price"])
    await hands.settle()
    assert [row["state"] for row in await hands("index", "/inv")] == ["ready", "ready"], "defined anew, it is built"


async def test_a_failure_that_cannot_be_noted_does_not_end_the_builder(
    failing: tuple[Filesystem, Failing, Hands], caplog: pytest.LogCaptureFixture
) -> None:
    _, store, hands = failing
    await hands("index", "/inv", ["price"])
    await hands("index", "/inv", ["sku"])
    commit = store.commit

    async def refuse(batch: Batch) -> list[int]:
        if any(key == CATALOGUE[1] for _, key, _ in batch.puts):
            raise LimitExceeded("the disk is full", limit="disk")
        return await commit(batch)

    store.errors = [RuntimeError("a fault")]
    store.commit = refuse  # type: ignore[method-assign]
    await hands.settle()
    assert {row["fields"][0]: row["state"] for row in await hands("index", "/inv")} == {
        "price": "building",
        "sku": "ready",
    }
    assert "cannot be noted" in caplog.text
    store.commit = commit  # type: ignore[method-assign]
    await hands("index", "/inv", ["price"], False, False, True)


async def test_a_directory_far_above_moves_into_a_new_index_just_before_a_commit(
    filesystem: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that the commit relies on changes but the definitions; the objects are in the indexes all the same."""
    hands = Hands(filesystem)
    await hands.put("/a/b/d/old", price=1)
    await hands("mkdir", "/c")
    store = filesystem.core.store
    commit, moved = store.commit, False

    async def move_before(batch: Batch) -> list[int]:
        nonlocal moved
        if not moved:
            moved = True
            await hands("mv", "/a/b", "/c/b")
            await hands("index", "/c", ["price"])
            await hands("index", "/c/b/d", ["price"], True)
            await hands.settle()
        return await commit(batch)

    monkeypatch.setattr(store, "commit", move_before)  # patched: somebody moves while it is built
    await hands("storeall", [["/a/b/d/new", encode({"price": 2})], ["/a/b/d/e/new", encode({"price": 3})]])
    assert (await hands("get", "/c/b/d/e/new"))["version"] == 1
    with pytest.raises(Conflict, match="/c/b/d/new"):
        await hands.put("/c/b/d/third", price=2)


# --- several processes over one store
@pytest.mark.parametrize("backend", ["memory", "postgresql"])
async def test_two_filesystems_over_one_store(backend: str, backends: Started) -> None:
    url = backends.url(backend)
    async with AsyncExitStack() as stack:
        stores = [await open_store(url)]
        stores.append(stores[0] if backend == "memory" else await open_store(url))
        for store in stores:
            stack.push_async_callback(store.close)
        both = [await Filesystem.open(store) for store in stores]
        for each in both:
            assert isinstance(each.builder, Builder)
            stack.push_async_callback(each.builder.close)
        one, other = (Hands(each) for each in both)
        await one.put_all("/inv", stock(40))
        await one.put_all("/inv/d1", stock(40))
        finished = False
        workers = [asyncio.create_task(work(each, seed, lambda: finished)) for seed, each in enumerate(both)]
        await one("index", "/inv", ["price"])
        await other("index", "/", ["text"], False, True)
        await one.settle()
        await other("mv", "/inv/d1", "/out")
        await one("mv", "/out", "/inv/d1")
        await other("index", "/inv/d1", ["sku"], True)
        await asyncio.sleep(0.05)
        await one.settle()
        await other.settle()
        finished = True
        await asyncio.gather(*workers)
        await one("index", "/inv", ["price"], False, False, True)
        await other.put("/inv/last", price=1)
        for _ in range(3):
            for hands in (one, other):
                await read_catalogue(hands.filesystem.core)
                await hands.settle()
        assert len(await definitions(both[0])) == 2
        for each in both:
            await check(each)
        assert (await audit(stores[0])).faults == []
