"""Reading a file: its bytes from any place on, fetched block by block, verified, some blocks ahead of the reader.

It reads the version that was there when it was opened. What is in memory is bounded, however large the file is.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from typing import NamedTuple, Protocol, Self

from ..blocks.block import block_name
from ..blocks.block_map import BlockMap, find_row
from ..blocks.piece_picker import WINDOW
from ..codec import BlockTree
from ..errors import Invalid, NotFound, Unavailable
from ..objects import Pointer
from .block_holder import HolderDirectory
from .block_stream import BlockStream, FileRow, fetch_named

FEW = 2 << 20
"""Bytes of a file up to which it is not worth to ask who has its blocks, as long as the nearest gives them."""

ROWS = 128
"""Rows of a map that are looked up together."""


AT_HAND = 1 << 20
"""Bytes up to which what an object gives is kept, so that one can seek in it."""

EVER = 1 << 62
"""More bytes than there are."""


class ByteSource(Protocol):
    """Where the bytes of a file come from. `root` stands for just these: of blocks it is the root of their map; b"" is
    that of those that come once."""

    size: int
    root: bytes

    async def piece(self, offset: int) -> tuple[int, bytes]:
        """Return the piece that has the byte at an offset, and where the piece begins."""
        ...

    async def close(self) -> None: ...


class WholeSource:
    """Bytes that are at hand."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.root = block_name(data)

    async def piece(self, offset: int) -> tuple[int, bytes]:
        return 0, self.data

    async def close(self) -> None:
        self.data = b""


class StreamSource:
    """Bytes that come once, in parts, of which nobody knows how many they are before the end: `size` is -1."""

    size = -1
    root = b""

    def __init__(self, path: str, parts: AsyncGenerator[bytes, None], first: bytes) -> None:
        self._path = path
        self._parts = parts
        self._last = 0, first

    async def piece(self, offset: int) -> tuple[int, bytes]:
        """Return the piece that has the byte at an offset, not before the last one; b"" at the end."""
        begin, data = self._last
        if offset < begin:
            raise once(self._path)
        while offset >= begin + len(data):
            begin += len(data)
            data = await anext(self._parts, b"")
            self._last = begin, data
            if not data:
                break
        return self._last

    async def close(self) -> None:
        self._last = 0, b""
        await self._parts.aclose()


async def open_parts(path: str, parts: AsyncGenerator[bytes, None]) -> ByteSource:
    """Return a source of parts: one that can be sought where the first of them are all."""
    begun = bytearray()
    try:
        async for part in parts:
            begun += part
            if len(begun) > AT_HAND:
                return StreamSource(path, parts, bytes(begun))
    except BaseException:
        await parts.aclose()
        raise
    return WholeSource(bytes(begun))


class MapLeaf(NamedTuple):
    """A node of a block map that lists blocks of data: where it begins in the file, and where its rows begin in it."""

    node: BlockMap
    begin: int
    starts: list[int]

    def has(self, offset: int) -> bool:
        return self.begin <= offset < self.begin + self.starts[-1]


class BlockSource:
    """The blocks of one version of a file, fetched from their holders: the longer one reads on, the further ahead."""

    def __init__(self, holders: HolderDirectory, path: str, tree: BlockTree) -> None:
        self.path = path
        self.holders = holders
        self.root = tree.root
        self.size = tree.size
        self._root: BlockMap | None = None
        self._leaf: MapLeaf | None = None
        self._stream: BlockStream | None = None
        self._last = (0, b"")

    async def piece(self, offset: int) -> tuple[int, bytes]:
        begin, data = self._last
        if begin <= offset < begin + len(data):
            return self._last
        leaf = await self._find(offset)
        at = leaf.begin + leaf.starts[find_row(leaf.starts, offset - leaf.begin)]
        if self._stream is not None and at == begin + len(data):
            self._stream.widen()
        else:
            await self._drop()
            self._stream = self.stream(at, window=1)
        self._last = (0, b"")
        found = await self._stream.next()
        if found is None or found.error is not None or found.offset != at:
            await self._drop()
            raise (found and found.error) or Unavailable(f"{self.path} cannot be read: its map ends early")
        self._last = at, found.data
        return self._last

    @property
    def given(self) -> Counter[str]:
        return Counter() if self._stream is None else self._stream.given

    def stream(self, offset: int = 0, *, window: int = WINDOW, ordered: bool = True) -> BlockStream:
        """Return the blocks from one on, given where that begins."""
        find = self.size > FEW
        return BlockStream(self.path, self.holders, self.rows(offset), window=window, ordered=ordered, find=find)

    async def rows(self, offset: int = 0) -> AsyncGenerator[list[FileRow], None]:
        """Yield the rows of the map from a block on, given where that begins, some at a time."""
        while offset < self.size:
            leaf = await self._find(offset)
            first = find_row(leaf.starts, offset - leaf.begin)
            rows = leaf.node.rows[first : first + ROWS]
            starts = leaf.starts[first : first + len(rows) + 1]
            yield [FileRow(leaf.begin + start, leaf.node.layout, row) for start, row in zip(starts, rows, strict=False)]
            offset = leaf.begin + starts[-1]

    async def close(self) -> None:
        self._last = (0, b"")
        await self._drop()

    async def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()

    async def _find(self, offset: int) -> MapLeaf:
        """Return the leaf of the map that has the block with the byte at an offset."""
        if self._leaf is not None and self._leaf.has(offset):
            return self._leaf
        if self._root is None:
            self._root = await self._node(self.root, self.size)
        node, begin = self._root, 0
        while node.level:
            starts = node.starts()
            number = find_row(starts, offset - begin)
            begin += starts[number]
            node = await self._node(node.rows[number].name, node.rows[number].size)
        self._leaf = MapLeaf(node, begin, node.starts())
        return self._leaf

    async def _node(self, name: bytes, size: int) -> BlockMap:
        node = BlockMap.unpack(await fetch_named(self.path, self.holders, name))
        if node.size != size:
            raise Unavailable(
                f"{self.path} cannot be read: a part of its map is of {node.size} bytes, not {size}",
                path=self.path,
                remedy="restore it from a copy",
            )
        return node


class FileReader:
    """An opened file: `await read(size)`, `seek`, `tell`; `async for` gives it piece by piece. Close it, or use it with
    `async with`."""

    def __init__(self, source: ByteSource, pointer: Pointer) -> None:
        self.pointer = pointer
        self.source = source
        self.size = source.size
        self.root = source.root
        self.closed = False
        self._offset = 0

    @property
    def seekable(self) -> bool:
        """Whether it can be read from any place; else what it gives comes once, and `size` is -1 until it is read."""
        return self.source.size >= 0

    @property
    def given(self) -> Counter[str]:
        """Bytes by the holder that they came from, since the last place that was sought."""
        return self.source.given if isinstance(self.source, BlockSource) else Counter()

    async def read(self, size: int = -1) -> bytes:
        """Read at most so many bytes (-1: all that is left); b"" at the end."""
        parts: list[bytes] = []
        left = EVER if size < 0 else size
        while left > 0 and (part := await self.read_some(left)):
            parts.append(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def read_some(self, size: int) -> bytes:
        """Read at most so many bytes, and no more than is at hand after at most one block was fetched."""
        self._check_open()
        if 0 <= self.size <= self._offset or size <= 0:
            return b""
        begin, data = await self.source.piece(self._offset)
        if not data:
            self.size = self._offset
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
        if not self.seekable and base + offset != self._offset:
            raise once(self.pointer.full_path)
        self._offset = base + offset
        return self._offset

    def tell(self) -> int:
        return self._offset

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            await self.source.close()

    def _check_open(self) -> None:
        if self.closed:
            raise Invalid(f"{self.pointer.full_path} is closed", remedy="open it again")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while part := await self.read_some(EVER):
            yield part

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def once(path: str) -> Invalid:
    """What says that a stream cannot be sought."""
    return Invalid(
        f"what {path} gives is made as it is read, once, from its beginning",
        path=path,
        remedy="read it on, or fetch it to a file and seek in that",
    )


def no_bytes(path: str) -> NotFound:
    """What says that an object is no file."""
    return NotFound(
        f"{path} has no bytes to read: it is neither a file, nor has it bytes or text in `data`, nor a method `read`",
        path=path,
        remedy="read its fields: cat",
    )
