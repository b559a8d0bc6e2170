"""Blocks that are left in a store of which nothing has any use: what was sent in vain goes once its claim has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator

from emerge_wasm.blocks.block import short_name
from emerge_wasm.blocks.block_map import BlockMap
from emerge_wasm.filesystem.blocks.blocks import CLAIM_SECONDS, Blocks, now_micros
from emerge_wasm.filesystem.blocks.collector import collect
from emerge_wasm.filesystem.blocks.large_state import STATES, recipe_of

LATER = 2 * CLAIM_SECONDS * 1_000_000


async def left_over(blocks: Blocks) -> AsyncIterator[str]:
    """Collect as if all claims had ended; yield what is left though no state leads to it, or gone though one does.

    What a state leads to is found here by reading all of them, and not as the collector does it.
    """
    await collect(blocks, now_micros() + LATER)
    needed = await _needed(blocks)
    here: set[bytes] = set()
    while page := await blocks.page(max(here, default=b"")):
        here.update(name for name, _ in page)
    for name in sorted(here - needed):
        yield f"the block {short_name(name)} is left, though nothing has any use for it"
    for name in sorted(needed - await blocks.has(needed)):
        yield f"the block {short_name(name)} is gone, though a state has use for it"
    last = ""
    while blocks.files is not None and (files := await blocks.files.page(last)):
        last = files[-1]
        for file in files:
            if bytes.fromhex(file.partition("-")[0]) not in here:
                yield f"the file {file} is left, though there is no such block"


async def _needed(blocks: Blocks) -> set[bytes]:
    """The names of all blocks to which a state leads."""
    needed: set[bytes] = set()
    pending: list[bytes] = []
    start = b""
    while rows := await blocks.store.scan(STATES, start, limit=100):
        start = rows[-1][0] + b"\0"
        recipes = [recipe for _, raw in rows if (recipe := recipe_of(raw)) is not None]
        needed.update(name for recipe in recipes for name in recipe.names())
        pending += [root for recipe in recipes for root in recipe.roots]
    seen: set[bytes] = set()
    while pending:
        name = pending.pop()
        if name in seen or not await blocks.has([name]):
            continue
        seen.add(name)
        node = BlockMap.unpack((await blocks.read([name]))[0])
        needed.update(each for row in node.rows for each in row.kept)
        if node.level:
            pending += [row.name for row in node.rows]
    return needed
