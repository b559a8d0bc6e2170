"""Blocks of a file as they are read: those that the caller may read, verified, with what is lost or damaged by name."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...blocks.block import block_name
from ...blocks.block_map import BlockMap, BlockRow
from ...blocks.layout import make_layout
from ...context import Context
from ...errors import Invalid, NotFound
from ...operations import Names
from ...results import BlockAnswer, BlockFault, BlockState, FileBlock
from ..core import Core
from ..tree.find import find
from .tree import content_of, file_content, names_below, nodes
from .upload import check_names

LOST: BlockFault = "lost"
BLOCKS_AT_ONCE = 64
BYTES_AT_ONCE = 4 << 20
"""Bytes of blocks at which an answer ends, so that it fits into any transport's message."""


async def getblocks(core: Core, context: Context, path: str, names: Names, version: int, as_of: str) -> BlockAnswer:
    found = await find(core, context, path, "r", version, as_of)
    content = await content_of(core, found.entry, found.path)
    wanted = check_names(names, BLOCKS_AT_ONCE, path)
    known = await names_below(core, content.root) if any(each != content.root for each in wanted) else {content.root}
    if foreign := [each for each in wanted if each not in known]:
        raise NotFound(f"{found.path} has no block {foreign[0].hex()[:12]}", path=found.path, block=foreign[0].hex())
    answer: BlockAnswer = {"blocks": {}, "lost": {}}
    size = 0
    for each in wanted:
        if size >= BYTES_AT_ONCE:
            break  # whoever asked asks again for the rest
        try:
            data = (await core.blocks.read([each]))[0]
        except (NotFound, Invalid) as error:
            answer["lost"][each.hex()] = error.message
        else:
            answer["blocks"][each.hex()] = data
            size += len(data)
    return answer


async def blocks(
    core: Core, context: Context, path: str, verify: bool, version: int, as_of: str
) -> AsyncIterator[FileBlock]:
    found = await find(core, context, path, "r", version, as_of)
    content = await file_content(core, found.entry, found.path)
    if isinstance(content, bytes):
        for block in _inline_block(content):
            yield block
        return
    offset = 0
    async for node in nodes(core, content.root):
        if node.level:
            continue
        names = [name for row in node.rows for name in row.kept]
        here = set(names) if verify else await core.blocks.has(names)
        for row in node.rows:
            amiss = await core.blocks.unsound(row.kept) if verify else dict.fromkeys(set(row.kept) - here, LOST)
            yield _file_block(node, row, offset, amiss)
            offset += row.size


def _inline_block(content: bytes) -> list[FileBlock]:
    """Show a file that is kept inline as one block."""
    row = BlockRow(block_name(content), len(content))
    return [_file_block(BlockMap(make_layout(), 0, (row,)), row, 0, {})] if content else []


def _file_block(node: BlockMap, row: BlockRow, offset: int, amiss: dict[bytes, BlockFault]) -> FileBlock:
    spare = node.layout.parity if row.fragments else 0
    state: BlockState = "here" if not amiss else "repairable" if len(amiss) <= spare else "lost"
    return {
        "name": row.name.hex(),
        "offset": offset,
        "size": row.size,
        "fragments": [each.hex() for each in row.fragments],
        "state": state,
        "amiss": {each.hex(): how for each, how in amiss.items()},
    }
