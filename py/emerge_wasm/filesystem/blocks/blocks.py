"""Keep blocks, each once, for those who refer to them or claim them. Awaits a store, and perhaps files beside it.

A claim holds blocks until a reference does: claim, put, refer, release. One that is not used for `CLAIM_SECONDS` ends;
that of who says again and again that it goes on (`LIVE`), after `LIVE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from ...block_files import BlockFiles
from ...blocks.block import block_name, names_in_map, short_name
from ...blocks.cipher import BlockCipher
from ...blocks.frame import from_frame, is_current, to_frame
from ...blocks.upload import LIVE_SECONDS
from ...errors import Conflict, EmergeError, Invalid, NotFound, Unavailable
from ...results import BlockFault
from ...store import Batch, Store, prefix_end
from .row import (
    CLAIM,
    CLAIMED,
    DITTO,
    FRAME,
    KEY,
    LEDGER,
    MAP,
    OF_CLAIM,
    PROMISED,
    SPACE,
    ClaimRow,
    LedgerRow,
    claim_id,
    claimed_key,
    key_of,
    name_in,
)

R = TypeVar("R")

_log = logging.getLogger("emerge.filesystem")

CLAIM_SECONDS = 3600
LIVE = "live "
"""What the names of those claimants begin with."""

ATTEMPTS = 50
PAGE = 500
COMMIT_BYTES = 16 << 20
"""Bytes of blocks that are committed at a time."""


def now_micros() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000_000)


def claim_seconds(claimant: str) -> int:
    """Return how long a claim holds that is not used."""
    return LIVE_SECONDS if claimant.startswith(LIVE) else CLAIM_SECONDS


class Blocks:
    """The blocks of one store. Those that are put go to `files`, if there are any, else into the store's own rows; they
    are encrypted if there is a `cipher`."""

    def __init__(self, store: Store, files: BlockFiles | None = None, cipher: BlockCipher | None = None) -> None:
        self.store = store
        self.files = files
        self.cipher = cipher
        self.on_claim: Callable[[], None] = lambda: None
        """Called when something was claimed or put, which may never be referred to, and when a claim ends."""

    # --- encryption
    async def begin(self) -> None:
        """Note with which key blocks are encrypted from now on.

        Raises:
            Invalid: some are, and there is no key: new ones would not be.
        """
        rows = [key[len(KEY) :] async for key, _ in scan_all(self.store, KEY)]
        if self.cipher is None:
            if rows:
                raise Invalid(
                    f"the blocks of this store are encrypted (key {rows[0].hex()}), and no key is named",
                    remedy="name its file: STORE-URL?block_key=FILE",
                )
            return
        for known in set(rows) - self.cipher.ids:
            _log.warning("blocks that are encrypted with the key %s cannot be read: it is not at hand", known.hex())
        if self.cipher.current not in rows:
            batch = Batch()
            batch.put(*key_of(KEY, self.cipher.current), b"")
            await self.store.commit(batch)

    async def renew(self, names: Collection[bytes]) -> int:
        """Encrypt those of these blocks with the key in use that are not yet; how many."""
        if self.cipher is None:
            return 0
        dittos = await self.store.get([key_of(DITTO, name) for name in names])
        old = {name for name, frame in (await self.frames(names)).items() if not is_current(frame, self.cipher)}
        old |= {
            name
            for name, ditto in zip(names, dittos, strict=True)
            if ditto is not None and not is_current(ditto, self.cipher)
        }
        if old:
            blocks = dict(zip(old, await self.read(old), strict=True))
            maps = await self.store.get([key_of(MAP, name) for name in old])
            await self._put(blocks, [name for name, mark in zip(old, maps, strict=True) if mark is not None], anew=old)
        return len(old)

    def _pack(self, name: bytes, data: bytes) -> bytes:
        return to_frame(name, data, self.cipher)

    def unpack(self, name: bytes, frame: bytes) -> bytes:
        """Return the block in its stored form; errors are those of `from_frame`."""
        return from_frame(name, frame, self.cipher)

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
        frames = await self.frames(wanted)
        return [await self._unpacked(name, frames.get(name)) for name in wanted]

    async def _unpacked(self, name: bytes, frame: bytes | None) -> bytes:
        """Return a block, of its other copy where its frame is absent or damaged and it is a map."""
        try:
            if frame is None:
                raise absent(name)
            return self.unpack(name, frame)
        except (NotFound, Invalid):
            (ditto,) = await self.store.get([key_of(DITTO, name)])
            if ditto is None:
                raise
            return self.unpack(name, ditto)

    async def frames(self, names: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the stored forms of those of these blocks that are here, unverified."""
        wanted = list(names)
        frames = await self.store.get([key_of(FRAME, name) for name in wanted])
        found = {name: frame for name, frame in zip(wanted, frames, strict=True) if frame is not None}
        missing = [name for name in wanted if name not in found]
        return found | (await self._read_files(missing) if missing and self.files is not None else {})

    async def unsound(self, names: Iterable[bytes]) -> dict[bytes, BlockFault]:
        """Read these blocks and compare their hashes; return those that are lost or damaged, one after the other.

        A map is sound when both of its copies are. What cannot be read now is an error, and not unsound.
        """
        found: dict[bytes, BlockFault] = {}
        for name in names:
            if fault := await self._fault(name):
                found[name] = fault
            await asyncio.sleep(0)
        return found

    async def _fault(self, name: bytes) -> BlockFault | None:
        is_map, ditto = await self.store.get([key_of(MAP, name), key_of(DITTO, name)])
        kept = [(await self.frames([name])).get(name), *([ditto] if is_map is not None else [])]
        fault: BlockFault | None = None
        for frame in kept:
            if frame is None:
                return "lost"
            try:
                self.unpack(name, frame)
            except Invalid:
                fault = "damaged"
        return fault

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
        for some in groups(dict.fromkeys(names), most):
            held |= await self._claim(some, claimant)
        return held

    async def _claim(self, names: list[bytes], claimant: str) -> set[bytes]:
        async def attempt() -> set[bytes]:
            batch = Batch()
            here = await self.ledger(names)
            if here:
                await self.claim_in(batch, claimant, here)
                touch(batch, here)
                await self.store.commit(batch)
            return set(here)

        return await again(attempt)

    async def put(self, blocks: Mapping[bytes, bytes], claimant: str, *, maps: bool = False) -> None:
        """Keep and claim blocks, by their names, durably when this returns; of those that are here, only what is
        damaged is written.

        `maps`: they are maps of blocks, and what each names must have been claimed by the same claimant before.

        Raises:
            Invalid: the bytes are not those of the name, or no map.
            Conflict: a map names a block that this claimant has not claimed, or whose claim ended.
        """
        check_blocks(blocks)
        kept = set().union(*(names_in_map(data) for data in blocks.values())) if maps else set()
        for some in self._groups_to_put(blocks):
            await self._put(some, blocks if maps else (), claimant, kept)

    async def remake(self, blocks: Mapping[bytes, bytes]) -> None:
        """Write blocks that something refers to where they are lost or damaged. Raises Invalid as `put` does."""
        check_blocks(blocks)
        for some in self._groups_to_put(blocks):
            marks = await self.store.get([key_of(MAP, name) for name in some])
            await self._put(some, [name for name, mark in zip(some, marks, strict=True) if mark is not None])

    def _groups_to_put(self, blocks: Mapping[bytes, bytes]) -> Iterator[dict[bytes, bytes]]:
        most = max((self.store.capabilities.largest_batch - 2) // 5, 1)
        for some in groups(blocks, most, COMMIT_BYTES, lambda name: len(blocks[name])):
            yield {name: blocks[name] for name in some}

    async def _put(
        self,
        blocks: Mapping[bytes, bytes],
        maps: Collection[bytes],
        claimant: str = "",
        kept: Collection[bytes] = (),
        anew: Collection[bytes] | None = None,
    ) -> None:
        async def refer(batch: Batch) -> None:
            if claimant:
                await self.claim_in(batch, claimant, blocks)
                await self._check_claimed(kept, claimant)
            for name in blocks.keys() & set(maps):
                batch.put(*key_of(MAP, name), b"")
                batch.put(*key_of(DITTO, name), self._pack(name, blocks[name]))

        await self.write(blocks, refer, anew)

    async def write(
        self,
        blocks: Mapping[bytes, bytes],
        refer: Callable[[Batch], Awaitable[None]],
        anew: Collection[bytes] | None = None,
    ) -> None:
        """Write blocks in a commit to which `refer` adds what keeps them; those that are here when they are damaged, or
        are in `anew`."""

        async def attempt() -> dict[str, bytes]:
            batch = Batch()
            await refer(batch)
            renewed = await self.unsound(await self.has(blocks)) if anew is None else anew
            written = await self.enlist(batch, blocks, apart=self.files is not None, anew=renewed)
            await self.store.commit(batch)
            return written

        written = await again(attempt)
        if written:
            await self._files().put(written)

    async def _check_claimed(self, names: Collection[bytes], claimant: str) -> None:
        unclaimed = set(names) - await self.claimed(names, claimant)
        if unclaimed:
            name = min(unclaimed)
            raise Conflict(
                f"a map names the block {short_name(name)}, which is not claimed for it",
                remedy="put the file again: the upload had ended",
                block=name.hex(),
            )

    async def enlist(
        self, batch: Batch, blocks: Mapping[bytes, bytes], *, apart: bool = False, anew: Collection[bytes] = ()
    ) -> dict[str, bytes]:
        """Add to a batch that these blocks are here; return the files to write once it is committed.

        `anew`: those that are written again where they are.
        """
        raws = await self.store.get([key_of(LEDGER, name) for name in blocks])
        known = {name: raw for name, raw in zip(blocks, raws, strict=True) if raw is not None}
        touch(batch, known)
        rows = {name: LedgerRow.unpack(raw) for name, raw in known.items()}
        files = {name: row.file(name) for name, row in rows.items() if row.generation}
        renewed = {*anew, *await self._lost(files)}
        written = {file: self._pack(name, blocks[name]) for name, file in files.items() if name in renewed}
        inside = [name for name in known if name in renewed and name not in files]
        batch.puts += [(*key_of(FRAME, name), self._pack(name, blocks[name])) for name in inside]
        for name in blocks.keys() - known.keys():
            row = LedgerRow.fresh(len(blocks[name]), apart)
            batch.expect(*key_of(LEDGER, name), None)
            batch.put(*key_of(LEDGER, name), row.pack())
            if apart:
                written[row.file(name)] = self._pack(name, blocks[name])
            else:
                batch.put(*key_of(FRAME, name), self._pack(name, blocks[name]))
        return written

    async def claim_in(self, batch: Batch, claimant: str, names: Iterable[bytes], kind: bytes = CLAIMED) -> None:
        """Add to a batch that a claim holds these (by `kind`: is about to), and is prolonged if it is to end soon."""
        self.on_claim()
        claim = claim_id(claimant)
        key = key_of(CLAIM, claim)
        (raw,) = await self.store.get([key])
        batch.expect(*key, raw)
        seconds = claim_seconds(claimant)
        until = now_micros() + seconds * 1_000_000
        if raw is None or ClaimRow.unpack(raw).until < until - seconds * 500_000:
            batch.put(*key, ClaimRow.fresh(until).pack())
        batch.puts += [(*claimed_key(claim, name, kind), b"") for name in names]

    async def claimed(self, names: Collection[bytes], claimant: str, kind: bytes = CLAIMED) -> set[bytes]:
        """Tell which of these blocks this claimant has claimed."""
        claim, wanted = claim_id(claimant), list(names)
        raws = await self.store.get([claimed_key(claim, name, kind) for name in wanted]) if wanted else []
        return {name for name, raw in zip(wanted, raws, strict=True) if raw is not None}

    async def prolong(self, claimant: str) -> None:
        """Let a claim, if there is one, hold from now on as long as a new one."""
        key = key_of(CLAIM, claim_id(claimant))

        async def attempt() -> None:
            (raw,) = await self.store.get([key])
            if raw is not None:
                batch = Batch()
                batch.expect(*key, raw)
                batch.put(*key, ClaimRow.fresh(now_micros() + claim_seconds(claimant) * 1_000_000).pack())
                await self.store.commit(batch)

        await again(attempt)

    async def release(self, claimant: str) -> None:
        """End a claim: what nothing else holds or refers to may be collected."""
        self.on_claim()
        key = key_of(CLAIM, claim_id(claimant))

        async def attempt() -> None:
            (raw,) = await self.store.get([key])
            if raw is not None:
                await self.end_claim(key[1][1:], raw)

        await again(attempt)

    async def let_go(self, claimant: str) -> None:
        """End a claim as `release` does; where the store is away it ends in its time. For who has made a change."""
        try:
            await self.release(claimant)
        except EmergeError as error:
            _log.info("a claim on blocks ends in its time: %s", error)

    async def end_claim(self, claim: bytes, raw: bytes) -> None:
        """Remove a claim as it was read, its own row last, so that one who begins it again finds nothing left of it.

        Raises:
            Conflict: it was prolonged, or holds more, meanwhile.
        """
        prefixes = [kind + claim for kind in OF_CLAIM]
        most = max(min(PAGE, self.store.capabilities.largest_batch), 1)
        for prefix in prefixes:
            while rows := await self.store.scan(SPACE, prefix, prefix_end(prefix), limit=most):
                batch = Batch(deletes=[(SPACE, key) for key, _ in rows])
                batch.expect(*key_of(CLAIM, claim), raw)
                await self.store.commit(batch)
        batch = Batch(deletes=[key_of(CLAIM, claim)])
        batch.expect(*key_of(CLAIM, claim), raw)
        for prefix in prefixes:
            batch.expect_count(SPACE, prefix, prefix_end(prefix), 0)
        await self.store.commit(batch)

    async def claims(self) -> list[tuple[bytes, bytes]]:
        """Return all claims, each with its row."""
        rows = [row async for row in scan_all(self.store, CLAIM)]
        return [(key[1:], raw) for key, raw in rows]

    async def names_claimed(self, claim: bytes) -> set[bytes]:
        """Return the names of all blocks that a claim holds, or is about to have held by others."""
        found = {name_in(key) async for key, _ in scan_all(self.store, PROMISED + claim)}
        return found | {name_in(key) async for key, _ in scan_all(self.store, CLAIMED + claim)}

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


def check_blocks(blocks: Mapping[bytes, bytes]) -> None:
    """Raise Invalid for a block that is not what its name says."""
    for name, data in blocks.items():
        if block_name(data) != name:
            raise Invalid(
                f"these {len(data)} bytes are not the block {short_name(name)}: it was damaged on its way",
                remedy="send it again",
            )


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


def groups(
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
