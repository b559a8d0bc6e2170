"""The layout of rows in a ZODB: trees of bytes, and the only classes that may be loaded from one.

The database's root holds, as "emerge", one `Leaf` (the head):

- b"format": the format's number, 8 bytes big-endian;
- b"space/" + name: the `Tree` of each space, from key to value. A value above `INLINE` bytes is an object of its own
  (a `Leaf` with the one key b""), so that a leaf which is rewritten for one small row stays small;
- b"turn": the `Leaf` that every commit changes: b"commit", how many there were; b"counter/" + space, the last number
  that an append got; b"writer/" + id, the last commit of that writer (see `write`); b"packed", the file's size
  after it was packed last. All 8 bytes big-endian.

Leaves and trees are BTrees of smaller nodes, since a ZODB writes whole nodes. Conflicts of nodes are never resolved: of
two commits at once, one is refused, because both change the turn, and looks again at what it expects.
Keys and values are bytes, and nothing but bytes, these two classes and the root's own is ever loaded: a ZODB's records
are pickles, and those of a stranger must not run code. Must not import asyncio, nor a storage.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from itertools import islice
from typing import Protocol

from BTrees.OOBTree import OOBTree, OOBucket
from persistent.mapping import PersistentMapping

from ...errors import Invalid
from ...store import SPACES, Key

FORMAT = 1
ROOT = "emerge"
INLINE = 1024  # bytes of a value above which it is an object of its own

_RECORDED = "emerge_wasm.stores.zodb_tree"
"""The module that stored records name for our classes, wherever these are defined: ZODB imports it when it writes."""
sys.modules[_RECORDED] = sys.modules[__name__]


class _Unresolved:
    """A class without `_p_resolveConflict`, both here and in a server that does not know it."""

    __slots__ = ()

    @property
    def _p_resolveConflict(self) -> object:
        raise AttributeError("_p_resolveConflict")


class Leaf(_Unresolved, OOBucket):  # type: ignore[misc]  # BTrees has no types
    """Some rows: written as a whole when one of them changes."""

    __module__ = _RECORDED
    __slots__ = ()


class Tree(_Unresolved, OOBTree):  # type: ignore[misc]  # BTrees has no types
    """The rows of one space."""

    __module__ = _RECORDED
    __slots__ = ()
    max_leaf_size = 12  # of 12, 16 and 30: 8.7, 10.7 and 18.9 KB a small commit, 14, 12 and 8 % more than the rows
    max_internal_size = 64
    _bucket_type = Leaf


_CLASSES: dict[tuple[str, str], type] = {
    (kind.__module__, kind.__name__): kind for kind in (Leaf, Tree, PersistentMapping)
}


class ForeignClass(Exception):
    """A record names a class that is not one of ours."""


def only_ours(connection: object, module: str, name: str) -> type:
    """Return one of our classes by name: the class factory of our databases, which imports nothing.

    Raises ForeignClass for any other class.
    """
    try:
        return _CLASSES[module, name]
    except KeyError:
        raise ForeignClass(f"{module}.{name}") from None


TreeNode = Leaf | Tree
Prefetch = Callable[[Sequence[TreeNode]], None]
"""Get the records of these nodes, which will be needed next, in one round trip; or do nothing."""


class RootConnection(Protocol):
    """What is needed of a connection of ZODB."""

    def root(self) -> MutableMapping[str, Leaf]: ...


class ZODBRows:
    """The rows as one connection sees them, in the transaction it has begun."""

    def __init__(self, connection: RootConnection, prefetch: Prefetch) -> None:
        head = connection.root()[ROOT]
        self.turn = head[b"turn"]
        self._trees = {space: head[b"space/" + space.encode()] for space in SPACES}
        self._prefetch = prefetch

    def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        """Return the values of these keys, None where absent."""
        trees = self._trees
        values = [trees[space].get(key) for space, key in keys]
        large = [value for value in values if type(value) is Leaf]
        if large:
            self._prefetch(large)
            return [value[b""] if type(value) is Leaf else value for value in values]
        return values

    def expect(self, keys: Iterable[Key]) -> None:
        """Prefetch what `get` of these keys will look at, level by level."""
        level: list[tuple[TreeNode, list[bytes]]] = []
        for space, tree in self._trees.items():
            if wanted := sorted({key for of, key in keys if of == space}):
                level.append((tree, wanted))
        while level:
            self._prefetch([node for node, _ in level])
            level = [below for node, wanted in level for below in _below(node, wanted)]

    def scan(self, space: str, start: bytes, end: bytes | None, limit: int, reverse: bool) -> list[tuple[bytes, bytes]]:
        """Return at most `limit` rows of a range, from its beginning or (reverse) its end."""
        rows = list(islice(self._walk(space, start, end, limit, reverse), limit))
        self._prefetch([value for _, value in rows if type(value) is Leaf])
        return [(key, value[b""] if type(value) is Leaf else value) for key, value in rows]

    def count(self, space: str, start: bytes, end: bytes | None, most: int) -> int:
        """Return the number of keys in a range, or `most` when there are more."""
        return sum(1 for _ in islice(self._walk(space, start, end, most, False), most))

    def put(self, space: str, key: bytes, value: bytes) -> None:
        self._trees[space][key] = value if len(value) <= INLINE else Leaf({b"": value})

    def delete(self, space: str, key: bytes) -> None:
        self._trees[space].pop(key, None)

    def number(self, name: bytes) -> int:
        """Return a number of the turn, 0 if it has none of that name."""
        return int.from_bytes(self.turn.get(name, b""), "big")

    def set_number(self, name: bytes, value: int) -> None:
        self.turn[name] = value.to_bytes(8, "big")

    def _walk(
        self, space: str, start: bytes, end: bytes | None, limit: int, reverse: bool
    ) -> Iterator[tuple[bytes, bytes | Leaf]]:
        """Yield the items of a range, in order, of leaf after leaf."""
        for node in self._leaves(self._trees[space], start, end, limit, reverse):
            items = node.items(start, end, excludemax=end is not None)
            yield from reversed(list(items)) if reverse else items

    def _leaves(self, node: TreeNode, start: bytes, end: bytes | None, limit: int, reverse: bool) -> Iterator[TreeNode]:
        """Yield the leaves (or the tree itself, when it has none of its own) that hold a range, in order."""
        children, keys = _children(node)
        if not children:
            yield node
            return
        last = len(children) if end is None else bisect_left(keys, end) + 1
        wanted = children[bisect_right(keys, start) : last]
        if reverse:
            wanted.reverse()
        leaves = type(wanted[0]) is Leaf if wanted else False
        ahead = 1 + limit // (Tree.max_leaf_size // 2)
        if not leaves:
            ahead = 1 + ahead // (Tree.max_internal_size // 2)
        for at in range(0, len(wanted), ahead):
            part = wanted[at : at + ahead]
            self._prefetch(part)
            for child in part:
                if leaves:
                    yield child
                else:
                    yield from self._leaves(child, start, end, limit, reverse)


def prepare(connection: RootConnection) -> bool:
    """Make what a new store needs, or an older one lacks; return whether anything was made.

    Raises Invalid for a ZODB that is not an Emerge store, or of a newer format.
    """
    root = connection.root()
    if ROOT not in root:
        if len(root):
            raise Invalid("it is a ZODB, but not an Emerge store", remedy="name another one")
        root[ROOT] = Leaf({b"format": FORMAT.to_bytes(8, "big"), b"turn": Leaf()})
    head = root[ROOT]
    version = int.from_bytes(head[b"format"], "big")
    if version > FORMAT:
        raise Invalid(f"it has format {version}, this Emerge reads up to {FORMAT}", remedy="upgrade Emerge")
    missing = [space for space in SPACES if b"space/" + space.encode() not in head]
    for space in missing:
        head[b"space/" + space.encode()] = Tree()
    return bool(missing)


def _children(node: TreeNode) -> tuple[list[TreeNode], list[bytes]]:
    """Return a tree's children, and the keys between them; nothing when its rows are in its own record."""
    state = OOBTree.__getstate__(node)
    if state is None or len(state) == 1:
        return [], []
    return list(state[0][::2]), list(state[0][1::2])


def _below(node: TreeNode, wanted: list[bytes]) -> list[tuple[TreeNode, list[bytes]]]:
    """Return the children of a node that hold these (sorted) keys, each with its own keys."""
    if type(node) is Leaf:
        return []
    children, keys = _children(node)
    found: dict[int, list[bytes]] = {}
    for key in wanted if children else ():
        found.setdefault(bisect_right(keys, key), []).append(key)
    return [(children[at], some) for at, some in found.items()]
