"""Leases: whatever contenders do and wherever they pause, the holder alone commits, and a silent one is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm.codec import encode
from emerge_wasm.errors import Conflict, Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.indexes.build import builder as building
from emerge_wasm.filesystem.indexes.definitions import read_catalogue
from emerge_wasm.filesystem.lease import PATIENCE, Lease, drop_lease, is_fence, read_leases
from emerge_wasm.store import Batch
from emerge_wasm.stores.memory import MemoryStore
from tests.scale import examples

from .indexes.indexed import Hands, check

STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["take", "take", "unknown", "renew", "release", "write", "write"])),
    max_size=60,
)


class Unsure(MemoryStore):
    """A store that can lose its answer to a commit."""

    lose = False

    async def commit(self, batch: Batch) -> list[int]:
        numbers = await super().commit(batch)
        if self.lose:
            self.lose = False
            raise Unavailable("the answer is lost", unknown=True)
        return numbers


@given(STEPS)
@settings(max_examples=examples(50))
def test_only_the_holder_commits(steps: list[tuple[int, str]]) -> None:
    """Steps of three contenders, each of which may think for any time that it still holds the lease."""

    async def run() -> None:
        store = Unsure()
        leases = [Lease(store, "work", f"holder{number}", period=0) for number in range(3)]
        written: list[tuple[int, str]] = []  # epoch in the store at the time, who wrote
        for number, step in steps:
            lease = leases[number]
            if step == "write":
                epoch = (await lease.read()).epoch
                try:
                    await store.commit(lease.fence(Batch(appends=[("log", b"")])))
                except Conflict as error:
                    assert is_fence(error)
                else:
                    written.append((epoch, lease.holder))
            elif step == "unknown":
                store.lose = True
                try:
                    await lease.take()
                except Unavailable:
                    assert not lease.held
                store.lose = False
            else:
                await getattr(lease, step)()
        now = await leases[0].read()
        assert sum(lease.held and lease.holder == now.holder for lease in leases) <= 1
        assert written == sorted(written, key=lambda row: row[0])
        assert len(set(written)) == len({epoch for epoch, _ in written}), "two holders wrote in one epoch"

    asyncio.run(run())


async def test_a_silent_holder_is_replaced_and_then_refused() -> None:
    store = MemoryStore()
    one, other = (Lease(store, "work", holder, holder.encode(), period=0) for holder in ("one", "other"))
    assert await one.take() and not await other.take()
    for _ in range(3 * PATIENCE):  # as long as it shows itself, it keeps the lease
        assert await one.renew() and not await other.take()
    looks = 0
    while not await other.take():
        looks += 1
    assert looks == PATIENCE - 1
    with pytest.raises(Conflict) as refused:
        await store.commit(one.fence(Batch(puts=[("meta", b"x", b"late")])))
    assert is_fence(refused.value)
    assert not await one.renew() and not one.held
    await one.release()  # of what it does not hold: nothing
    (held,) = await read_leases(store, "wo")
    assert (held.name, held.holder, held.epoch, held.data) == ("work", "other", 2, b"other")
    await other.release()
    assert await read_leases(store, "") == []
    assert await one.take() and (await one.read()).epoch == 3
    await drop_lease(store, held)  # as it was: no longer
    assert one.held and await one.renew()


async def until_taken(lease: Lease) -> None:
    looks = 0
    while not await lease.take():
        looks += 1
        assert looks < 5000
        await asyncio.sleep(0.001)


async def test_who_looks_often_does_not_take_it_sooner() -> None:
    store = MemoryStore()
    one, other = (Lease(store, "work", holder, period=0.05) for holder in ("one", "other"))
    assert await one.take()
    started = asyncio.get_running_loop().time()
    await until_taken(other)
    assert asyncio.get_running_loop().time() - started >= 0.05 * 0.9 * PATIENCE


async def test_it_is_kept_during_a_block() -> None:
    store = MemoryStore()
    one, other = (Lease(store, "work", holder, period=0.02) for holder in ("one", "other"))
    assert await one.take()
    async with one.kept():
        for _ in range(40):
            assert not await other.take()
            await asyncio.sleep(0.005)
    assert await other.take(), "released, it is free at once"


# --- the builder of indexes
class View:
    """One process's view of a store that several share; it can stand still."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.capabilities = replace(store.capabilities, many_writers=True)
        self.goes = asyncio.Event()
        self.goes.set()
        self.pages = 0  # commits of the build's progress

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, batch: Batch) -> list[int]:
        await self.goes.wait()
        numbers = await self._store.commit(batch)
        self.pages += any(key.startswith(b"indexes/") for space, key, _ in batch.puts if space == "meta")
        return numbers

    async def built(self, pages: int) -> None:
        turns = 0
        while self.pages < pages:
            turns += 1
            assert turns < 100_000
            await asyncio.sleep(0)

    async def close(self) -> None: ...


Pair = tuple[tuple[View, Filesystem], tuple[View, Filesystem]]


@pytest.fixture
async def pair(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setattr(building, "AT_ONCE", 8)  # patched: many pages of few objects
    monkeypatch.setattr(building, "RUN_PARTS", 2)  # patched: likewise
    monkeypatch.setattr("emerge_wasm.filesystem.indexes.build.walk.PAGE_ROWS", 16)  # patched: many pages of few objects
    monkeypatch.setattr(building, "LOOK_SECONDS", 0.005)  # patched: a test does not wait so long
    store = MemoryStore()
    async with AsyncExitStack() as stack:
        made = []
        for name in ("one", "other"):
            view = View(store)
            filesystem = await Filesystem.open(view, node=name)
            filesystem.builder.lease = Lease(view, building.LEASE, name, period=0.03)
            stack.push_async_callback(filesystem.close)
            made.append((view, filesystem))
        objects = {f"i{number}": {"price": number % 7} for number in range(200)}
        await Hands(made[0][1]).put_all("/inv", objects)
        yield made[0], made[1]
        for view, _ in made:
            view.goes.set()


async def test_one_builds_and_the_other_waits(pair: Pair) -> None:
    (view, one), (other_view, other) = pair
    await Hands(one)("index", "/inv", ["price"])
    await view.built(1)
    await read_catalogue(other.core)  # now it knows of the work
    await asyncio.gather(Hands(one).settle(), Hands(other).settle())
    assert view.pages > 10 and other_view.pages == 0
    assert [row["state"] for row in await Hands(other)("index", "/inv")] == ["ready"]
    await check(other)


@pytest.mark.parametrize("wakes", [True, False], ids=["paused", "killed"])
async def test_another_goes_on_when_the_builder_stands_still(pair: Pair, wakes: bool) -> None:
    (view, one), (other_view, other) = pair
    await Hands(one)("index", "/inv", ["price"])
    await view.built(5)
    view.goes.clear()
    done = view.pages
    started = asyncio.get_running_loop().time()
    await read_catalogue(other.core)
    await Hands(other).settle()
    assert asyncio.get_running_loop().time() - started < 1
    assert 5 < other_view.pages < 24, "it goes on from there"
    assert [row["state"] for row in await Hands(other)("index", "/inv")] == ["ready"]
    if wakes:
        await Hands(other)("index", "/inv", ["price"], False, False, True)  # so that a late page would be seen
        view.goes.set()
        await asyncio.gather(Hands(one).settle(), Hands(other).settle())
        assert view.pages == done, "what it committed after that was refused"
    else:
        view.goes.set()
    await check(other)
    assert (await audit(other.core.store)).faults == []


async def test_work_of_one_is_not_held_up_by_the_fence(pair: Pair) -> None:
    """What others store while it is built is in the index, whoever builds."""
    (_, one), (_, other) = pair
    await Hands(one)("index", "/inv", ["price"])
    for number in range(40):
        await Hands(other)("storeall", [[f"/inv/more{number}", encode({"price": number})]])
    await asyncio.gather(Hands(one).settle(), Hands(other).settle())
    await check(one)
