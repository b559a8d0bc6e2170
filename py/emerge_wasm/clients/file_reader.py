"""Reading a file: its bytes from any place on, fetched block by block, verified, some blocks ahead of the reader.

It reads the version that was there when it was opened. What is in memory is bounded, however large the file is.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import NamedTuple, Protocol, Self

from .. import sync
from ..blocks.block import block_name
from ..blocks.block_map import BlockMap, BlockRow, find_row
from ..blocks.layout import join
from ..codec import BlockTree
from ..errors import Invalid, NotFound, Unavailable
from ..objects import Pointer
from ..operations import Names, Operations
from ..results import BlockAnswer

AHEAD = 3
"""Blocks that are fetched ahead of one who reads on and on."""


class ByteSource(Protocol):
    """Where the bytes of a file come from."""

    size: int

    async def piece(self, offset: int) -> tuple[int, bytes]:
        """Return the piece that has the byte at an offset, and where the piece begins."""
        ...

    async def close(self) -> None: ...


class WholeSource:
    """Bytes that are at hand."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    async def piece(self, offset: int) -> tuple[int, bytes]:
        return 0, self.data

    async def close(self) -> None:
        self.data = b""


class MapLeaf(NamedTuple):
    """A node of a block map that lists blocks of data: where it begins in the file, and where its rows begin in it."""

    node: BlockMap
    begin: int
    starts: list[int]

    def has(self, offset: int) -> bool:
        return self.begin <= offset < self.begin + self.starts[-1]


class BlockSource:
    """The blocks of one version of a file."""

    def __init__(self, remote: Operations, path: str, tree: BlockTree, pointer: Pointer, as_of: str = "") -> None:
        self.size = tree.size
        self._remote = remote
        self._path = path
        self._ways = [path] if as_of else [path, f"/registry/{pointer.uuid}"]  # it may be moved meanwhile
        self._tree = tree
        self._at = pointer.version, as_of
        self._root: BlockMap | None = None
        self._leaf: MapLeaf | None = None
        self._coming: dict[int, asyncio.Task[bytes]] = {}  # by where they begin
        self._last = (0, b"")
        self._ahead = 0 if sync.drive is sync.run_straight else AHEAD

    async def piece(self, offset: int) -> tuple[int, bytes]:
        begin, data = self._last
        if begin <= offset < begin + len(data):
            return self._last
        leaf = await self._find(offset)
        number = find_row(leaf.starts, offset - leaf.begin)
        at = leaf.begin + leaf.starts[number]
        follows = at == begin + len(data)
        coming = self._coming.pop(at, None)
        if follows and self._ahead:
            self._read_ahead(leaf, number + 1)
        elif not follows:
            await self._drop()
        data = await (self._fetch(leaf.node, leaf.node.rows[number]) if coming is None else coming)
        self._last = at, data
        return self._last

    async def close(self) -> None:
        self._last = (0, b"")
        await self._drop()

    def _read_ahead(self, leaf: MapLeaf, number: int) -> None:
        for row, start in list(zip(leaf.node.rows, leaf.starts, strict=False))[number : number + self._ahead]:
            if leaf.begin + start not in self._coming:
                self._coming[leaf.begin + start] = asyncio.ensure_future(self._fetch(leaf.node, row))

    async def _drop(self) -> None:
        tasks, self._coming = list(self._coming.values()), {}
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def _find(self, offset: int) -> MapLeaf:
        """Return the leaf of the map that has the block with the byte at an offset."""
        if self._leaf is not None and self._leaf.has(offset):
            return self._leaf
        if self._root is None:
            self._root = await self._node(self._tree.root)
        node, begin = self._root, 0
        while node.level:
            starts = node.starts()
            number = find_row(starts, offset - begin)
            begin += starts[number]
            node = await self._node(node.rows[number].name)
        self._leaf = MapLeaf(node, begin, node.starts())
        return self._leaf

    async def _node(self, name: bytes) -> BlockMap:
        return BlockMap.unpack(await self._whole(name))

    async def _fetch(self, node: BlockMap, row: BlockRow) -> bytes:
        if not row.fragments:
            return await self._whole(row.name)
        found, _ = await self._ask(row.fragments[: node.layout.data])
        if len(found) < node.layout.data:
            more, _ = await self._ask(row.fragments[node.layout.data :])
            found |= more
        try:
            return join(node.layout, row.name, row.size, row.fragments, found)
        except Unavailable as error:
            error.path = self._path
            raise

    async def _whole(self, name: bytes) -> bytes:
        found, lost = await self._ask([name])
        if name not in found:
            raise Unavailable(
                f"{self._path} cannot be read: {lost.get(name.hex(), 'its block was damaged on its way')}",
                path=self._path,
                remedy="restore it from a copy: emerge verify says what is missing",
                block=name.hex(),
                missing=[name.hex()],
            )
        return found[name]

    async def _answer(self, wanted: Names) -> BlockAnswer:
        try:
            return await self._remote.getblocks(self._ways[0], wanted, *self._at)
        except NotFound:
            if len(self._ways) == 1:
                raise
            del self._ways[0]
            return await self._answer(wanted)

    async def _ask(self, names: list[bytes] | tuple[bytes, ...]) -> tuple[dict[bytes, bytes], dict[str, str]]:
        """Return those of these blocks that are right, and why others cannot be had."""
        wanted: Names = [name.hex() for name in names]
        found: dict[bytes, bytes] = {}
        lost: dict[str, str] = {}
        while wanted:
            answer = await self._answer(wanted)
            lost |= answer["lost"]
            found |= {bytes.fromhex(name): data for name, data in answer["blocks"].items()}
            if not answer["lost"].keys() | answer["blocks"].keys():
                break
            wanted = [each for each in wanted if each not in answer["lost"] and each not in answer["blocks"]]
        return {name: data for name, data in found.items() if name in names and block_name(data) == name}, lost


class FileReader:
    """An opened file: `await read(size)`, `seek`, `tell`; `async for` gives it piece by piece. Close it, or use it with
    `async with`."""

    def __init__(self, source: ByteSource, pointer: Pointer) -> None:
        self.pointer = pointer
        self.size = source.size
        self.closed = False
        self._source = source
        self._offset = 0

    async def read(self, size: int = -1) -> bytes:
        """Read at most so many bytes (-1: all that is left); b"" at the end."""
        parts: list[bytes] = []
        left = max(self.size - self._offset, 0) if size < 0 else size
        while left > 0 and (part := await self.read_some(left)):
            parts.append(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def read_some(self, size: int) -> bytes:
        """Read at most so many bytes, and no more than is at hand after at most one block was fetched."""
        self._check_open()
        if self._offset >= self.size or size <= 0:
            return b""
        begin, data = await self._source.piece(self._offset)
        start = self._offset - begin
        part = data if start == 0 and len(data) <= size else data[start : start + size]
        self._offset += len(part)
        return part

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, from the beginning, from here or from the end; where that is."""
        self._check_open()
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._offset, io.SEEK_END: self.size}.get(whence)
        if base is None or base + offset < 0:
            raise Invalid(f"there is no place {offset} from {whence} in a file", path=self.pointer.full_path)
        self._offset = base + offset
        return self._offset

    def tell(self) -> int:
        return self._offset

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            await self._source.close()

    def _check_open(self) -> None:
        if self.closed:
            raise Invalid(f"{self.pointer.full_path} is closed", remedy="open it again")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while part := await self.read_some(self.size):
            yield part

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def no_bytes(path: str) -> NotFound:
    """What says that an object is no file."""
    return NotFound(
        f"{path} has no bytes to read: it is neither a file, nor has it bytes or text in `data`, nor a method `read`",
        path=path,
        remedy="read its fields: cat",
    )
