"""What arrives of a handover that is given up is taken away once, whoever else is about to do it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import count
from random import Random

import pytest

from emerge_wasm.codec import encode
from emerge_wasm.context import Context
from emerge_wasm.errors import EmergeError, Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.handover import arrival, departure, stage
from emerge_wasm.filesystem.handover.row import rows_of
from emerge_wasm.store import SPACES, Batch
from emerge_wasm.stores.memory import MemoryStore
from tests.scale import TURN, examples

ALL = Context(superuser=True)
OBJECTS = [f"/d/x{number}" for number in range(3)] + ["/d/e/y"]


class PausingStore(MemoryStore):
    """One that makes its commit of a number only when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.pause_at = 0
        self.paused = asyncio.Event()
        self.may = asyncio.Event()

    async def commit(self, batch: Batch) -> list[int]:
        self.pause_at -= 1
        if self.pause_at == 0:
            self.paused.set()
            await self.may.wait()
        return await super().commit(batch)


async def arrive(
    source: Filesystem, target: Filesystem, path: str = "/d", to: str = "/d", *, sends: bool = True
) -> tuple[departure.Intent, bytes]:
    """Begin to move what is at a path, and send all of it; the intent, and the id of the arrival."""
    intent, top = await departure.begin(source.core, ALL, path, target.uuid, to)
    asked = (intent.id, source.uuid, intent.uuid, path, to)
    await arrival.open_arrival(target.core, ALL, *asked, stays=False)
    async for rows in rows_of(source.core, top, b""):
        if not sends:
            break
        await stage.take(target.core, intent.id, rows)
    return intent, intent.id


async def test_a_late_giving_up_takes_nothing_of_the_next_attempt() -> None:
    """One of two who give the first attempt up stops at each of its commits in turn, until the second has succeeded."""
    for pause_at in count(1):
        source, store = await Filesystem.open(MemoryStore()), PausingStore()
        target = await Filesystem.open(store)
        for path in OBJECTS:
            await source.dispatch("store", [path, encode({"path": path})], ALL)  # type: ignore[misc]  # no stream
        intent, id = await arrive(source, target)
        store.pause_at = pause_at
        late = asyncio.create_task(stage.give_up(target.core, id))
        await asyncio.wait([late, paused := asyncio.create_task(store.paused.wait())], return_when="FIRST_COMPLETED")
        done, store.pause_at = late.done(), 0
        assert await stage.give_up(target.core, id) is None
        await departure.thaw(source.core, intent)
        await departure.forget(source.core, intent)
        _, id = await arrive(source, target)
        await arrival.attach(target.core, ALL, id)
        store.may.set()
        assert await late is None
        paused.cancel()
        assert (await audit(store)).faults == [], pause_at
        found = [row async for row in target.dispatch("tree", ["/"], ALL) if row["type"] != "directory"]  # type: ignore[union-attr]
        assert sorted(f"{row['path']}/{row['name']}" for row in found) == sorted(OBJECTS), pause_at
        if done:
            assert pause_at > len(OBJECTS)
            return


async def test_what_is_arriving_is_no_fault() -> None:
    """A store that is checked before a handover is decided holds what no path leads to yet, and is sound."""
    for top, objects in (("/d", OBJECTS), ("/d/x0", OBJECTS[:1])):
        source, store = await Filesystem.open(MemoryStore()), MemoryStore()
        target = await Filesystem.open(store)
        for path in OBJECTS:
            await source.dispatch("store", [path, encode({"path": path})], ALL)  # type: ignore[misc]  # no stream
        await arrive(source, target, top)
        report = await audit(store)
        assert report.faults == []
        assert (report.counts["arriving"], report.counts["objects"]) == (1, 0 if top == "/d/x0" else len(objects))


async def hand_over(source: Filesystem, target: Filesystem, path: str, to: str) -> None:
    intent, id = await arrive(source, target, path, to)
    pointer = await arrival.attach(target.core, ALL, id)
    intent = await departure.give(source.core, intent, to, pointer["date"])
    await departure.clear(source.core, intent)
    await departure.thaw(source.core, intent)
    await departure.forget(source.core, intent)
    await stage.end(target.core, await arrival.find_arrival(target.core, id))


async def rows(store: MemoryStore) -> dict[str, list[tuple[bytes, bytes]]]:
    """What a store holds but for its log, which only grows, and the list of its indexes, of which there are none."""
    found = {space: await store.scan(space, b"") for space in SPACES if space != "log"}
    return {**found, "meta": [row for row in found["meta"] if row[0] != b"indexes"]}


async def test_what_is_given_up_leaves_the_rows_as_they_were() -> None:
    """An object or a directory, at any depth, that is new here or was here before: as often as it is tried."""
    for top in ("/d", "/d/x0", "/d/e", "/d/e/y", "/z"):
        source, store = await Filesystem.open(MemoryStore()), MemoryStore()
        target = await Filesystem.open(store)
        for path in [*OBJECTS, "/z"]:
            await source.dispatch("store", [path, encode({"path": path})], ALL)  # type: ignore[misc]  # no stream
        for _ in range(3):
            for sends in (True, False, True):
                before = await rows(store)
                intent, id = await arrive(source, target, top, "/v" + top, sends=sends)
                assert await stage.give_up(target.core, id) is None
                await departure.thaw(source.core, intent)
                await departure.forget(source.core, intent)
                assert await rows(store) == before, top
                assert (await audit(store)).faults == [], top
            await hand_over(source, target, top, "/v" + top)
            await hand_over(target, source, "/v" + top, top)


@pytest.mark.parametrize("seed", [int(TURN) + number for number in range(examples(5))])
async def test_whatever_was_done_before_what_is_given_up_leaves_the_rows(seed: int) -> None:
    """Two filesystems have a directory in turn; things are changed in it, removed, and moved within and out of it."""
    dice, stores = Random(seed), (MemoryStore(), MemoryStore())
    has, other = await Filesystem.open(stores[0]), await Filesystem.open(stores[1])
    await has.dispatch("store", ["/d/x0", encode({"n": 0})], ALL)  # type: ignore[misc]  # no stream
    tops = "/d", "/v/d"
    for _ in range(4):
        top, to = tops
        for _ in range(dice.randrange(5)):
            await change(has, top, dice)
        before = [await rows(store) for store in stores]
        intent, id = await arrive(has, other, top, to, sends=dice.random() < 0.8)
        assert await stage.give_up(other.core, id) is None
        await departure.thaw(has.core, intent)
        await departure.forget(has.core, intent)
        for store, was in zip(stores, before, strict=True):
            assert not (lost := missing(was, await rows(store))), (seed, lost)
            assert (await audit(store)).faults == [], seed
        await hand_over(has, other, top, to)
        for store in stores:
            assert (await audit(store)).faults == [], seed
        has, other, tops = other, has, (to, top)


def missing(before: dict[str, list[tuple[bytes, bytes]]], after: dict[str, list[tuple[bytes, bytes]]]) -> list[object]:
    """Rows that are no more what they were, or are gone. There may be more: what a name once led to is a fact."""
    return [(space, row) for space, rows in before.items() for row in rows if row not in after[space]]


async def change(filesystem: Filesystem, top: str, dice: Random) -> None:
    """Make a change in a directory, or try to."""
    path, to = (top + dice.choice(["/x0", "/x1", "/e/x2", "/e", "/e/f/x3"]) for _ in range(2))
    calls = {
        "store": [path, encode({"n": dice.random()})],
        "rm": [path, True],
        "mv": [path, dice.choice([to, "/out"])],
        "mkdir": [path],
    }
    name = dice.choice(list(calls))
    with suppress(EmergeError):
        await filesystem.dispatch(name, calls[name], ALL)  # type: ignore[misc]  # no stream


async def mount(source: Filesystem, target: Filesystem, version: int) -> tuple[departure.Intent, bytes]:
    """Begin to give `/m` to another filesystem, where it has the same path, and send all of it."""
    intent, top = await departure.begin(source.core, ALL, "/m", target.uuid, "/m", version)
    asked = (intent.id, source.uuid, intent.uuid, "/m", "/m")
    since = await departure.since(source.core, intent)
    await arrival.open_arrival(target.core, ALL, *asked, stays=True, since=since)
    async for some in rows_of(source.core, top, await departure.directory_of(source.core, intent)):
        await stage.take(target.core, intent.id, some)
    return intent, intent.id


async def test_a_volume_that_does_not_come_back_leaves_what_had_been_here() -> None:
    stores = MemoryStore(), MemoryStore()
    has, other = await Filesystem.open(stores[0]), await Filesystem.open(stores[1])
    await has.dispatch("store", ["/m/d/x", encode({"n": 0})], ALL)  # type: ignore[misc]  # no stream
    for version in range(1, 8, 2):
        before = [await rows(store) for store in stores]
        intent, id = await mount(has, other, version)
        assert await stage.give_up(other.core, id) is None
        await departure.thaw(has.core, intent)
        await departure.forget(has.core, intent)
        for store, was in zip(stores, before, strict=True):
            assert not (lost := missing(was, await rows(store))), (version, lost)
            assert (await audit(store)).faults == [], version
        intent, id = await mount(has, other, version + 1)
        pointer = await arrival.attach(other.core, ALL, id)
        intent = await departure.give(has.core, intent, "/m", pointer["date"])
        await departure.clear(has.core, intent)
        await departure.thaw(has.core, intent)
        await departure.forget(has.core, intent)
        await stage.end(other.core, await arrival.find_arrival(other.core, id))
        assert [(await audit(store)).faults for store in stores] == [[], []]
        has, other = other, has


async def test_who_comes_late_ends_no_other_attempt() -> None:
    """Whoever undoes a handover from what it knew of it leaves alone what has gone on, or is tried anew, since."""
    source, target = await Filesystem.open(MemoryStore()), await Filesystem.open(MemoryStore())
    for path in OBJECTS:
        await source.dispatch("store", [path, encode({"path": path})], ALL)  # type: ignore[misc]  # no stream
    first, _ = await departure.begin(source.core, ALL, "/d/x0", target.uuid, "/v/x0")
    asked = await departure.ask(source.core, first)
    assert not await departure.thaw(source.core, first)  # it knows of copying only: the other side may have decided
    assert await departure.current(source.core, first) == asked
    assert await departure.thaw(source.core, asked)
    await departure.forget(source.core, asked)
    second, _ = await departure.begin(source.core, ALL, "/d/x0", target.uuid, "/v/x0")
    for late in (first, asked):
        assert not await departure.thaw(source.core, late)
        with pytest.raises(Unavailable, match="is being moved"):
            await departure.begin(source.core, ALL, "/d/x0", target.uuid, "/v/x0")
    assert await departure.thaw(source.core, second)
    assert await departure.thaw(source.core, second)  # again: nothing else happened


async def test_what_is_made_above_a_volume_is_as_old_as_its_path() -> None:
    """Not as old as what is handed over, which may have been elsewhere before."""
    source, target = await Filesystem.open(MemoryStore()), await Filesystem.open(MemoryStore())
    await source.dispatch("mkdir", ["/x"], ALL)  # type: ignore[misc]  # no stream
    await source.dispatch("mkdir", ["/p/q"], ALL)  # type: ignore[misc]  # no stream
    await source.dispatch("mv", ["/x", "/p/q/d"], ALL)  # type: ignore[misc]  # no stream
    intent, top = await departure.begin(source.core, ALL, "/p/q/d", target.uuid, "/p/q/d", 1)
    since, above = await departure.since(source.core, intent), await departure.directory_of(source.core, intent)
    asked = (intent.id, source.uuid, intent.uuid, "/p/q/d", "/p/q/d")
    await arrival.open_arrival(target.core, ALL, *asked, stays=True, since=since)
    async for some in rows_of(source.core, top, above):
        await stage.take(target.core, intent.id, some)
    await arrival.attach(target.core, ALL, intent.id)
    for path in ("/p", "/p/q"):
        (version,) = await target.dispatch("versions", [path], ALL)  # type: ignore[misc]  # no stream
        assert version["date"] == since, path
