"""Check that every block is whole, and is there where a state or a map of blocks names it. See `audit.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection

from ...blocks.block import names_in_map, short_name
from ...errors import EmergeError
from ...store import Store, prefix_end
from ..blocks.blocks import Blocks, scan_all
from ..blocks.elsewhere import where
from ..blocks.large_state import STATES, recipe_of
from ..blocks.row import FRAME, LEDGER, MAP, OF_CLAIM, RECIPE, SPACE, LedgerRow, key_of, name_in

PAGE = 8
"""Frames that are read at a time."""


async def block_faults(store: Store, blocks: Blocks) -> AsyncIterator[str]:
    """Yield the faults, a line each. A block that nothing keeps is none: it waits for its collection."""
    async for text in _ledger_faults(store, blocks):
        yield text
    async for text in _frame_faults(store, blocks):
        yield text
    async for text in _reference_faults(store, blocks):
        yield text
    claims = {claim for claim, _ in await blocks.claims()}
    for kind in OF_CLAIM:
        async for key, _ in scan_all(store, kind):
            if key[1:17] not in claims:
                yield f"a claim that ended still holds the block {short_name(name_in(key))}"


async def _ledger_faults(store: Store, blocks: Blocks) -> AsyncIterator[str]:
    """Check the blocks that the ledger names: those in files as a whole, of those in the store that they are there."""
    async for key, raw in scan_all(store, LEDGER):
        name, row = key[len(LEDGER) :], LedgerRow.unpack(raw)
        if row.generation:
            try:
                if await blocks.has([name]):  # else whoever brings it has not written it yet
                    await blocks.read([name])
            except EmergeError as error:
                yield error.message
        else:
            at = FRAME + name
            rows = await store.scan(SPACE, at, at + b"\0", limit=1)
            if not rows:
                yield f"the block {short_name(name)} is lost"


async def _frame_faults(store: Store, blocks: Blocks) -> AsyncIterator[str]:
    start, end = FRAME, prefix_end(FRAME)
    while True:
        rows = await store.scan(SPACE, start, end, limit=PAGE)
        ledger = await store.get([key_of(LEDGER, key[len(FRAME) :]) for key, _ in rows])
        for (key, frame), raw in zip(rows, ledger, strict=True):
            name = key[len(FRAME) :]
            if raw is None:
                yield f"the block {short_name(name)} is in no ledger"
            try:
                blocks.unpack(name, frame)
            except EmergeError as error:
                yield error.message
        if len(rows) < PAGE:
            return
        start = rows[-1][0] + b"\0"


async def _reference_faults(store: Store, blocks: Blocks) -> AsyncIterator[str]:
    start = b""
    while True:
        rows = await store.scan(STATES, start, limit=PAGE)
        for key, value in rows:
            try:
                recipe = recipe_of(value)
            except EmergeError as error:
                yield f"the state {int.from_bytes(key[16:], 'big')} of {key[:16].hex()}: {error.message}"
                continue
            what = f"the state {int.from_bytes(key[16:], 'big')} of {key[:16].hex()}"
            if recipe is not None and (await store.get([key_of(RECIPE, key)]))[0] is None:
                yield f"{what} has blocks, and is not listed as one that has"
            for text in await _missing(blocks, recipe.names() if recipe is not None else (), what):
                yield text
        if len(rows) < PAGE:
            break
        start = rows[-1][0] + b"\0"
    async for key, _ in scan_all(store, MAP):
        name = key[len(MAP) :]
        try:
            (data,) = await blocks.read([name])
            names = names_in_map(data)
        except EmergeError as error:
            yield f"the map of blocks {short_name(name)} cannot be read: {error.message}"
            continue
        for text in await _missing(blocks, names, f"the map of blocks {short_name(name)}"):
            yield text


async def _missing(blocks: Blocks, names: Collection[bytes], what: str) -> list[str]:
    here = await blocks.has(names) if names else set()
    here |= {name for name, holders in (await where(blocks, set(names) - here)).items() if holders}
    return [f"{what} names the block {short_name(name)}, which is missing" for name in names if name not in here]
