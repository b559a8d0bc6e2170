"""Take the large values out of an encoded state: what is left is a recipe, which names their blocks.

The blocks put back into their places give the state again, byte for byte. So a state that changed in one field names
the same blocks for the others, and each is stored once.
"""

from __future__ import annotations

from typing import NamedTuple

from msgpack import UnpackException

from ..codec import trees_in
from ..codec.msgpack_engine import engine
from ..codec.references import may_have_trees
from ..codec.value import Ext
from ..errors import Invalid
from .block import block_name, join_names, split_names

LARGE = 64 << 10
"""Bytes of a value from which on it is a block."""

MARK = b"\xc1"
"""What a recipe begins with, and no state: msgpack never uses this byte."""

_MANY = 10_000
"""Items of a container above which it is not searched for large ones: it is one value."""

_TEXTS = frozenset((0xC4, 0xC5, 0xC6, 0xD9, 0xDA, 0xDB))
"""What bytes and texts begin with."""

_HOLDERS = frozenset({Ext.TUPLE, Ext.SET, Ext.FROZENSET, Ext.MAP, Ext.RECORD, Ext.STANDARD, Ext.GRAPH})
"""Extensions whose payload is msgpack."""

Piece = bytes | tuple[bytes, int]
"""What a state is made of: bytes as they are, or the name and size of a block."""

Extent = tuple[int, int]


class Recipe(NamedTuple):
    """How to make a state: its size, its parts in order, and the roots of the trees of blocks that it refers to."""

    size: int
    parts: list[Piece]
    roots: list[bytes]

    def names(self) -> set[bytes]:
        """Return the names of its blocks, the roots among them."""
        return {part[0] for part in self.parts if isinstance(part, tuple)}.union(self.roots)

    def pack(self) -> bytes:
        return MARK + engine.packb([self.size, self.parts, join_names(self.roots)])

    @classmethod
    def unpack(cls, raw: bytes) -> Recipe:
        size, parts, roots = engine.unpackb(raw[1:])
        return cls(size, [part if type(part) is bytes else tuple(part) for part in parts], split_names(roots))

    def fill(self, blocks: dict[bytes, bytes]) -> bytes:
        """Return the state, given its blocks by name.

        Raises:
            Invalid: it has not its size, as the recipe is damaged.
        """
        state = b"".join(part if isinstance(part, bytes) else blocks[part[0]] for part in self.parts)
        if len(state) != self.size:
            raise Invalid(f"a state has {len(state)} bytes, not {self.size}", remedy="restore it from a copy")
        return state


def is_recipe(raw: bytes) -> bool:
    return raw[:1] == MARK


def cut_state(state: bytes, most: int = 1000) -> tuple[Recipe, dict[bytes, bytes]] | None:
    """Return the recipe of a state and its blocks by name; None if it has no large value and no tree of blocks.

    Beyond `most` blocks, further values stay in the recipe.
    """
    spans = _large_spans(state)[:most]
    roots = sorted(trees_in(state)) if _may_have_trees(state, spans) else []
    if not (spans or roots):
        return None
    parts: list[Piece] = []
    blocks: dict[bytes, bytes] = {}
    last = 0
    for begin, end in spans:
        data = state[begin:end]
        name = block_name(data)
        blocks[name] = data
        parts += [state[last:begin], (name, len(data))]
        last = end
    parts.append(state[last:])
    return Recipe(len(state), [part for part in parts if part], roots), blocks


def _may_have_trees(state: bytes, spans: list[Extent]) -> bool:
    """Whether there may be a tree of blocks outside the large bytes and texts, which are dear to search."""
    last = 0
    for begin, end in spans:
        if state[begin] in _TEXTS:
            if may_have_trees(state[last:begin]):
                return True
            last = end
    return may_have_trees(state[last:])


def _large_spans(state: bytes) -> list[Extent]:
    """Return where the large values are; none if these bytes are no state."""
    found: list[Extent] = []
    try:
        _search(memoryview(state), 0, len(state), found)
    except (UnpackException, ValueError, IndexError):
        return []
    return found if found != [(0, len(state))] else []


def _search(data: memoryview, begin: int, end: int, found: list[Extent], in_graph: bool = False) -> None:
    """Add the large values within one value; the value itself if it is large and no part of it is."""
    if end - begin < LARGE:
        return
    inside: list[Extent] = []
    head = data[begin]
    code, start = _extension(data, begin)
    if code in _HOLDERS:
        _search(data, start, end, inside, code == Ext.GRAPH)
    elif in_graph and 0xC4 <= head <= 0xC6:  # a part of a graph, encoded on its own
        _search(data, begin + 1 + (1 << head - 0xC4), end, inside)
    else:
        for child_begin, child_end in _children(data, begin, end):
            _search(data, child_begin, child_end, inside, in_graph)
    found += inside or [(begin, end)]


def _extension(data: memoryview, begin: int) -> tuple[int, int]:
    """Return the type of an extension, and where its payload begins; (0, 0) for anything else."""
    head = data[begin]
    if not 0xC7 <= head <= 0xC9:  # those of fixed length are short
        return 0, 0
    size = 1 << head - 0xC7
    return data[begin + 1 + size], begin + 2 + size


def _children(data: memoryview, begin: int, end: int) -> list[Extent]:
    """Return where the large items of an array or the large values of a map are."""
    unpacker = engine.Unpacker(max_buffer_size=end - begin, raw=False)
    head = data[begin]
    is_map, is_array = head >> 4 == 8 or head in (0xDE, 0xDF), head >> 4 == 9 or head in (0xDC, 0xDD)
    if not (is_map or is_array):
        return []
    unpacker.feed(data[begin:end])
    count = 2 * unpacker.read_map_header() if is_map else unpacker.read_array_header()
    if count > _MANY:
        return []
    found: list[Extent] = []
    for _ in range(count):
        before = unpacker.tell()
        unpacker.skip()
        after = unpacker.tell()
        if after - before >= LARGE:
            found.append((begin + before, begin + after))
    return found


def read_recipe(raw: bytes) -> Recipe:
    """Read a recipe that a store holds.

    Raises:
        Invalid: it is damaged.
    """
    try:
        return Recipe.unpack(raw)
    except (UnpackException, ValueError, TypeError) as error:
        raise Invalid("a large state is damaged in the store", remedy="restore it from a copy") from error
