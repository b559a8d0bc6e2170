"""A copy of a subtree: whatever its leader does, and wherever the copy is stopped, it is what the leader was."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from contextlib import suppress

import pytest

from emerge_wasm.blocks.block import BLOCK_SIZE
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.errors import EmergeError, Invalid, NotFound, Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.blocks.collector import collect
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.layout.moment import utc_now
from emerge_wasm.replication.follower import Follower
from emerge_wasm.store import Batch, Capabilities, Key, Store
from emerge_wasm.stores import open_store
from tests.replication.model import OPERATOR, RandomWrites, call, hand_over, position, pull, rows, snapshot
from tests.scale import examples

CONTENTS = ("entries", "versions", "states", "links")


class Interrupted(Unavailable):
    """The process that copies was stopped."""


class FragileStore:
    """A store whose commits fail now and then: before they are made, or after."""

    def __init__(self, store: Store, dice: random.Random) -> None:
        self._store, self._dice = store, dice
        self.risk = 0.0

    @property
    def capabilities(self) -> Capabilities:
        return self._store.capabilities

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        return await self._store.get(keys)

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        return await self._store.scan(space, start, end, limit=limit, reverse=reverse)

    async def commit(self, batch: Batch) -> list[int]:
        if self._dice.random() < self.risk:
            raise Interrupted("stopped before a commit")
        numbers = await self._store.commit(batch)
        if self._dice.random() < self.risk:
            raise Interrupted("stopped after a commit")
        return numbers

    async def close(self) -> None:
        await self._store.close()


class Copying:
    """A follower that pulls some pages at a time, and is stopped and started again at random."""

    def __init__(self, seed: int, path: str) -> None:
        self.dice = random.Random(seed)
        self.path = path
        self.fs: Filesystem | None = None
        self.store: FragileStore | None = None
        self.follower: Follower | None = None

    async def open(self) -> Follower:
        if self.store is None:
            self.store = FragileStore(await open_store("memory:"), self.dice)
            self.fs = await Filesystem.open(self.store)
        if self.follower is None:
            assert self.fs is not None
            self.follower = await Follower.open(self.fs.core, self.path, self.dice.choice((1, 3, 500)))
        return self.follower

    async def pull(self, leader: Filesystem, steps: int) -> bool:
        """Tell whether all is copied; an interruption forgets whatever was not committed, and who copies goes on."""
        try:
            follower = await self.open()
            assert self.store is not None
            self.store.risk = 0.05
            return await pull(follower, leader, steps)
        except Interrupted:
            pass
        finally:
            if self.store is not None:
                self.store.risk = 0.0
        if self.follower is not None and self.dice.random() < 0.5:
            await self.follower.renew()
        else:
            self.follower = None
        return False

    async def finish(self, leader: Filesystem) -> Filesystem:
        await pull(await self.open(), leader)
        assert self.fs is not None
        return self.fs


@pytest.mark.parametrize("seed", range(examples(4)))
async def test_a_copy_of_everything_has_the_leaders_rows(seed: int) -> None:
    leader = await Filesystem.open(await open_store("memory:"))
    writes, copying = RandomWrites(leader, seed), Copying(seed, "/")
    for _ in range(60):
        await writes.step()
        if copying.dice.random() < 0.3:
            await copying.pull(leader, copying.dice.randrange(1, 8))
    copy = await copying.finish(leader)
    for space in CONTENTS:
        assert await rows(copy.core.store, space) == await rows(leader.core.store, space), space
    report = await audit(copy.core.store)
    assert report.faults == []
    await copy.close()
    await leader.close()


@pytest.mark.parametrize("seed", range(examples(4)))
async def test_at_every_position_a_copy_is_what_the_leader_was(seed: int) -> None:
    leader = await Filesystem.open(await open_store("memory:"))
    writes, copying = RandomWrites(leader, seed, moves_across=False, retains=False), Copying(seed, "/v")
    await call(leader, "mkdir", "/v")
    was = {await position(leader): await snapshot(leader, "/v")}
    compared = 0
    for _ in range(60):
        await writes.step()
        was[await position(leader)] = await snapshot(leader, "/v")
        if copying.dice.random() < 0.7:
            await copying.pull(leader, copying.dice.randrange(1, 4))
            follower = await copying.open()
            then = was.get(follower.progress.position)
            if follower.progress.position and then is not None and copying.fs is not None:
                assert await snapshot(copying.fs, "/v") == then
                compared += 1
    copy = await copying.finish(leader)
    assert await snapshot(copy, "/v") == await snapshot(leader, "/v")
    assert compared > 5
    await copy.close()
    await leader.close()


@pytest.mark.parametrize("seed", range(examples(4)))
async def test_what_moves_in_and_out_is_followed(seed: int) -> None:
    leader = await Filesystem.open(await open_store("memory:"))
    await call(leader, "mkdir", "/v")
    writes, copying = RandomWrites(leader, seed), Copying(seed, "/v")
    for _ in range(60):
        await writes.step()
        if copying.dice.random() < 0.5:
            await copying.pull(leader, copying.dice.randrange(1, 8))
    copy = await copying.finish(leader)
    assert await snapshot(copy, "/v") == await snapshot(leader, "/v")
    await copy.close()
    await leader.close()


@pytest.mark.parametrize("top", ("/", "/v"))
@pytest.mark.parametrize("seed", range(examples(2)))
async def test_what_goes_to_another_filesystem_and_comes_back_is_followed(seed: int, top: str) -> None:
    leader, other = [await Filesystem.open(await open_store("memory:")) for _ in range(2)]
    both = [RandomWrites(leader, seed), RandomWrites(other, -seed - 1)]
    await call(leader, "mkdir", "/v")
    copying = Copying(seed, top)
    for _ in range(80):
        writes = copying.dice.choice((*both, both[0]))
        if copying.dice.random() < 0.25:
            there, path = other if writes.fs is leader else leader, writes.path()
            with suppress(EmergeError):
                await hand_over(writes.fs, path, there, writes.path())
        else:
            await writes.step()
        if copying.dice.random() < 0.4:
            await copying.pull(leader, copying.dice.randrange(1, 8))
    copy = await copying.finish(leader)
    assert await snapshot(copy, top) == await snapshot(leader, top)
    assert await wrong_in_log(copy) == []
    if top == "/":
        assert await rows(copy.core.store, "entries") == await rows(leader.core.store, "entries")
    for each in (copy, leader, other):
        await each.close()


async def wrong_in_log(fs: Filesystem) -> list[str]:
    """What is wrong with a log. Of what is outside of the path of a copy, that has not all."""
    return [fault for fault in (await audit(fs.core.store)).faults if " log" in fault]


async def upload(fs: Filesystem, path: str, dice: random.Random) -> None:
    """Put a file, of which others have the same blocks."""
    data = b"".join(bytes([dice.randrange(4)]) * BLOCK_SIZE for _ in range(dice.randrange(4))) + b"end"
    with suppress(EmergeError):
        await Client(LocalTransport(fs, OPERATOR)).put(io.BytesIO(data), path, raid=dice.choice((0, 0, 5)))


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_files_come_with_all_their_blocks(seed: int) -> None:
    leader = await Filesystem.open(await open_store("memory:"))
    writes, copying = RandomWrites(leader, seed), Copying(seed, "/")
    for _ in range(40):
        await writes.step()
        if copying.dice.random() < 0.4:
            await upload(leader, writes.path(), writes.dice)
        if copying.dice.random() < 0.2:
            await collect(leader.core.blocks)
        if copying.dice.random() < 0.4:
            await copying.pull(leader, copying.dice.randrange(1, 12))
    await copying.finish(leader)  # perhaps only of the page that was under way, when the leader had less
    copy = await copying.finish(leader)
    for space in CONTENTS:
        assert await rows(copy.core.store, space) == await rows(leader.core.store, space), space
    for each in (copy, leader):
        await collect(each.core.blocks, 1 << 62)
        assert (await audit(each.core.store)).faults == []
    assert await copy.core.blocks.page(limit=1000) == await leader.core.blocks.page(limit=1000) != []
    await copy.close()
    await leader.close()


@pytest.mark.parametrize("seed", range(examples(3)))
async def test_a_copy_leads_as_its_leader_did(seed: int) -> None:
    """A copy is promoted, and goes on; one that was made of it is what it is, whatever was moved to and fro."""
    leader, other = [await Filesystem.open(await open_store("memory:")) for _ in range(2)]
    dice = random.Random(seed)
    await call(leader, "mkdir", "/v")
    copying = Copying(seed, "/v")
    copy = leader
    writes = [RandomWrites(leader, seed), RandomWrites(other, -seed - 1)]
    for turn in range(120):
        if turn == 80:  # from here on the copy is the leader
            copy = await copying.finish(leader)
            writes[0] = RandomWrites(copy, seed + 1)
        mine = dice.choice((*writes, writes[0]))
        if dice.random() < 0.25:
            there = other if mine.fs is not other else copy
            with suppress(EmergeError):
                await hand_over(mine.fs, mine.path(), there, mine.path())
        else:
            await mine.step()
        if turn < 80 and dice.random() < 0.4:
            await copying.pull(leader, dice.randrange(1, 8))
    last = Copying(seed, "/v")
    found = await last.finish(copy)
    assert await snapshot(found, "/v") == await snapshot(copy, "/v")
    for each in (found, copy, leader, other):
        assert await wrong_in_log(each) == []
    for each in (found, copy, leader, other):
        await each.close()


async def looked_back(fs: Filesystem, moments: Sequence[str]) -> dict[str, object]:
    """What was at and below /v at some moments, with states."""
    found: dict[str, object] = {}
    for moment in moments:
        try:
            seen = [row async for row in fs.dispatch("tree", ["/v", moment], OPERATOR)]  # type: ignore[union-attr]
        except (NotFound, Invalid):  # it was no directory then
            continue
        for row in seen:
            path = f"{row['path']}/{row['name']}"
            there = await call(fs, "getobject", path, 0, moment)
            assert isinstance(there, dict)
            found[f"{moment} {path}"] = (row["uuid"], row["revision"], row["perms"], there["state"])
    return found


@pytest.mark.parametrize("seed", range(examples(3)))
async def test_whoever_looks_back_in_a_copy_sees_what_was_there_when_it_was_not(seed: int) -> None:
    """Also what had left from there before the copy was begun, or while it was made."""
    leader, other = [await Filesystem.open(await open_store("memory:")) for _ in range(2)]
    await call(leader, "mkdir", "/v")
    writes, early, late = RandomWrites(leader, seed, retains=False), Copying(seed, "/v"), Copying(seed + 1, "/v")
    moments: list[str] = []
    for number in range(90):
        await writes.step()
        if early.dice.random() < 0.1:
            with suppress(EmergeError):
                await hand_over(leader, writes.path(), other, writes.path())
        if number % 9 == 0:
            moments.append(utc_now())
        for copying in (early, late) if number > 60 else (early,):
            if copying.dice.random() < 0.4:
                await copying.pull(leader, copying.dice.randrange(1, 4))
    wanted = await looked_back(leader, moments)
    for copying in (early, late):
        copy = await copying.finish(leader)
        assert await looked_back(copy, moments) == wanted
        await copy.close()
    await leader.close()
    await other.close()
