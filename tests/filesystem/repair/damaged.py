"""Files of small blocks, and what a bad disk does to what is kept of them."""

from __future__ import annotations

import random
from collections.abc import Iterable

from emerge_wasm.blocks.block import block_name
from emerge_wasm.blocks.block_map import BlockMap, BlockRow, MapBuilder
from emerge_wasm.blocks.layout import Layout, split
from emerge_wasm.clients import Client
from emerge_wasm.filesystem.blocks.blocks import Blocks
from emerge_wasm.filesystem.blocks.row import DITTO, FRAME, LEDGER, LedgerRow, key_of
from emerge_wasm.store import Batch, Key

FANOUT = 4
"""Rows of a map's node, so that there are several levels."""


async def put_file(client: Client, path: str, layout: Layout, datas: Iterable[bytes]) -> bytes:
    """Put a file of these blocks; the name of its map's root."""
    builder, kept = MapBuilder(layout, FANOUT), dict[str, bytes]()
    nodes: list[bytes] = []
    for data in datas:
        fragments = split(layout, data)
        row = BlockRow(block_name(data), len(data), tuple(map(block_name, fragments)))
        kept |= zip([name.hex() for name in row.kept], fragments or [data], strict=True)
        nodes += builder.add(row)
    nodes += builder.end()
    if kept:
        await client.remote.putblocks(path, kept, "small")
    for node in nodes:
        await client.remote.putblocks(path, {block_name(node).hex(): node}, "small", True)
    await client.remote.putfile(path, block_name(nodes[-1]).hex(), "small")
    return block_name(nodes[-1])


async def tree_of(blocks: Blocks, root: bytes) -> tuple[list[bytes], list[BlockRow]]:
    """The names of all nodes of a map, and the rows of its blocks."""
    node = BlockMap.unpack((await blocks.read([root]))[0])
    if not node.level:
        return [root], list(node.rows)
    names, rows = [root], list[BlockRow]()
    for row in node.rows:
        below, found = await tree_of(blocks, row.name)
        names, rows = names + below, rows + found
    return names, rows


async def spoil(blocks: Blocks, name: bytes, how: str, source: random.Random) -> None:
    """Do to what is kept under a name what disks do: `flip` a bit, `cut` or `empty` it, or let it be `gone`; or let
    nothing be known of it (`forgotten`)."""
    key = key_of(LEDGER, name)
    (raw,) = await blocks.store.get([key])
    row = LedgerRow.unpack(raw or b"")
    if how == "forgotten":
        await blocks.store.commit(Batch(deletes=[key, key_of(FRAME, name)]))
    elif row.generation:
        assert blocks.files is not None
        (held,) = await blocks.files.get([row.file(name)])
        await blocks.files.delete([row.file(name)])
        if held and how != "gone":
            await blocks.files.put({row.file(name): spoilt(held, how, source)})
    else:
        await spoil_row(blocks, key_of(FRAME, name), how, source)


async def spoil_ditto(blocks: Blocks, name: bytes, how: str, source: random.Random) -> None:
    """Do it to the second copy of a map."""
    await spoil_row(blocks, key_of(DITTO, name), how, source)


async def spoil_row(blocks: Blocks, key: Key, how: str, source: random.Random) -> None:
    (held,) = await blocks.store.get([key])
    gone = how in ("gone", "forgotten") or held is None
    batch = Batch(deletes=[key]) if gone else Batch(puts=[(*key, spoilt(held or b"", how, source))])
    await blocks.store.commit(batch)


def spoilt(held: bytes, how: str, source: random.Random) -> bytes:
    if how == "empty":
        return b""
    if how == "cut":
        return held[: source.randrange(len(held))]
    at = source.randrange(8 * len(held))
    return held[: at // 8] + bytes([held[at // 8] ^ 1 << at % 8]) + held[at // 8 + 1 :]
