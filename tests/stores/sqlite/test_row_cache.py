"""What is kept of rows that were read is at each moment what the file has, whatever is committed meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from emerge_wasm.errors import Conflict
from emerge_wasm.store import Batch, JoinRange, Key, Lookup
from emerge_wasm.stores import open_store
from emerge_wasm.stores.sqlite.row_cache import EMPTY, FEW, LARGEST, ROW, RowCache
from emerge_wasm.stores.sqlite.store import SQLiteStore
from tests.scale import examples

KEYS: list[Key] = [(space, b"%d" % number) for space in ("entries", "versions") for number in range(4)]
LOG: list[Key] = [("log", number.to_bytes(8, "big")) for number in range(1, 40)]


class Writer:
    """Commits that give all keys one number, each a larger one; `made` of them were acknowledged."""

    def __init__(self, store: SQLiteStore, dice: Random) -> None:
        self._store, self._dice = store, dice
        self.begun = self.made = 0

    async def commit(self) -> None:
        self.begun += 1
        number, batch = self.begun, Batch()
        fails = self._dice.random() < 0.2
        if fails:
            batch.expect("meta", b"none", b"never")
        for space, key in KEYS:
            if number % 5 == 0 and not fails:
                batch.delete(space, key)
            else:
                batch.put(space, key, b"wrong" if fails else b"%d" % number + bytes(number % 3 * LARGEST // 2))
        if self._dice.random() < 0.2:
            for row in range(FEW):
                batch.put("blocks", b"%d" % row, b"")
        if not fails:
            batch.append("log", b"%d" % number)
        with suppress(Conflict):
            await self._store.commit(batch)
        self.made = max(self.made, 0 if fails else number)


def number_of(value: bytes | None) -> int | None:
    return None if value is None else int(value.rstrip(b"\0"))


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_what_is_read_is_as_of_one_moment_and_none_before_what_was_acknowledged(
    tmp_path: Path, seed: int
) -> None:
    dice = Random(seed)
    store = await open_store(f"sqlite:///{tmp_path}/store.db?durability=relaxed")
    assert isinstance(store, SQLiteStore)
    writer = Writer(store, dice)
    writing: set[asyncio.Task[None]] = set()
    newest = 0
    for _ in range(400):
        if len(writing) < 3 and dice.random() < 0.2:
            writing.add(asyncio.create_task(writer.commit()))
        made = writer.made
        sought = [*dice.sample(KEYS, dice.randrange(1, 5)), *dice.sample(LOG, dice.randrange(2))]
        values = await store.get(sought)
        logged = [key for key, _ in await store.scan("log")]
        numbers = {number_of(value) for (space, _), value in zip(sought, values, strict=True) if space != "log"}
        assert len(numbers) == 1, numbers
        (number,) = numbers
        if number is not None:  # else it was never there, or is removed
            assert max(newest, made if made % 5 else 0) <= number <= writer.begun
            newest = number
        elif made % 5:
            assert not made or writer.begun > made
        assert [value is None for (space, _), value in zip(sought, values, strict=True) if space == "log"] == [
            key not in logged for space, key in sought if space == "log"
        ]
        if dice.random() < 0.5:
            await asyncio.sleep(dice.choice([0, 0, 0.001]))
        writing = {task for task in writing if not task.done()}
    await asyncio.gather(*writing)
    assert set(await store.get(KEYS)) == {value for _, value in await store.scan("entries")} or {None}
    await store.close()


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_a_row_that_moves_is_in_one_range_at_each_moment(tmp_path: Path, seed: int) -> None:
    """Rows go from range to range, most of which are empty; ranges are read alone and several in one go."""
    dice = Random(seed)
    store = await open_store(f"sqlite:///{tmp_path}/store.db?durability=relaxed")
    assert isinstance(store, SQLiteStore)
    lookup = Lookup("entries", (("key", 1, None),))
    ranges = [JoinRange(bytes([low]), bytes([low + 1]), lookup) for low in (0, 1, 2, 5, 6, 9)]
    places: dict[bytes, bytes] = {b"one": b"", b"two": b"", b"three": b""}

    async def move(name: bytes) -> None:
        batch, new = Batch(), bytes([dice.choice(ranges).start[0]])
        if places[name] and dice.random() < 0.1:
            batch.expect("meta", b"none", b"never")
        elif places[name] != new:
            batch.deletes = [("indexes", places[name] + name)] if places[name] else []
            places[name] = new
        batch.put("indexes", new + name, b"")
        batch.put("entries", name, new)
        if dice.random() < 0.05:
            batch.puts += [("blocks", b"%d" % row, b"") for row in range(FEW)]
        with suppress(Conflict):
            await store.commit(batch)

    for name in places:
        await move(name)
    writing: set[asyncio.Task[None]] = set()
    kept = 0
    for _ in range(300):
        if not writing and dice.random() < 0.2:
            writing = {asyncio.create_task(move(name)) for name in dice.sample(sorted(places), dice.randrange(1, 3))}
        for _ in range(dice.randrange(4)):
            alone = dice.choice(ranges)
            await store.scan_joined("indexes", [alone], 10)
        rows = await store.scan_joined("indexes", ranges, 10)
        assert sorted(key[1:] for _, key, _, _ in rows) == sorted(places)
        assert all(led == key[:1] == ranges[place].start for place, key, _, led in rows)
        kept += len(store._cache.empty)  # private: that any are kept
        if dice.random() < 0.5:
            await asyncio.sleep(dice.choice([0, 0, 0.001]))
        writing = {task for task in writing if not task.done()}
    await asyncio.gather(*writing)
    assert kept
    await store.close()


async def test_what_is_kept_is_not_read_again(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/store.db")
    assert isinstance(store, SQLiteStore)
    batch = Batch()
    for space, key in KEYS[:-1]:  # one is not there, which is known then too
        batch.put(space, key, b"x")
    await store.commit(batch)
    first = await store.get(KEYS)
    statements: list[str] = []
    for connection in (store.file.reader, store.file.writer):
        connection.set_trace_callback(statements.append)
    assert await store.get(KEYS) == first
    assert not [each for each in statements if "SELECT" in each]
    ranges = [JoinRange(low, low + b"x", Lookup("versions", (("key", 0, None),))) for low in (b"0", b"4", b"5")]
    for _ in range(2):
        statements.clear()
        assert len(await store.scan_joined("entries", ranges, 10)) == 1
    assert len([each for each in statements if "SELECT" in each]) == 1, "where there was nothing is not looked again"
    await store.close()


def test_no_more_empty_ranges_are_kept_than_there_is_room_for() -> None:
    cache = RowCache(1)
    for number in range(3 * EMPTY):
        cache.keep_empty("entries", b"%d" % number, b"x")
        assert 0 < len(cache.empty) <= EMPTY


def test_no_more_is_kept_than_there_is_room_for() -> None:
    cache = RowCache(10 * (ROW + 100))
    for number in range(1000):
        cache.keep([("entries", b"%03d" % number)], [bytes(number % 200)])
        assert sum(ROW + len(key) + len(value or b"") for (_, key), value in cache.rows.items()) <= 10 * (ROW + 100)
    assert len(cache.rows) > 5 and ("entries", b"999") in cache.rows
    cache.keep([("entries", b"large")], [bytes(LARGEST + 1)])
    assert ("entries", b"large") not in cache.rows


def test_what_an_append_may_make_is_not_kept_as_absent() -> None:
    cache = RowCache(1 << 20)
    cache.keep(LOG[:2], [None, None])
    batch = Batch()
    batch.append("log", b"x")
    cache.begin([batch])
    assert not cache.rows
    cache.end()
    cache.keep(LOG[:2], [b"x", None])
    assert not cache.rows
