"""The block map of a file: which blocks it consists of, with their sizes and fragments. It is a hash tree of nodes.

A node is itself a block, named by its hash: the root's name is that of the whole. Nodes of level 0 list blocks of data,
those above list nodes. `names` is what a node keeps alive (see `block.names_in_map`): fragments in place of blocks that
are kept as such. Nothing says who holds what: that is asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import NamedTuple, Self

from ..codec.msgpack_engine import engine
from ..errors import Invalid
from .block import LARGEST_BLOCK, NAME_SIZE, block_name, join_names, split_names
from .layout import Layout

FANOUT = 4096
"""Rows of one node at most."""

_SIZE_BYTES = 8


class BlockRow(NamedTuple):
    """A block of data, or a lower node of the map: its name, the bytes of the file that it stands for, and the names of
    its fragments (none: it is kept as it is)."""

    name: bytes
    size: int
    fragments: tuple[bytes, ...] = ()

    @property
    def kept(self) -> tuple[bytes, ...]:
        """The names under which it is kept."""
        return self.fragments or (self.name,)


class BlockMap(NamedTuple):
    """One node of a block map, with its rows in order."""

    layout: Layout
    level: int
    rows: tuple[BlockRow, ...]

    @property
    def size(self) -> int:
        """The bytes of the file that the node stands for."""
        return sum(row.size for row in self.rows)

    def starts(self) -> list[int]:
        """Where each row begins, in bytes from the node's own beginning, and where the last one ends."""
        return [0, *accumulate(row.size for row in self.rows)]

    def pack(self) -> bytes:
        """Return the node as a block's bytes."""
        found: dict[str, object] = {
            "names": join_names(name for row in self.rows for name in row.kept),
            "level": self.level,
            "layout": self.layout.pack(),
            "sizes": b"".join(row.size.to_bytes(_SIZE_BYTES, "big") for row in self.rows),
        }
        if self.level == 0 and self.layout.fragments:
            found["blocks"] = join_names(row.name for row in self.rows)
        return engine.packb(found)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read what `pack` wrote. Raises Invalid."""
        try:
            found = engine.unpackb(data)
            layout, level = Layout.unpack(found["layout"]), int(found["level"])
            fragments = layout.fragments if level == 0 else 0
            kept = _cut(found["names"], NAME_SIZE * (fragments or 1))
            names = split_names(found["blocks"]) if fragments else kept
            sizes = [int.from_bytes(each, "big") for each in _cut(found["sizes"], _SIZE_BYTES)]
            parts = [tuple(split_names(each)) if fragments else () for each in kept]
            rows = tuple(BlockRow(*row) for row in zip(names, sizes, parts, strict=True))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Invalid(f"this is no block map: {error}") from None
        if level == 0 and not all(0 < row.size <= LARGEST_BLOCK for row in rows):
            raise Invalid(f"a block map has a block that is not of 1 to {LARGEST_BLOCK} bytes")
        return cls(layout, level, rows)


def _cut(data: bytes, size: int) -> list[bytes]:
    if len(data) % size:
        raise ValueError(f"{len(data)} bytes are no rows of {size}")
    return [data[at : at + size] for at in range(0, len(data), size)]


def find_row(starts: list[int], offset: int) -> int:
    """Return the number of the row that has the byte at an offset, given `BlockMap.starts`."""
    return bisect_right(starts, offset) - 1


class MapBuilder:
    """Makes the nodes of a block map while its blocks come, keeping one unfinished node for each level."""

    def __init__(self, layout: Layout, fanout: int = FANOUT) -> None:
        self._layout = layout
        self._fanout = fanout
        self._levels: list[list[BlockRow]] = [[]]
        self._done: list[bytes] = []

    def add(self, row: BlockRow) -> list[bytes]:
        """Add the next block; return the nodes that are finished by that, each after what it names."""
        self._add(0, row)
        return self._taken()

    def end(self) -> list[bytes]:
        """Return the nodes that are left; the last is the root."""
        level = 0
        while level < len(self._levels) - 1:  # finishing one may begin another above
            self._finish(level)
            level += 1
        self._done.append(BlockMap(self._layout, len(self._levels) - 1, tuple(self._levels[-1])).pack())
        return self._taken()

    def _add(self, level: int, row: BlockRow) -> None:
        if level == len(self._levels):
            self._levels.append([])
        if len(self._levels[level]) == self._fanout:
            self._finish(level)
        self._levels[level].append(row)

    def _finish(self, level: int) -> None:
        node = BlockMap(self._layout, level, tuple(self._levels[level]))
        self._levels[level] = []
        packed = node.pack()
        self._done.append(packed)
        self._add(level + 1, BlockRow(block_name(packed), node.size))

    def _taken(self) -> list[bytes]:
        done, self._done = self._done, []
        return done
