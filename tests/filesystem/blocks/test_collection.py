"""No block that something keeps is ever missing, and none that nothing keeps stays, whatever happens at once.

Updates, uploads, removals, retention, ended claims, crashes and collections run together over one store that lets the
others go on before and after each of its calls.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import Conflict, EmergeError, Invalid
from emerge_wasm.blocks.block import block_name
from emerge_wasm.blocks.recipe import LARGE
from emerge_wasm.codec import BlockTree, decode, encode, trees_in
from emerge_wasm.context import Context
from emerge_wasm.errors import Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.blocks.blocks import Blocks, now_micros
from emerge_wasm.filesystem.blocks.collection import Collection
from emerge_wasm.filesystem.blocks.collector import collect
from emerge_wasm.filesystem.blocks.large_state import recipe_of
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.store import Batch, Key
from emerge_wasm.stores import open_store
from emerge_wasm.stores.memory import MemoryStore
from tests.scale import SCALE, examples

LATER = 1 << 62
"""A moment when every claim has ended."""

STRIDE = 8 if SCALE == 1 else 1
"""Of so many steps one is tried."""

CONTEXT = Context("ann", superuser=True)


class Interleaved(MemoryStore):
    """A store at each of whose calls others have their turns."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)

    async def _pause(self) -> None:
        for _ in range(self._random.randrange(3)):
            await asyncio.sleep(0)

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        await self._pause()
        found = await super().get(keys)
        await self._pause()
        return found

    async def scan(self, *args: Any, **options: Any) -> list[tuple[bytes, bytes]]:
        await self._pause()
        found = await super().scan(*args, **options)
        await self._pause()
        return found

    async def commit(self, batch: Batch) -> list[int]:
        await self._pause()
        positions = await super().commit(batch)
        await self._pause()
        return positions


class World:
    """A filesystem, and what is done to it."""

    def __init__(self, filesystem: Filesystem) -> None:
        self.filesystem = filesystem
        self.blocks = filesystem.core.blocks

    async def call(self, name: str, *args: object) -> Any:
        answer: Any = self.filesystem.dispatch(name, list(args), CONTEXT)
        return await answer

    async def store(self, place: int, value: int) -> None:
        fields = {"large": bytes([value]) * LARGE, "other": bytes([value + 1]) * LARGE, "n": value}
        await self.call("store", f"/d/o{place}", encode(fields), "EmergeFile", "", 0)

    async def update(self, place: int, value: int) -> None:
        await self.call("update", f"/d/o{place}", encode({"n": value, f"f{value}": bytes([value]) * LARGE}), 0)

    async def upload(self, place: int, value: int) -> None:
        """As a file is put: claim or put each block, then the maps, refer to them, and release."""
        claimant = f"ann:{place}"
        datas = [bytes([value, part % 3]) for part in range(3)]
        names = [block_name(data) for data in datas]
        here = await self.blocks.claim(names, claimant)
        missing = {name: data for name, data in zip(names, datas, strict=True) if name not in here}
        await self.blocks.put(missing, claimant)
        lower = encode({"names": b"".join(names)})
        await self.blocks.put({block_name(lower): lower}, claimant, maps=True)
        upper = encode({"names": block_name(lower), "value": value})
        root = block_name(upper)
        await self.blocks.put({root: upper}, claimant, maps=True)
        state = encode({"content": BlockTree(root, 6), "n": value})
        await self.call("store", f"/d/o{place}", state, "EmergeFile", "", 0)
        await self.blocks.release(claimant)

    async def give_up(self, place: int, value: int) -> None:
        await self.blocks.put({block_name(bytes([value])): bytes([value])}, f"ann:{place}")

    async def copy(self, place: int, value: int) -> None:
        await self.call("cp", f"/d/o{place}", f"/d/o{value}", False)

    async def remove(self, place: int, value: int) -> None:
        await self.call("rm", f"/d/o{place}", False)

    async def restore(self, place: int, value: int) -> None:
        await self.call("restore", f"/d/o{place}", value, "")

    async def retain(self, place: int, value: int) -> None:
        await self.call("retain", "/d", str(value + 1))

    async def collect(self, place: int, value: int) -> None:
        await collect(self.blocks, LATER if value == 3 else None)

    async def check(self) -> None:
        """Everything that is kept can be read."""
        assert (await audit(self.filesystem.core.store)).faults == []

    async def keeps(self) -> set[bytes]:
        """The names of all blocks that states keep, found without the collector."""
        kept: set[bytes] = set()
        for _, value in await self.blocks.store.scan("states"):
            recipe = recipe_of(value)
            kept |= recipe.names() if recipe is not None else trees_in(value)
        maps, pending = await self.maps(), list(kept)
        while pending:
            names = maps.get(pending.pop(), [])
            kept |= set(names)
            pending += names
        return kept

    async def maps(self) -> dict[bytes, list[bytes]]:
        rows = await self.blocks.store.scan("blocks", b"m", b"n")
        found = {}
        for key, _ in rows:
            (data,) = await self.blocks.read([key[1:]])
            joined = decode(data)["names"]
            found[key[1:]] = [joined[at : at + 32] for at in range(0, len(joined), 32)]
        return found

    async def names(self) -> set[bytes]:
        return {name for name, _ in await self.blocks.page()}


ACTIONS: dict[str, Callable[[World, int, int], Awaitable[None]]] = {
    "store": World.store,
    "update": World.update,
    "upload": World.upload,
    "upload again": World.upload,
    "give up": World.give_up,
    "copy": World.copy,
    "remove": World.remove,
    "restore": World.restore,
    "retain": World.retain,
    "collect": World.collect,
    "collect too": World.collect,
}
ROUNDS = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(ACTIONS)),
            st.integers(0, 2),
            st.integers(0, 3),
            st.none() | st.integers(0, 60),  # turns after which it is killed
        ),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=6,
)


async def act(world: World, kind: str, place: int, value: int) -> None:
    try:
        await ACTIONS[kind](world, place, value)
    except EmergeError as error:
        assert "rotten" not in error.details, error
        assert "block" not in error.details or isinstance(error, (Conflict, Invalid)), error


async def killed(turns: int, task: asyncio.Task[None]) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()


async def run(rounds: list[list[tuple[str, int, int, int | None]]], seed: int) -> None:
    filesystem = await Filesystem.open(Interleaved(seed))
    world = World(filesystem)
    for actions in rounds:
        tasks = [asyncio.create_task(act(world, kind, place, value)) for kind, place, value, _ in actions]
        killers = [
            killed(turns, task) for task, (_, _, _, turns) in zip(tasks, actions, strict=True) if turns is not None
        ]
        for done in (await asyncio.gather(*tasks, *killers, return_exceptions=True))[: len(tasks)]:
            if isinstance(done, BaseException) and not isinstance(done, asyncio.CancelledError):
                raise done
        await world.check()
    await collect(world.blocks, LATER)
    assert await world.names() == await world.keeps()
    await world.check()
    await filesystem.close()


@given(ROUNDS, st.integers(0, 1 << 32))
@settings(max_examples=examples(40))
def test_what_is_kept_is_there_and_nothing_else(
    rounds: list[list[tuple[str, int, int, int | None]]], seed: int
) -> None:
    asyncio.run(run(rounds, seed))


class Cut(MemoryStore):
    """A store at the call of one number of which something else is done first, from beginning to end."""

    def __init__(self) -> None:
        super().__init__()
        self.left = -1
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def _pause(self) -> None:
        self.left -= 1
        if self.left == 0 and self.meanwhile is not None:
            await self.meanwhile()

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        await self._pause()
        return await super().get(keys)

    async def scan(self, *args: Any, **options: Any) -> list[tuple[bytes, bytes]]:
        await self._pause()
        return await super().scan(*args, **options)

    async def commit(self, batch: Batch) -> list[int]:
        await self._pause()
        return await super().commit(batch)


async def prepared(store: Cut) -> World:
    """Blocks that are kept by nothing, by an old version, by a claim that ended, by one that holds."""
    world = World(await Filesystem.open(store))
    for act in (world.store, world.upload):
        await act(1, 1)
        await act(2, 2)
    await world.call("retain", "/d", "1")
    await world.store(1, 5)
    await world.remove(2, 0)
    await world.give_up(1, 1)
    return world


@pytest.mark.parametrize("within", ["collect", "other"])
@pytest.mark.parametrize(
    "other", ["store", "update", "upload", "copy", "remove", "restore", "retain", "give up", "collect"]
)
async def test_one_at_each_step_of_the_other(other: str, within: str) -> None:
    """A whole change between any two steps of a collection, and a whole collection between any two of a change."""
    for step in range(1 + len(other) % STRIDE, 1000, STRIDE):
        store = Cut()
        world = await prepared(store)

        async def collection(world: World = world) -> None:
            await collect(world.blocks, LATER)

        async def change(world: World = world) -> None:
            await act(world, other, 1, 2 if other == "copy" else 1)

        one, two = (collection, change) if within == "collect" else (change, collection)
        store.left, store.meanwhile = step, two
        await one()
        over, store.left = store.left > 0, -1
        await world.check()
        await collect(world.blocks, LATER)
        assert await world.names() == await world.keeps()
        await world.check()
        await world.filesystem.close()
        if over:
            break


# --- claims
async def test_a_claim_keeps_until_it_ends() -> None:
    blocks = Blocks(await open_store("memory:"))
    name = block_name(b"data")
    await blocks.put({name: b"data"}, "one")
    assert await blocks.claim([name, block_name(b"x")], "two") == {name}
    await blocks.release("one")
    assert (await collect(blocks)).kept == 1
    assert await blocks.claimed([name], "one") == set() and await blocks.claimed([name], "two") == {name}
    assert (await collect(blocks, now_micros() + 2 * 3600 * 1_000_000)).claims == 1
    assert await blocks.has([name]) == set()
    with pytest.raises(LookupError, match=name.hex()[:16]):
        await blocks.read([name])


async def test_a_map_is_put_only_by_who_claimed_what_it_names() -> None:
    blocks = Blocks(await open_store("memory:"))
    name = block_name(b"data")
    map = encode({"names": name})
    for claimant in ("one", "two"):
        with pytest.raises(Conflict, match=name.hex()[:16]):
            await blocks.put({block_name(map): map}, claimant, maps=True)
        await blocks.put({name: b"data"}, "one")
    await blocks.put({block_name(map): map}, "one", maps=True)
    await blocks.release("one")
    done = await collect(blocks)
    assert (done.blocks, done.kept) == (2, 0)


async def test_bytes_of_another_name_are_refused() -> None:
    blocks = Blocks(await open_store("memory:"))
    with pytest.raises(Invalid, match="are not the block"):
        await blocks.put({block_name(b"a"): b"b"}, "one")
    with pytest.raises(Invalid, match="no map"):
        await blocks.put({block_name(encode([])): encode([])}, "one", maps=True)


class Silent(MemoryStore):
    """A store that fails to list one space, or to list at all."""

    failing = ""

    async def scan(self, space: str, start: bytes = b"", *args: Any, **options: Any) -> list[tuple[bytes, bytes]]:
        if self.failing and start.startswith(self.failing.encode()):
            raise Unavailable("the disk does not answer")
        return await super().scan(space, start, *args, **options)


@pytest.mark.parametrize("failing", ["b", "m", "r", "c", "k"])
async def test_an_error_while_listing_is_not_that_nothing_is_there(failing: str) -> None:
    store = Silent()
    filesystem = await Filesystem.open(store)
    world = World(filesystem)
    await world.upload(1, 1)
    await world.store(2, 2)
    await world.blocks.put({block_name(b"more"): b"more"}, "somebody")
    before = await world.names()
    store.failing = failing
    with pytest.raises(Unavailable):
        await collect(world.blocks)
    store.failing = ""
    assert await world.names() == before
    await filesystem.close()


async def test_it_happens_by_itself(tmp_path: Path) -> None:
    filesystem = await Filesystem.open(await open_store(f"sqlite:///{tmp_path}/store.db"))
    world = World(filesystem)
    await filesystem.collection.close()
    filesystem.collection = Collection(world.blocks, pause=0.05)
    filesystem.core.store.on_drop = filesystem.collection.wake  # type: ignore[attr-defined]
    await world.store(1, 1)
    await world.call("retain", "/d", "1")
    await world.store(1, 2)
    for _ in range(100):
        await asyncio.sleep(0.02)
        if len(await world.names()) == 2:
            break
    assert await world.names() == await world.keeps()
    await filesystem.close()
