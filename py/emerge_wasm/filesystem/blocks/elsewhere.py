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
from .collector import claimed_of, keepers
from .row import (
    CLAIM,
    CONFIRMED,
    PROMISED,
    SPACE,
    SURPLUS,
    WHERE,
    claim_id,
    claimed_key,
    confirmed_key,
    fresh_stamp,
    holder_in,
    key_of,
    surplus_key,
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
            _note(batch, name, holder)
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
    return {name: set(stamps) for name, stamps in (await where_stamps(blocks, names)).items()}


async def where_stamps(blocks: Blocks, names: Collection[bytes]) -> dict[bytes, dict[str, bytes]]:
    """Return who was given each of these blocks, with the stamps of the rows."""
    found: dict[bytes, dict[str, bytes]] = {}
    for name in names:
        rows = await blocks.store.scan(SPACE, WHERE + name, prefix_end(WHERE + name), limit=PAGE)
        found[name] = {holder_in(key): stamp for key, stamp in rows}
    return found


async def _holders(blocks: Blocks, prefix: bytes) -> set[str]:
    return {holder_in(key) for key, _ in await blocks.store.scan(SPACE, prefix, prefix_end(prefix), limit=PAGE)}


async def note(blocks: Blocks, names: Collection[bytes], holder: str) -> None:
    """Note that a holder has these blocks, which a map keeps."""
    for some in groups(names, _most(blocks)):
        batch = Batch()
        for name in some:
            _note(batch, name, holder)
        await blocks.store.commit(batch)


def _note(batch: Batch, name: bytes, holder: str) -> None:
    batch.put(*where_key(name, holder), fresh_stamp())
    batch.delete(*surplus_key(name, holder))


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


# --- what a holder has beyond a level
async def give_back(blocks: Blocks, holder: str, stamps: Mapping[bytes, bytes]) -> set[bytes]:
    """Note that a holder is to give up blocks, though a map keeps them: others have them (see `repair.surplus`); return
    those that it was not given anew since the stamps of their rows were read."""
    done: set[bytes] = set()
    for names in groups(stamps, _most(blocks)):
        done |= await _give_back(blocks, holder, [(name, stamps[name]) for name in names])
    return done


async def _give_back(blocks: Blocks, holder: str, rows: list[tuple[bytes, bytes]]) -> set[bytes]:
    batch = Batch(deletes=[where_key(name, holder) for name, _ in rows])
    for name, stamp in rows:
        batch.expect(*where_key(name, holder), stamp)
        batch.put(*surplus_key(name, holder), b"")
    try:
        await blocks.store.commit(batch)
    except Conflict:  # one was given to it anew
        if len(rows) == 1:
            return set()
        half = len(rows) // 2
        return await _give_back(blocks, holder, rows[:half]) | await _give_back(blocks, holder, rows[half:])
    return {name for name, _ in rows}


async def given_back(blocks: Blocks, names: Collection[bytes], holder: str) -> set[bytes]:
    """Tell which of these blocks a holder is to give up."""
    wanted = list(names)
    raws = await blocks.store.get([surplus_key(name, holder) for name in wanted]) if wanted else []
    return {name for name, raw in zip(wanted, raws, strict=True) if raw is not None}


async def surplus(blocks: Blocks) -> dict[str, set[bytes]]:
    """Return the blocks that holders are to give up, by holder."""
    found: dict[str, set[bytes]] = {}
    async for key, _ in scan_all(blocks.store, SURPLUS):
        found.setdefault(holder_in(key), set()).add(key[1:NAME_END])
    return found


async def is_given_back(blocks: Blocks, names: Collection[bytes], holder: str) -> None:
    """Note that a holder has given up these blocks."""
    for some in groups(names, _most(blocks)):
        await blocks.store.commit(Batch(deletes=[surplus_key(name, holder) for name in some]))


async def wanted_of(blocks: Blocks, names: Collection[bytes], holder: str) -> set[bytes]:
    """Return which of these blocks a holder is to have: those that something keeps, less what it is to give up and no
    upload counts on again."""
    wanted = set(names)
    back = await given_back(blocks, wanted, holder) if holder else set()
    if back:
        claimed = await claimed_of(blocks, back)  # first: an upload wants it back before its claim ends
        back = await given_back(blocks, back - claimed, holder)
    kept = await keepers(blocks, wanted) - back
    await _learn(blocks, kept, holder)
    return kept


async def _learn(blocks: Blocks, names: Collection[bytes], holder: str) -> None:
    """Note that a holder has these blocks, of which nobody knew: who had it hold them did not live to confirm it."""
    wanted = list(names)
    raws = await blocks.store.get([where_key(name, holder) for name in wanted]) if wanted and holder else []
    await note(blocks, [name for name, raw in zip(wanted, raws, strict=False) if raw is None], holder)


def _most(blocks: Blocks) -> int:
    return max(blocks.store.capabilities.largest_batch // 4 - 2, 1)
