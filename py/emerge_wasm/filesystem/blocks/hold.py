"""Blocks that are held here for another filesystem, their owner, which alone says what of them is wanted.

An owner claims a block before it has it held, and a hold gets a new stamp whenever the owner counts on it anew. Who
gives one up reads the stamps, asks the owner, and drops what the owner does not keep on the condition that its stamp is
what it was. An owner that does not answer has not said that it wants nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

from ...errors import Conflict
from ...store import Batch, prefix_end
from .blocks import COMMIT_BYTES, PAGE, Blocks, again, groups, touch
from .row import HOLD, SPACE, fresh_stamp, hold_key, owner_in


async def hold(blocks: Blocks, owner: str, data: Mapping[bytes, bytes]) -> None:
    """Keep blocks for their owner, durably when this returns. They are verified by their names before."""
    for names in groups(data, _most(blocks), COMMIT_BYTES, lambda name: len(data[name])):
        some = {name: data[name] for name in names}

        async def refer(batch: Batch, names: Iterable[bytes] = names) -> None:
            _stamp(batch, owner, names)

        await blocks.write(some, refer)


async def hold_again(blocks: Blocks, owner: str, names: Collection[bytes]) -> set[bytes]:
    """Tell which of these blocks are here, and keep them for an owner that counts on them from now on."""
    found: set[bytes] = set()
    for some in groups(dict.fromkeys(names), _most(blocks)):
        found |= await _hold_again(blocks, owner, some)
    return found


async def _hold_again(blocks: Blocks, owner: str, names: list[bytes]) -> set[bytes]:
    async def attempt() -> set[bytes]:
        batch = Batch()
        here = await blocks.ledger(names)
        if here:
            touch(batch, here)
            _stamp(batch, owner, here)
            await blocks.store.commit(batch)
        return set(here)

    return await again(attempt)


def _stamp(batch: Batch, owner: str, names: Iterable[bytes]) -> None:
    batch.puts += [(*hold_key(owner, name), fresh_stamp()) for name in names]


def _most(blocks: Blocks) -> int:
    return max(blocks.store.capabilities.largest_batch // 4, 1)


# --- what is held, and giving it up
async def owners(blocks: Blocks) -> list[str]:
    """Return the filesystems for which something is held here."""
    found: list[str] = []
    start: bytes | None = HOLD
    while start is not None and (rows := await blocks.store.scan(SPACE, start, prefix_end(HOLD), limit=1)):
        found.append(owner_in(rows[0][0]))
        start = prefix_end(hold_key(found[-1], b"")[1])
    return found


async def holds(blocks: Blocks, owner: str, after: bytes = b"", limit: int = PAGE) -> dict[bytes, bytes]:
    """Return at most `limit` blocks that are held for an owner, after a name, with their stamps; fewer: no more are."""
    prefix = hold_key(owner, b"")[1]
    start = prefix + after + b"\0" if after else prefix
    rows = await blocks.store.scan(SPACE, start, prefix_end(prefix), limit=limit)
    return {key[len(prefix) :]: stamp for key, stamp in rows}


async def stamps(blocks: Blocks, owner: str, names: Collection[bytes]) -> dict[bytes, bytes]:
    """Return those of these blocks that are held for an owner, with their stamps."""
    wanted = list(names)
    found = await blocks.store.get([hold_key(owner, name) for name in wanted]) if wanted else []
    return {name: stamp for name, stamp in zip(wanted, found, strict=True) if stamp is not None}


async def held_for_others(blocks: Blocks, among: Collection[bytes]) -> set[bytes]:
    """Return which of these blocks are held for others."""
    found: set[bytes] = set()
    for owner in await owners(blocks):
        for some in groups(among, PAGE):
            found |= (await stamps(blocks, owner, some)).keys()
    return found


async def drop(blocks: Blocks, owner: str, unwanted: Mapping[bytes, bytes]) -> int:
    """Hold these blocks no longer, as far as their stamps are what they were; how many."""
    done = 0
    for names in groups(unwanted, _most(blocks)):
        try:
            done += await _drop(blocks, owner, {name: unwanted[name] for name in names})
        except Conflict:  # the owner counts on one of them anew
            for name in names:
                with suppress(Conflict):
                    done += await _drop(blocks, owner, {name: unwanted[name]})
    if done:
        blocks.on_claim()  # something may be kept by nothing now
    return done


async def _drop(blocks: Blocks, owner: str, unwanted: Mapping[bytes, bytes]) -> int:
    batch = Batch(deletes=[hold_key(owner, name) for name in unwanted])
    for name, stamp in unwanted.items():
        batch.expect(*hold_key(owner, name), stamp)
    await blocks.store.commit(batch)
    return len(unwanted)
