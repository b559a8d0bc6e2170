"""The maps of blocks of a filesystem, read one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ...blocks.block_map import BlockMap
from ...errors import EmergeError, Unavailable
from ..blocks.blocks import scan_all
from ..blocks.row import MAP
from ..core import Core


async def leaves(core: Core) -> AsyncIterator[BlockMap]:
    """Yield the nodes of the maps here that list blocks."""
    async for node in map_nodes(core):
        if not node.level:
            yield node


async def map_nodes(core: Core) -> AsyncIterator[BlockMap]:
    """Yield the nodes of the maps here, as far as they can be had."""
    async for key, _ in scan_all(core.blocks.store, MAP):
        node = await _node(core, key[len(MAP) :])
        if node is not None:
            yield node
        await asyncio.sleep(0)


async def _node(core: Core, name: bytes) -> BlockMap | None:
    """Return a node of a map; None for one that cannot be had, or is none."""
    try:
        return BlockMap.unpack((await core.blocks.read([name]))[0])
    except Unavailable:
        raise
    except EmergeError:
        return None
