"""The codec's own value types, the numbers of its extension types, and its limits.

Imports nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

DEPTH_LIMIT = 64
"""Levels of containers; the outermost is 1. It fits a browser tab's small stack."""

SIZE_LIMIT = 64 * 1024 * 1024
"""Bytes of one encoded value."""


class Ext(IntEnum):
    """The msgpack extension type of each kind of value; these numbers are on disk, so never reuse one."""

    BIG_INT = 1  # two's complement, big-endian, shortest
    TUPLE = 2  # an array
    SET = 3  # an array, ordered by the items' bytes
    FROZENSET = 4  # likewise
    MAP = 5  # an array key, value, key, value …
    COMPLEX = 6  # [real, imaginary]
    DECIMAL = 7  # its text
    UUID = 8  # 16 bytes
    DATETIME = 9  # ISO 8601 text, with its offset from UTC unless naive
    DATE = 10  # likewise
    TIME = 11  # likewise
    TIMEDELTA = 12  # [days, seconds, microseconds]
    RECORD = 13  # [class name, bundle hash, fields]
    REFERENCE = 14  # the uuid's text


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to another object, by its uuid."""

    uuid: str


@dataclass(frozen=True, slots=True, eq=True)
class Record:
    """A nested dataclass, named tuple or Enum member as data, without its class.

    `bundle` is the hash of its class bundle. A dataclass or named tuple has its fields by name; an Enum member
    has `name`, a Flag `value`.
    """

    class_name: str
    bundle: str
    fields: dict[str, Any]

    def __hash__(self) -> int:
        try:
            return hash((self.class_name, self.bundle, tuple(self.fields.items())))
        except TypeError:  # a list or map among the fields
            return hash((self.class_name, self.bundle, tuple(self.fields)))


def class_name_of(cls: type) -> str:
    """Return the name of a class as Emerge shows it: `Item`, or `Order.Line` for a class within a class."""
    return cls.__qualname__.rpartition("<locals>.")[2]
