"""Repair of one object: each of its blocks is read where it is, and made again if it is lost or damaged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

from ...blocks.block_map import BlockMap, BlockRow
from ...context import Context
from ...errors import Invalid, NotFound
from ...results import FileBlock
from ..blocks.large_state import STATES, recipe_of
from ..core import Core
from ..files.kept import look
from ..layout.record import version_key
from ..tree.find import Found, find
from .mend import Mended, at_once, mend_blocks, mend_row
from .surplus import give_up_surplus, may_have_surplus

ROWS_AT_ONCE = 16
"""Blocks that are looked at together."""


async def repair(core: Core, context: Context, path: str, version: int) -> AsyncIterator[FileBlock]:
    found = await find(core, context, path, "r", version, "")
    if found.entry.is_directory:
        raise Invalid(f"{found.path} is a directory", path=found.path, remedy="repair what is in it, one by one")
    (raw,) = await core.blocks.store.get([(STATES, version_key(found.entry.uuid, found.entry.content))])
    recipe = recipe_of(raw) if raw is not None else None
    if recipe is None:
        return
    claimant = f"repair {uuid4().hex}"
    try:
        await _claim(core, found, recipe.names(), claimant)
        for row in await _repair_large(core, list(recipe.parts)):
            yield row
        for root in recipe.roots:
            async for row in _repair_tree(core, root, claimant):
                yield row
    finally:
        await core.blocks.let_go(claimant)


async def _claim(core: Core, found: Found, names: set[bytes], claimant: str) -> None:
    """Claim what a state refers to, so that nothing of it goes meanwhile. Raises NotFound if it has gone before."""
    if await core.blocks.claim(names, claimant) != names:
        key = version_key(found.entry.uuid, found.entry.content)
        if (await core.blocks.store.get([(STATES, key)]))[0] is None:
            raise NotFound(f"version {found.entry.version} of {found.path} is not kept any more", path=found.path)


async def _repair_large(core: Core, parts: list[bytes | tuple[bytes, int]]) -> list[FileBlock]:
    """Repair the large values of a state; a row's offset is that in the state."""
    rows: list[FileBlock] = []
    offset = 0
    for part in parts:
        if isinstance(part, bytes):
            offset += len(part)
            continue
        name, size = part
        amiss = await core.blocks.unsound([name])
        done = await mend_blocks(core, amiss)
        rows.append(_row(BlockRow(name, size), offset, done))
        offset += size
    return rows


async def _repair_tree(core: Core, root: bytes, claimant: str) -> AsyncIterator[FileBlock]:
    """Repair the tree of a file; what stands below a node that cannot be had is one row."""
    offset = 0
    surplus: set[bytes] = set()
    pending = [BlockRow(root, 0)]
    while pending:
        top = pending.pop()
        await core.blocks.claim([root], claimant)
        amiss = await core.blocks.unsound([top.name])
        done = await mend_blocks(core, amiss)
        if amiss:
            yield _row(top, offset, done)
        if done.lost:
            offset += top.size
            continue
        node = BlockMap.unpack((await core.blocks.read([top.name]))[0])
        if node.level:
            pending += reversed(node.rows)
            continue
        for begin in range(0, len(node.rows), ROWS_AT_ONCE):
            rows = node.rows[begin : begin + ROWS_AT_ONCE]
            kept = await look(core, [name for row in rows for name in row.kept], verify=True)
            for row in rows:
                mended = await mend_row(core, node.layout, row, kept, at_once)
                surplus |= set() if mended.left else may_have_surplus(node.layout, row.kept, kept)
                yield _row(row, offset, mended)
                offset += row.size
    await give_up_surplus(core, surplus)


def _row(row: BlockRow, offset: int, done: Mended) -> FileBlock:
    return {
        "name": row.name.hex(),
        "offset": offset,
        "size": row.size,
        "fragments": [each.hex() for each in row.fragments],
        "state": "lost" if done.lost else "repairable" if done.left else "repaired" if done.made else "here",
        "amiss": {each.hex(): how for each, how in done.left.items()},
        "made": {each.hex(): how for each, how in done.made.items()},
    }
