"""What the blocks of a store are held to, on every engine: rows of the store, or files beside it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from emerge_wasm.blocks.block import BLOCK_SIZE, block_name
from emerge_wasm.codec import encode
from emerge_wasm.errors import Conflict, Invalid, NotFound
from emerge_wasm.filesystem.blocks.blocks import Blocks
from emerge_wasm.filesystem.blocks.collector import collect
from emerge_wasm.filesystem.blocks.large_state import with_blocks
from emerge_wasm.filesystem.blocks.row import DITTO, FRAME, LEDGER, LedgerRow, key_of
from emerge_wasm.store import Batch, Store
from tests.contracts.store import failure

Reopen = Callable[[], Awaitable[Store]]
SIZES = (0, 1, 4 << 10, BLOCK_SIZE - 1, BLOCK_SIZE)


def made(*sizes: int, seed: int = 0) -> dict[bytes, bytes]:
    source = random.Random(seed)
    return {block_name(data): data for data in map(source.randbytes, sizes)}


async def scenario_blocks(reopen: Reopen) -> None:
    """One after the other on one store: put, claim, read, list, map, release, collect, and what a reopened one has."""
    store = await reopen()
    blocks = with_blocks(store).blocks
    some, text = made(*SIZES), b"text " * 50_000
    await blocks.put({**some, block_name(text): text}, "ann")
    names = [*some, block_name(text)]
    assert await blocks.read(names) == [*some.values(), text]
    assert await blocks.read(names[::-1]) == [text, *[*some.values()][::-1]]
    absent = block_name(b"absent")
    assert await blocks.has([*names, absent]) == set(names)
    assert await blocks.claim([*names[:2], absent], "bob") == set(names[:2])
    assert await blocks.claimed([*names, absent], "ann") == set(names)
    assert await blocks.claimed(names, "bob") == set(names[:2])
    assert absent.hex()[:16] in str(await failure(blocks.read([names[0], absent]), NotFound))
    await listed(blocks, {name: len(data) for name, data in (*some.items(), (block_name(text), text))})
    map = encode({"names": b"".join(names)})
    await failure(blocks.put({block_name(map): map}, "bob", maps=True), Conflict)
    await blocks.put({block_name(map): map}, "ann", maps=True)
    await failure(blocks.put({absent: b"other"}, "ann"), Invalid)
    await blocks.put(some, "ann")  # again
    if store.capabilities.reopens:
        await store.close()
        store = await reopen()
        blocks = with_blocks(store).blocks
        assert await blocks.read(names) == [*some.values(), text]
    done = await collect(blocks)
    assert (done.blocks, done.kept) == (0, len(names) + 1)
    await blocks.release("ann")
    done = await collect(blocks)
    assert (done.blocks, done.kept) == (len(names) - 1, 2)  # those that bob has claimed
    await listed(blocks, {name: len(some[name]) for name in names[:2]})
    assert await blocks.read(names[:2]) == [some[name] for name in names[:2]]
    await blocks.release("bob")
    assert (await collect(blocks)).kept == 0
    await blocks.put(some, "ann")  # what was collected comes back
    assert await blocks.read([*some]) == [*some.values()]
    await store.close()


async def scenario_repair(reopen: Reopen) -> None:
    """A damaged block is named, and written again by who puts it, or has it."""
    store = await reopen()
    blocks = with_blocks(store).blocks
    some = made(1000, 300_000)
    await blocks.put(some, "ann")
    for name, data in some.items():
        await damage(blocks, name)
        error = await failure(blocks.read([name]), Invalid)
        assert name.hex()[:16] in str(error) and error.details["rotten"] == name.hex()
        assert await blocks.unsound(some) == {name: "damaged"}
        await blocks.put({name: data}, "bob")
        assert await blocks.read([name]) == [data] and await blocks.unsound(some) == {}
        await damage(blocks, name)
        await blocks.remake(some)
        assert await blocks.read([name]) == [data] and await blocks.unsound(some) == {}
    await kept_twice(blocks, [*some])
    await store.close()


async def kept_twice(blocks: Blocks, names: list[bytes]) -> None:
    """A map is read from what is left of it."""
    map = encode({"names": b"".join(names)})
    root = block_name(map)
    await blocks.put({root: map}, "bob", maps=True)
    await damage(blocks, root)
    assert await blocks.read([root]) == [map] and await blocks.unsound([root]) == {root: "damaged"}
    await blocks.remake({root: map})
    assert await blocks.unsound([root]) == {}
    await blocks.store.commit(Batch(deletes=[key_of(DITTO, root)]))
    assert await blocks.read([root]) == [map] and await blocks.unsound([root]) == {root: "lost"}
    await blocks.remake({root: map})
    assert await blocks.unsound([root]) == {}
    await blocks.release("bob")


async def damage(blocks: Blocks, name: bytes) -> None:
    """Make a block rotten where it lies."""
    (raw,) = await blocks.store.get([key_of(LEDGER, name)])
    row = LedgerRow.unpack(raw or b"")
    if row.generation and blocks.files is not None:
        await blocks.files.put({row.file(name): b"\0rotten"})
    else:
        await blocks.store.commit(Batch(puts=[(*key_of(FRAME, name), b"\0rotten")]))


async def listed(blocks: Blocks, sizes: dict[bytes, int]) -> None:
    """All are listed in order, in pages of any size."""
    whole = await blocks.page()
    assert whole == sorted(sizes.items()) and await blocks.count() == len(sizes)
    found, after = [], b""
    while page := await blocks.page(after, 2):
        found += page
        after = page[-1][0]
    assert found == whole
