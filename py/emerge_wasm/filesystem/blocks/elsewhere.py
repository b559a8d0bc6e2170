"""What a filesystem knows of its blocks that others hold: promised in a claim, confirmed by a holder, and where to ask.

Promise, then have it held, then let the holder confirm: so a holder that asks what is wanted is told of a block from
before it has it on. Only what was confirmed within a claim counts for what is made of that claim; where a block was
before is a hint.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping

from ...errors import Conflict
from ...store import Batch, prefix_end
from .blocks import PAGE, Blocks, again, groups, scan_all
from .collector import keepers
from .row import (
    CLAIM,
    CONFIRMED,
    PROMISED,
    SPACE,
    WHERE,
    claim_id,
    claimed_key,
    confirmed_key,
    fresh_stamp,
    holder_in,
    key_of,
    where_key,
)

NAME_END = 1 + 32

ASKED_AT_ONCE = 20_000
"""Blocks of which it is found out at a time whether something keeps them, which reads all maps."""


async def promise(blocks: Blocks, names: Collection[bytes], claimant: str) -> None:
    """Claim blocks that others are about to hold."""
    for some in groups(dict.fromkeys(names), _most(blocks)):
        await _promise(blocks, some, claimant)


async def _promise(blocks: Blocks, names: list[bytes], claimant: str) -> None:
    async def attempt() -> None:
        batch = Batch()
        await blocks.claim_in(batch, claimant, names, PROMISED)
        await blocks.store.commit(batch)

    await again(attempt)


async def promised(blocks: Blocks, names: Collection[bytes], claimant: str) -> set[bytes]:
    """Tell which of these blocks this claimant is about to have held."""
    return await blocks.claimed(names, claimant, PROMISED)


async def confirm(blocks: Blocks, names: Collection[bytes], holder: str, claimant: str) -> None:
    """Note that a holder has these blocks, which were promised in a claim.

    Raises:
        Conflict: the claim ended, or has not promised one of them.
    """
    for some in groups(dict.fromkeys(names), _most(blocks)):
        await _confirm(blocks, some, holder, claimant)


async def _confirm(blocks: Blocks, names: list[bytes], holder: str, claimant: str) -> None:
    claim = claim_id(claimant)

    async def attempt() -> None:
        if await promised(blocks, names, claimant) != set(names):
            raise Conflict("these blocks are not wanted, or not any more", remedy="put the file again")
        batch = Batch()
        for name in names:
            batch.expect(*claimed_key(claim, name, PROMISED), b"")
            batch.put(*claimed_key(claim, name), b"")
            batch.put(*confirmed_key(claim, name, holder), b"")
            batch.put(*where_key(name, holder), fresh_stamp())
        (raw,) = await blocks.store.get([key_of(CLAIM, claim)])
        batch.expect(*key_of(CLAIM, claim), raw)
        await blocks.store.commit(batch)

    await again(attempt)


async def confirmed(blocks: Blocks, names: Collection[bytes], claimant: str) -> dict[bytes, set[str]]:
    """Return who has said of each of these blocks, within this claim, that it has it."""
    claim = claim_id(claimant)
    return {name: await _holders(blocks, claimed_key(claim, name, CONFIRMED)[1]) for name in names}


async def where(blocks: Blocks, names: Collection[bytes]) -> dict[bytes, set[str]]:
    """Return who was given each of these blocks."""
    return {name: await _holders(blocks, WHERE + name) for name in names}


async def _holders(blocks: Blocks, prefix: bytes) -> set[str]:
    return {holder_in(key) for key, _ in await blocks.store.scan(SPACE, prefix, prefix_end(prefix), limit=PAGE)}


async def note(blocks: Blocks, names: Collection[bytes], holder: str) -> None:
    """Note that a holder has these blocks, which a map keeps."""
    for some in groups(names, _most(blocks)):
        await blocks.store.commit(Batch(puts=[(*where_key(name, holder), fresh_stamp()) for name in some]))


async def unkept(blocks: Blocks) -> AsyncIterator[tuple[str, dict[bytes, bytes]]]:
    """Yield the holders of blocks that nothing here keeps any more, with these blocks and the stamps of their rows."""
    rows: list[tuple[bytes, bytes]] = []
    async for row in scan_all(blocks.store, WHERE):
        rows.append(row)
        if len(rows) == ASKED_AT_ONCE:
            for each in await _unkept(blocks, rows):
                yield each
            rows = []
    for each in await _unkept(blocks, rows):
        yield each


async def _unkept(blocks: Blocks, rows: list[tuple[bytes, bytes]]) -> list[tuple[str, dict[bytes, bytes]]]:
    names = {key[1:NAME_END] for key, _ in rows}
    kept = await keepers(blocks, names) if names else set()
    found: dict[str, dict[bytes, bytes]] = {}
    for key, stamp in rows:
        if key[1:NAME_END] not in kept:
            found.setdefault(holder_in(key), {})[key[1:NAME_END]] = stamp
    return list(found.items())


async def forget(blocks: Blocks, holder: str, given_up: Mapping[bytes, bytes]) -> None:
    """Forget that a holder was given blocks, as far as the stamps of their rows are what they were."""
    for name, stamp in given_up.items():
        batch = Batch(deletes=[where_key(name, holder)])
        batch.expect(*where_key(name, holder), stamp)
        try:
            await blocks.store.commit(batch)
        except Conflict:  # it was given it anew
            continue


def _most(blocks: Blocks) -> int:
    return max(blocks.store.capabilities.largest_batch // 4 - 2, 1)
