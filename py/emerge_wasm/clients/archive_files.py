"""Files in blocks, into an archive and out of it, a block at a time.

An archive holds the nodes of a file's map, and its blocks as they are: not the fragments that a raid level makes of
them, which are made again where they are loaded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from ..blocks.block import block_name, short_name
from ..blocks.block_map import BlockMap
from ..codec import BlockTree, decode, encode
from ..errors import Conflict, Invalid, NotFound, Unavailable
from ..objects import BLOB
from ..operations import Wire
from .file_reader import FileReader
from .file_writer import FileWriter
from .files import FileOperations
from .node_links import HolderCalls

ReadBlock = Callable[[bytes], bytes]
"""Returns a block of an archive by its name."""


class BlockMembers(Protocol):
    """The blocks that an archive has so far."""

    def has_block(self, name: bytes) -> bool: ...

    def put_block(self, name: bytes, data: bytes) -> None: ...


async def put_files(client: FileOperations, members: BlockMembers, root: str, record: Wire) -> None:
    """Add the blocks of all files among the versions of an object, given the path that is exported and its record."""
    for row in record["versions"]:
        tree = _tree_of(row)
        if tree is None or members.has_block(tree.root):
            continue
        path, reader = await _opened(client, root, record, row["version"])
        async with reader:
            if reader.root != tree.root:
                raise Conflict(f"{path} was changed meanwhile", path=path, remedy="export it again")
            await _put_tree(client, members, path, row["version"], tree.root, reader)


async def _opened(client: FileOperations, root: str, record: Wire, version: int) -> tuple[str, FileReader]:
    """Open a version of a file at its path, or, when it is moved meanwhile, by its uuid."""
    path = root.rstrip("/") + record["path"]
    ways = [path, f"/registry/{record['uuid']}"]
    for way in ways:
        try:
            pointer = await client.get(way)
            if pointer.uuid.replace("-", "") == record["uuid"]:
                return way, await client.open(way, version=version)
        except NotFound:
            continue
    raise NotFound(f"{path} is not there any more", path=path, remedy="export it again")


async def _put_tree(
    client: FileOperations, members: BlockMembers, path: str, version: int, name: bytes, reader: FileReader
) -> None:
    """Add a node of a map and all below it; the reader is where the node begins, and then where it ends."""
    data = await _node(client, path, version, name)
    node = BlockMap.unpack(data)
    for row in node.rows:
        if node.level:
            await _put_tree(client, members, path, version, row.name, reader)
        elif members.has_block(row.name):
            reader.seek(reader.tell() + row.size)
        else:
            block = await reader.read(row.size)
            if block_name(block) != row.name:
                raise Invalid(f"{path} has another block than its map says", path=path, block=row.name.hex())
            members.put_block(row.name, block)
    if not members.has_block(name):
        members.put_block(name, data)


async def _node(client: FileOperations, path: str, version: int, name: bytes) -> bytes:
    answer = await client.remote.getblocks(path, [name.hex()], version)
    data = answer["blocks"].get(name.hex())
    if data is None or block_name(data) != name:
        raise Unavailable(
            f"{path} cannot be exported: {answer['lost'].get(name.hex(), 'its block was damaged on its way')}",
            path=path,
            remedy="restore it from a copy: emerge verify says what is missing",
        )
    return data


async def send_files(calls: HolderCalls, read: ReadBlock, target: str, record: Wire, upload: str) -> None:
    """Send the blocks of all files among the versions of an object, for where it is about to be loaded.

    Where a raid level has other numbers there, as of a cluster with fewer nodes, the record says so then.
    """
    path = target.rstrip("/") + record["path"]
    for row in record["versions"]:
        tree = _tree_of(row)
        if tree is None:
            continue
        writer = FileWriter(calls, path, BlockMap.unpack(_read(read, tree.root)).layout, upload=upload)
        try:
            async for block in _blocks(read, tree.root):
                await writer.add_block(block)
            root = await writer.finish()
        except BaseException:
            await writer.abort()
            raise
        if root != tree.root:
            laid = {"content": BlockTree(root, tree.size), "layout": writer.layout.pack()}
            row["state"] = encode({**decode(row["state"]), **laid})


async def _blocks(read: ReadBlock, name: bytes) -> AsyncIterator[bytes]:
    node = BlockMap.unpack(_read(read, name))
    for row in node.rows:
        if node.level:
            async for block in _blocks(read, row.name):
                yield block
        else:
            yield _read(read, row.name)


def _read(read: ReadBlock, name: bytes) -> bytes:
    data = read(name)
    if block_name(data) != name:
        raise Invalid(f"the block {short_name(name)} of this archive is damaged", remedy="use another copy of it")
    return data


def _tree_of(row: Wire) -> BlockTree | None:
    """The content of a version that is a file, where the record has its state."""
    if not isinstance(row, dict) or row.get("type") != BLOB or not isinstance(row.get("state"), bytes):
        return None
    fields = decode(row["state"])
    content = fields.get("content") if isinstance(fields, dict) else None
    return content if isinstance(content, BlockTree) else None
