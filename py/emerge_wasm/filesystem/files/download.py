"""Blocks of a file as they are read: those that the caller may read, verified, with what is lost or damaged by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from ...blocks.block import block_name
from ...blocks.block_map import BlockMap, BlockRow
from ...blocks.layout import make_layout
from ...context import Context
from ...errors import Invalid, NotFound
from ...operations import Names
from ...results import BlockAnswer, BlockFault, BlockHolders, BlockState, FileBlock
from ..blocks import elsewhere
from ..core import Core
from ..tree.find import find
from .fetch import fetch_blocks
from .holders import MISSED, holders_of
from .kept import look
from .placement import nodes_needed
from .tree import content_of, file_content, names_below, nodes
from .upload import check_names, node_rows

LOST: BlockFault = "lost"
BLOCKS_AT_ONCE = 64
ROWS_AT_ONCE = 256
"""Blocks of which holders are asked at a time."""


async def getblocks(
    core: Core, context: Context, path: str, names: Names, version: int, as_of: str, holder: str
) -> BlockAnswer:
    own = (await holders_of(core).own()).node
    if holder not in ("", own) and not context.transaction:  # in one, what others have comes by this way
        raise Invalid(f"there is no node {holder} that holds blocks", path=path, remedy="ask findblocks who has them")
    wanted = await _blocks_of(core, context, path, names, version, as_of)
    fetched = await fetch_blocks(core, wanted, others=holder != own)
    return block_answer(fetched.blocks, fetched.lost)


def block_answer(found: Mapping[bytes, bytes], lost: Mapping[bytes, str]) -> BlockAnswer:
    return {
        "blocks": {name.hex(): data for name, data in found.items()},
        "lost": {name.hex(): why for name, why in lost.items()},
    }


async def _blocks_of(core: Core, context: Context, path: str, names: Names, version: int, as_of: str) -> list[bytes]:
    """Return blocks of a file that the caller may read, by their names. Raises NotFound for one that it has not."""
    found = await find(core, context, path, "r", version, as_of)
    content = await content_of(core, found.entry, found.path)
    wanted = check_names(names, BLOCKS_AT_ONCE, path)
    known = await names_below(core, content.root) if any(each != content.root for each in wanted) else {content.root}
    if foreign := [each for each in wanted if each not in known]:
        raise NotFound(f"{found.path} has no block {foreign[0].hex()[:12]}", path=found.path, block=foreign[0].hex())
    return wanted


async def findblocks(
    core: Core, context: Context, path: str, names: Names, version: int, as_of: str, ask: bool
) -> BlockHolders:
    wanted = await _blocks_of(core, context, path, names, version, as_of)
    around = holders_of(core)
    own = await around.own()
    here = await core.blocks.has(wanted)
    having = {name: [own] * (name in here) for name in wanted}
    silent: list[str] = []
    if ask:
        MISSED.of(core).set()
        told = await around.find(wanted)
        silent = told.silent
        for name, holders in told.holders.items():
            having[name] += [each for each in holders if each not in having[name]]
    else:
        for name, filesystems in (await elsewhere.where(core.blocks, wanted)).items():
            having[name] += [around.named(each) for each in sorted(filesystems)]
    all = {each.node: each for holders in having.values() for each in holders}
    return {
        "holders": {name.hex(): list(dict.fromkeys(each.node for each in holders)) for name, holders in having.items()},
        "nodes": node_rows(all.values(), context),
        "silent": silent,
    }


async def blocks(
    core: Core, context: Context, path: str, verify: bool, version: int, as_of: str
) -> AsyncIterator[FileBlock]:
    found = await find(core, context, path, "r", version, as_of)
    content = await file_content(core, found.entry, found.path)
    if isinstance(content, bytes):
        for block in _inline_block(core, content):
            yield block
        return
    offset = 0
    async for node in nodes(core, content.root):
        if node.level:
            continue
        for begin in range(0, len(node.rows), ROWS_AT_ONCE):
            rows = node.rows[begin : begin + ROWS_AT_ONCE]
            kept = await _look(core, [name for row in rows for name in row.kept], verify)
            copies = 1 if holders_of(core).alone() or node.layout.fragments else nodes_needed(node.layout)
            for row in rows:
                yield _file_block(node, row, offset, {name: kept[name] for name in row.kept}, copies)
                offset += row.size


def _inline_block(core: Core, content: bytes) -> list[FileBlock]:
    """Show a file that is kept inline as one block."""
    row = BlockRow(block_name(content), len(content))
    kept = {row.name: {engine_or_node(core, core.node): None}}
    return [_file_block(BlockMap(make_layout(), 0, (row,)), row, 0, kept, 1)] if content else []


async def _look(core: Core, names: list[bytes], verify: bool) -> dict[bytes, dict[str, BlockFault | None]]:
    """Return who keeps each of these blocks, by the names of the nodes, and what is amiss with it there."""
    around = holders_of(core)
    known: dict[str, str] = {core.uuid: engine_or_node(core, (await around.own()).node)}
    found: dict[bytes, dict[str, BlockFault | None]] = {}
    for name, whom in (await look(core, names, verify)).items():
        found[name] = {known.setdefault(each, around.named(each).node): fault for each, fault in whom.items()}
    return found


def engine_or_node(core: Core, node: str) -> str:
    """Who keeps a block: the node, or the engine of a store that several nodes open, which has it for all of them."""
    engine = core.url.partition(":")[0]
    return f"store:{engine}" if core.store.capabilities.many_writers and engine else node


def _file_block(
    node: BlockMap, row: BlockRow, offset: int, kept: Mapping[bytes, Mapping[str, BlockFault | None]], copies: int
) -> FileBlock:
    good = {name: [who for who, fault in whom.items() if fault is None] for name, whom in kept.items()}
    amiss = {name: _fault(kept[name]) for name in row.kept if len(good[name]) < copies}
    lost = [name for name in row.kept if not good[name]]
    spare = node.layout.parity if row.fragments else 0
    state: BlockState = "lost" if len(lost) > spare else "repairable" if amiss else "here"
    return {
        "name": row.name.hex(),
        "offset": offset,
        "size": row.size,
        "fragments": [each.hex() for each in row.fragments],
        "state": state,
        "amiss": {each.hex(): how for each, how in amiss.items()},
        "holders": {each.hex(): list(kept[each]) for each in row.kept},
    }


def _fault(whom: Mapping[str, BlockFault | None]) -> BlockFault:
    """What is amiss with what is kept of a block: the worst that any holder says."""
    faults = set(whom.values())
    return "damaged" if "damaged" in faults else "away" if "away" in faults else LOST
