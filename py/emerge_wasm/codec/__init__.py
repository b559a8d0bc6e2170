"""Encode values as bytes and decode them; show values as text and read what people type.

Layer 2: msgpack and the standard library only. Reading never runs code and imports no class by name; a nested
dataclass whose class is not at hand is a `Record`.
"""

from __future__ import annotations

from .decode import decode
from .encode import encode
from .graph import shared_parts
from .literal import RecordClass, read_literal
from .native import native
from .projection import plain
from .record_maker import RecordMaker
from .references import bundles_in, references_in, trees_in
from .state import StateReader, pack_state, unpack_state
from .text import show
from .value import DEPTH_LIMIT, SIZE_LIMIT, BlockTree, Record, Reference, class_name_of

__all__ = [
    "DEPTH_LIMIT",
    "SIZE_LIMIT",
    "BlockTree",
    "Record",
    "RecordClass",
    "RecordMaker",
    "Reference",
    "StateReader",
    "bundles_in",
    "class_name_of",
    "decode",
    "encode",
    "native",
    "pack_state",
    "plain",
    "read_literal",
    "references_in",
    "shared_parts",
    "show",
    "trees_in",
    "unpack_state",
]
