"""Collect the blocks that nothing keeps: no state, no map of blocks, no claim, no other filesystem that has them here.

First it reads the ledger rows of what might go, then all that keeps blocks, then it deletes what nothing keeps, each
on the condition that its row is what it was (see `row.py`). An error while it reads ends it: what cannot be read may
keep anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from ...blocks.block import names_in_map
from ...errors import Conflict, NotFound
from ...store import Batch, Store, keys_of, prefix_end
from .blocks import Blocks, groups, now_micros, scan_all
from .hold import held_for_others
from .large_state import STATES, recipe_of
from .row import DITTO, FRAME, LEDGER, MAP, RECIPE, SPACE, ClaimRow, LedgerRow, key_of

PART = 100_000
"""Blocks that are looked at in one pass."""

REMOVED_AT_ONCE = 500
"""Blocks that are removed in one commit."""

PAGE = 20
"""States that are read at a time: what is left of one without its large values is usually small."""


@dataclass(slots=True)
class Collected:
    """What a collection removed, how many blocks stay, how many claims hold (`holding`), and when the next one may end
    (`until`, microseconds since 1970)."""

    blocks: int = 0
    size: int = 0
    claims: int = 0
    files: int = 0
    kept: int = 0
    holding: int = 0
    until: int = 1 << 62


async def collect(blocks: Blocks, now: int | None = None) -> Collected:
    """Remove the claims that ended before `now` (microseconds since 1970) and the blocks that nothing keeps."""
    done = Collected()
    await _end_claims(blocks, now_micros() if now is None else now, done)
    while await _pass(blocks, done):  # a map that went had kept others
        pass
    if blocks.files is not None:
        await _sweep(blocks, done)
    return done


async def _end_claims(blocks: Blocks, now: int, done: Collected) -> None:
    for claim, raw in await blocks.claims():
        until = ClaimRow.unpack(raw).until
        if until <= now:
            try:
                await blocks.end_claim(claim, raw)
                done.claims += 1
                continue
            except Conflict:  # prolonged
                pass
        done.holding += 1
        done.until = min(done.until, max(until, now))


async def _pass(blocks: Blocks, done: Collected) -> bool:
    """Go through all blocks once; tell whether a map went."""
    maps_went = False
    done.kept = 0
    start: bytes | None = LEDGER
    while start is not None:
        rows = await _part(blocks.store, start)
        start = rows[-1][0] + b"\0" if len(rows) >= PART else None
        found = {key[1:]: raw for key, raw in rows}
        if not found:
            break
        kept = await keepers(blocks, set(found))
        kept |= await held_for_others(blocks, found.keys() - kept)
        done.kept += len(kept)
        maps_went |= await remove(blocks, {name: raw for name, raw in found.items() if name not in kept}, done)
    return maps_went


async def _part(store: Store, start: bytes) -> list[tuple[bytes, bytes]]:
    rows: list[tuple[bytes, bytes]] = []
    while len(rows) < PART:
        page = await store.scan(SPACE, start, prefix_end(LEDGER), limit=1000)
        rows += page
        if len(page) < 1000:
            break
        start = page[-1][0] + b"\0"
    return rows


async def keepers(blocks: Blocks, among: set[bytes]) -> set[bytes]:
    """Return which of these blocks a claim, a map or a state keeps, read in this order.

    A claim ends after the map or state for which it was made is there. Blocks that are elsewhere may be among them.
    """
    return await claimed_of(blocks, among) | await referred(blocks, among)


async def claimed_of(blocks: Blocks, among: set[bytes]) -> set[bytes]:
    """Return which of these blocks a claim keeps, here or elsewhere."""
    kept: set[bytes] = set()
    for claim, _ in await blocks.claims():
        kept |= among & await blocks.names_claimed(claim)
    return kept


async def referred(blocks: Blocks, among: set[bytes]) -> set[bytes]:
    """Return which of these blocks a map or a state keeps."""
    kept: set[bytes] = set()
    async for key, _ in scan_all(blocks.store, MAP):
        kept |= among & await _names_kept(blocks, key[1:])
    return kept | await referred_by_states(blocks, among)


async def referred_by_states(blocks: Blocks, among: set[bytes]) -> set[bytes]:
    """Return which of these blocks a state keeps: they are to be here."""
    kept: set[bytes] = set()
    keys: list[bytes] = []
    async for key, _ in scan_all(blocks.store, RECIPE):
        keys.append(key[len(RECIPE) :])
        if len(keys) == PAGE:
            kept |= among & await _names_in_states(blocks.store, keys)
            keys = []
    return kept | (among & await _names_in_states(blocks.store, keys))


async def _names_in_states(store: Store, keys: list[bytes]) -> set[bytes]:
    """Return what the states of these keys keep, and forget those that are gone."""
    kept: set[bytes] = set()
    for key, value in zip(keys, await store.get(keys_of(STATES, keys)) if keys else [], strict=True):
        if value is None:
            batch = Batch(deletes=[key_of(RECIPE, key)])
            batch.expect(STATES, key, None)
            with suppress(Conflict):  # it came back: then with new stamps for its blocks
                await store.commit(batch)
        elif (recipe := recipe_of(value)) is not None:
            kept |= recipe.names()
    return kept


async def _names_kept(blocks: Blocks, name: bytes) -> set[bytes]:
    """Return what a map keeps: nothing if it is gone meanwhile."""
    try:
        (data,) = await blocks.read([name])
    except NotFound:
        if await blocks.has([name]):
            raise
        return set()
    return set(names_in_map(data))


async def remove(blocks: Blocks, rows: Mapping[bytes, bytes], done: Collected) -> bool:
    """Remove those of these blocks whose rows are still as they were read; tell whether a map went."""
    maps_went = False
    for names in groups(rows, max(min(blocks.store.capabilities.largest_batch // 4, REMOVED_AT_ONCE), 1)):
        maps_went |= await _remove(blocks, [(name, rows[name]) for name in names], done)
    return maps_went


async def _remove(blocks: Blocks, rows: list[tuple[bytes, bytes]], done: Collected) -> bool:
    marks = await blocks.store.get([key_of(MAP, name) for name, _ in rows])
    batch = Batch(deletes=[key_of(kind, name) for name, _ in rows for kind in (LEDGER, FRAME, MAP, DITTO)])
    for name, raw in rows:
        batch.expect(*key_of(LEDGER, name), raw)
    try:
        await blocks.store.commit(batch)
    except Conflict:  # one is referred to again
        if len(rows) == 1:
            done.kept += 1
            return False
        half = len(rows) // 2
        first = await _remove(blocks, rows[:half], done)
        return await _remove(blocks, rows[half:], done) or first
    known = [(name, LedgerRow.unpack(raw)) for name, raw in rows]
    done.blocks += len(known)
    done.size += sum(row.size for _, row in known)
    if blocks.files is not None:
        await blocks.files.delete([row.file(name) for name, row in known if row.generation])
    return any(mark is not None for mark in marks)


async def _sweep(blocks: Blocks, done: Collected) -> None:
    """Remove the files that no ledger row names: a row comes before its file, and no file has a name twice."""
    assert blocks.files is not None
    after = ""
    while True:
        files = await blocks.files.page(after)
        names = [bytes.fromhex(file.partition("-")[0]) for file in files]
        raws = await blocks.store.get([key_of(LEDGER, name) for name in names])
        gone = [
            file
            for file, name, raw in zip(files, names, raws, strict=True)
            if raw is None or LedgerRow.unpack(raw).file(name) != file
        ]
        await blocks.files.delete(gone)
        done.files += len(gone)
        if len(files) < 1000:
            return
        after = files[-1]
