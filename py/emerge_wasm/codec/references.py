"""Find the objects and classes that an encoded state refers to, without making an instance of any class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID

from .decode import decode
from .encoder import PLAIN
from .graph import parts_of
from .value import BlockTree, Ext, Record, Reference

_NONE: frozenset[bytes] = frozenset()
_MARK_ROOT = bytes([Ext.REFERENCE])
MARK_BLOCKS = bytes([0xC7, 40, Ext.BLOCKS])  # an extension of 40 bytes
"""What is in every encoded value that has a tree of blocks."""
_MARK = re.compile(rb"\xc7[\x20-\x30]" + re.escape(bytes([Ext.REFERENCE])))  # an extension of some 32 bytes


def references_in(state: bytes) -> frozenset[bytes]:
    """Return the uuids (16 bytes each) of all references in an encoded state, at any depth."""
    if _MARK.search(state) is None:  # nearly always
        return _NONE
    found = (each for each in _walk(decode(state)) if isinstance(each, Reference))
    return frozenset(uuid for each in found if (uuid := _uuid_of(each)) is not None)


def _walk(value: object) -> Iterator[Reference | Record | BlockTree]:
    """Yield every reference, record and tree of blocks in a value, once."""
    met: dict[int, object] = {}
    pending = [value]
    while pending:
        held = pending.pop()
        if id(held) not in met:
            met[id(held)] = held
            if isinstance(held, (Reference, Record, BlockTree)):
                yield held
            pending += [part for _, part in parts_of(held) if type(part) not in PLAIN]


def _uuid_of(reference: Reference) -> bytes | None:
    try:
        return UUID(reference.uuid).bytes
    except ValueError:
        return None


def refers_to_itself(state: bytes) -> bool:
    """Tell whether an encoded state leads back to the object whose state it is."""
    return _MARK_ROOT in state and any(isinstance(each, Reference) and not each.uuid for each in _walk(decode(state)))


def bundles_in(state: bytes) -> frozenset[str]:
    """Return the bundle hashes of all nested records in an encoded state, at any depth."""
    if bytes([Ext.RECORD]) not in state:
        return frozenset()
    return frozenset(found.bundle for found in _walk(decode(state)) if isinstance(found, Record) and found.bundle)


def may_have_trees(data: bytes) -> bool:
    """Whether a tree of blocks may be within these bytes; False is certain."""
    return MARK_BLOCKS in data


def trees_in(state: bytes) -> frozenset[bytes]:
    """Return the roots of all trees of blocks in an encoded state, at any depth."""
    if not may_have_trees(state):
        return frozenset()
    return frozenset(found.root for found in _walk(decode(state)) if isinstance(found, BlockTree))
