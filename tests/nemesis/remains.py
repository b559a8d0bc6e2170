"""Blocks in the stores of a cluster: what a state leads to is in some store, what nothing has any use for in none.

What a state leads to is found here by reading all of them, and not as the collector does it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import NamedTuple

from emerge_wasm.blocks.block import short_name
from emerge_wasm.blocks.block_map import BlockMap
from emerge_wasm.filesystem.blocks.blocks import CLAIM_SECONDS, Blocks, now_micros
from emerge_wasm.filesystem.blocks.collector import collect
from emerge_wasm.filesystem.blocks.hold import held_for_others
from emerge_wasm.filesystem.blocks.large_state import STATES, recipe_of

LATER = 2 * CLAIM_SECONDS * 1_000_000


class Remains(NamedTuple):
    """The blocks that one store has, those to which its states lead, and what is left for nothing."""

    here: set[bytes]
    needed: set[bytes]
    faults: list[str]


async def remains_of(blocks: Blocks) -> Remains:
    """Collect as if all claims had ended, and look at what is there."""
    await collect(blocks, now_micros() + LATER)
    needed = await _needed(blocks)
    listed: set[bytes] = set()
    last = b""
    while page := await blocks.page(last):
        last = page[-1][0]
        listed.update(name for name, _ in page)
    unused = listed - needed
    unused -= await held_for_others(blocks, unused)
    faults = [f"the block {short_name(name)} is left, though nothing has any use for it" for name in sorted(unused)]
    files = [file async for file in _files(blocks)]
    faults += [f"the file {file} is left" for file in files if bytes.fromhex(file.partition("-")[0]) not in listed]
    return Remains(await blocks.has(listed), needed, faults)


def gone(some: Iterable[Remains], all: Iterable[Remains]) -> Iterator[str]:
    """Yield what is in none of `all` stores, though a state in one of `some` leads to it."""
    here = set().union(*(each.here for each in all))
    for name in sorted(set().union(*(each.needed for each in some)) - here):
        yield f"the block {short_name(name)} is gone, though a state leads to it"


async def _files(blocks: Blocks) -> AsyncIterator[str]:
    last = ""
    while blocks.files is not None and (page := await blocks.files.page(last)):
        last = page[-1]
        for file in page:
            yield file


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
