"""Keep blocks, each once, for those who refer to them or claim them. Awaits a store, and perhaps files beside it.

A claim holds blocks until a reference does: claim, put, refer, release. One that is not used for `CLAIM_SECONDS` ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from ...block_files import BlockFiles
from ...blocks.block import block_name, names_in_map, short_name
from ...blocks.frame import from_frame, to_frame
from ...errors import Conflict, Invalid, NotFound, Unavailable
from ...store import Batch, Store, prefix_end
from .row import CLAIM, CLAIMED, FRAME, LEDGER, MAP, SPACE, ClaimRow, LedgerRow, claim_id, claimed_key, key_of, name_in

R = TypeVar("R")

CLAIM_SECONDS = 3600
ATTEMPTS = 50
PAGE = 500
COMMIT_BYTES = 16 << 20
"""Bytes of blocks that are committed at a time."""


def now_micros() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000_000)


class Blocks:
    """The blocks of one store. Those that are put go to `files`, if there are any, else into the store's own rows."""

    def __init__(self, store: Store, files: BlockFiles | None = None) -> None:
        self.store = store
        self.files = files
        self.on_claim: Callable[[], None] = lambda: None
        """Called when something was claimed or put, which may never be referred to."""

    # --- reading
    async def has(self, names: Collection[bytes]) -> set[bytes]:
        """Tell which of these blocks are here. Without a claim one may be gone in the next moment."""
        return set(await self.ledger(names))

    async def ledger(self, names: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the ledger rows of those of these blocks that are here."""
        wanted = list(names)
        raws = await self.store.get([key_of(LEDGER, name) for name in wanted])
        found = {name: raw for name, raw in zip(wanted, raws, strict=True) if raw is not None}
        apart = {name: row.file(name) for name, raw in found.items() if (row := LedgerRow.unpack(raw)).generation}
        for name in await self._lost(apart):
            del found[name]
        return found

    async def _lost(self, apart: Mapping[bytes, str]) -> list[bytes]:
        """Return which of these blocks have no file: whoever brought them was killed before it was written."""
        if not apart:
            return []
        there = await self._files().has(list(apart.values()))
        return [name for name, is_there in zip(apart, there, strict=True) if not is_there]

    async def read(self, names: Collection[bytes]) -> list[bytes]:
        """Return these blocks, each verified by its hash.

        Raises:
            NotFound: one is not here; `details["block"]` is its name in hex.
            Invalid: one is damaged; `details["rotten"]` is its name in hex.
        """
        wanted = list(names)
        frames = await self.store.get([key_of(FRAME, name) for name in wanted])
        missing = [name for name, frame in zip(wanted, frames, strict=True) if frame is None]
        apart = await self._read_files(missing) if missing and self.files is not None else {}
        data: list[bytes] = []
        for name, frame in zip(wanted, frames, strict=True):
            frame = frame if frame is not None else apart.get(name)
            if frame is None:
                raise absent(name)
            data.append(from_frame(name, frame))
        return data

    async def _read_files(self, names: list[bytes]) -> dict[bytes, bytes]:
        raws = await self.store.get([key_of(LEDGER, name) for name in names])
        rows = {name: LedgerRow.unpack(raw) for name, raw in zip(names, raws, strict=True) if raw is not None}
        files = {name: row.file(name) for name, row in rows.items() if row.generation}
        found = await self._files().get(list(files.values()))
        return {name: frame for name, frame in zip(files, found, strict=True) if frame is not None}

    async def page(self, after: bytes = b"", limit: int = PAGE) -> list[tuple[bytes, int]]:
        """Return at most `limit` blocks after a name, in order, with their sizes; fewer: there are no more."""
        start = LEDGER + after + b"\0" if after else LEDGER
        rows = await self.store.scan(SPACE, start, prefix_end(LEDGER), limit=limit)
        return [(key[1:], LedgerRow.unpack(raw).size) for key, raw in rows]

    async def count(self) -> int:
        number, after = 0, b""
        while page := await self.page(after):
            number += len(page)
            after = page[-1][0]
        return number

    # --- claiming and putting
    async def claim(self, names: Collection[bytes], claimant: str) -> set[bytes]:
        """Claim those of these blocks that are here, and return them: none of them goes before the claim ends."""
        held: set[bytes] = set()
        most = max((self.store.capabilities.largest_batch - 2) // 2, 1)
        for some in _groups(dict.fromkeys(names), most):
            held |= await self._claim(some, claimant)
        return held

    async def _claim(self, names: list[bytes], claimant: str) -> set[bytes]:
        async def attempt() -> set[bytes]:
            batch = Batch()
            here = await self.ledger(names)
            if here:
                await self._hold(batch, claimant, here)
                touch(batch, here)
                await self.store.commit(batch)
            return set(here)

        return await again(attempt)

    async def put(
        self, blocks: Mapping[bytes, bytes], claimant: str, *, maps: bool = False, anew: bool = False
    ) -> None:
        """Keep and claim blocks, by their names, durably when this returns; those that are here are only claimed.

        `anew`: those that are here are written again, as they are damaged.

        `maps`: they are maps of blocks, and what each names must have been claimed by the same claimant before.

        Raises:
            Invalid: the bytes are not those of the name, or no map.
            Conflict: a map names a block that this claimant has not claimed, or whose claim ended.
        """
        for name, data in blocks.items():
            if block_name(data) != name:
                raise Invalid(f"these {len(data)} bytes are not the block {short_name(name)}", remedy="send it again")
        kept = set().union(*(names_in_map(data) for data in blocks.values())) if maps else set()
        most = max((self.store.capabilities.largest_batch - 2) // 4, 1)
        for some in _groups(blocks, most, COMMIT_BYTES, lambda name: len(blocks[name])):
            await self._put({name: blocks[name] for name in some}, claimant, kept, maps, anew)

    async def _put(
        self, blocks: Mapping[bytes, bytes], claimant: str, kept: set[bytes], maps: bool, anew: bool
    ) -> None:
        async def attempt() -> dict[str, bytes]:
            batch = Batch()
            await self._hold(batch, claimant, blocks)
            unclaimed = kept - await self.claimed(kept, claimant)
            if unclaimed:
                name = min(unclaimed)
                raise Conflict(
                    f"a map names the block {short_name(name)}, which is not claimed for it",
                    remedy="claim or put it, then put the map again",
                    block=name.hex(),
                )
            written = await self.enlist(batch, blocks, apart=self.files is not None, anew=anew)
            if maps:
                batch.puts += [(*key_of(MAP, name), b"") for name in blocks]
            await self.store.commit(batch)
            return written

        written = await again(attempt)
        if written:
            await self._files().put(written)

    async def enlist(
        self, batch: Batch, blocks: Mapping[bytes, bytes], *, apart: bool = False, anew: bool = False
    ) -> dict[str, bytes]:
        """Add to a batch that these blocks are here; return the files to write once it is committed."""
        raws = await self.store.get([key_of(LEDGER, name) for name in blocks])
        known = {name: raw for name, raw in zip(blocks, raws, strict=True) if raw is not None}
        touch(batch, known)
        rows = {name: LedgerRow.unpack(raw) for name, raw in known.items()}
        files = {name: row.file(name) for name, row in rows.items() if row.generation}
        written = {files[name]: to_frame(blocks[name]) for name in (files if anew else await self._lost(files))}
        if anew:
            batch.puts += [(*key_of(FRAME, name), to_frame(blocks[name])) for name in known.keys() - files.keys()]
        for name in blocks.keys() - known.keys():
            row = LedgerRow.fresh(len(blocks[name]), apart)
            batch.expect(*key_of(LEDGER, name), None)
            batch.put(*key_of(LEDGER, name), row.pack())
            if apart:
                written[row.file(name)] = to_frame(blocks[name])
            else:
                batch.put(*key_of(FRAME, name), to_frame(blocks[name]))
        return written

    async def _hold(self, batch: Batch, claimant: str, names: Iterable[bytes]) -> None:
        """Add to a batch that a claim holds these, and is prolonged if it is to end soon."""
        self.on_claim()
        claim = claim_id(claimant)
        key = key_of(CLAIM, claim)
        (raw,) = await self.store.get([key])
        batch.expect(*key, raw)
        until = now_micros() + CLAIM_SECONDS * 1_000_000
        if raw is None or ClaimRow.unpack(raw).until < until - CLAIM_SECONDS * 500_000:
            batch.put(*key, ClaimRow.fresh(until).pack())
        batch.puts += [(*claimed_key(claim, name), b"") for name in names]

    async def claimed(self, names: Collection[bytes], claimant: str) -> set[bytes]:
        """Tell which of these blocks this claimant has claimed."""
        claim, wanted = claim_id(claimant), list(names)
        raws = await self.store.get([claimed_key(claim, name) for name in wanted]) if wanted else []
        return {name for name, raw in zip(wanted, raws, strict=True) if raw is not None}

    async def release(self, claimant: str) -> None:
        """End a claim: what nothing else holds or refers to may be collected."""
        key = key_of(CLAIM, claim_id(claimant))

        async def attempt() -> None:
            (raw,) = await self.store.get([key])
            if raw is not None:
                await self.end_claim(key[1][1:], raw)

        await again(attempt)

    async def end_claim(self, claim: bytes, raw: bytes) -> None:
        """Remove a claim as it was read, its own row last, so that one who begins it again finds nothing left of it.

        Raises:
            Conflict: it was prolonged, or holds more, meanwhile.
        """
        prefix = CLAIMED + claim
        most = max(min(PAGE, self.store.capabilities.largest_batch), 1)
        while rows := await self.store.scan(SPACE, prefix, prefix_end(prefix), limit=most):
            batch = Batch(deletes=[(SPACE, key) for key, _ in rows])
            batch.expect(*key_of(CLAIM, claim), raw)
            await self.store.commit(batch)
        batch = Batch(deletes=[key_of(CLAIM, claim)])
        batch.expect(*key_of(CLAIM, claim), raw)
        batch.expect_count(SPACE, prefix, prefix_end(prefix), 0)
        await self.store.commit(batch)

    async def claims(self) -> list[tuple[bytes, bytes]]:
        """Return all claims, each with its row."""
        rows = [row async for row in scan_all(self.store, CLAIM)]
        return [(key[1:], raw) for key, raw in rows]

    async def names_claimed(self, claim: bytes) -> set[bytes]:
        return {name_in(key) async for key, _ in scan_all(self.store, CLAIMED + claim)}

    def _files(self) -> BlockFiles:
        if self.files is None:
            raise Unavailable("blocks of this store lie in files that are not open", remedy="open it with its files")
        return self.files


def touch(batch: Batch, ledger: Mapping[bytes, bytes]) -> None:
    """Add to a batch that these blocks, with their ledger rows as read, are referred to or claimed anew."""
    for name, raw in ledger.items():
        batch.expect(*key_of(LEDGER, name), raw)
        batch.put(*key_of(LEDGER, name), LedgerRow.unpack(raw).touched().pack())


async def again(attempt: Callable[[], Awaitable[R]]) -> R:
    """Make a change of blocks, and make it again when another one of the same blocks came between."""
    for _ in range(ATTEMPTS):
        try:
            return await attempt()
        except Conflict as error:
            if error.details.get("space") != SPACE:
                raise
            await asyncio.sleep(0)
    raise Conflict("these blocks are being changed by too many at once", remedy="try again")


def absent(name: bytes) -> NotFound:
    return NotFound(
        f"the block {short_name(name)} is not here", remedy="restore it from a copy, or put it again", block=name.hex()
    )


async def scan_all(store: Store, prefix: bytes) -> AsyncIterator[tuple[bytes, bytes]]:
    """Yield all rows of this space whose keys begin with a prefix."""
    start, end = prefix, prefix_end(prefix)
    while True:
        rows = await store.scan(SPACE, start, end, limit=PAGE)
        for row in rows:
            yield row
        if len(rows) < PAGE:
            return
        start = rows[-1][0] + b"\0"


def _groups(
    names: Iterable[bytes], most: int, most_bytes: int = 0, size: Callable[[bytes], int] = lambda name: 0
) -> Iterator[list[bytes]]:
    """Yield names in groups of at most so many, and at most so many bytes unless it is a single one."""
    group: list[bytes] = []
    total = 0
    for name in names:
        if group and (len(group) == most or total + size(name) > most_bytes):
            yield group
            group, total = [], 0
        group.append(name)
        total += size(name)
    if group:
        yield group
