"""The codec's own value types, the numbers of its extension types, and its limits.

Imports nothing but the standard library and the errors.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import LimitExceeded

DEPTH_LIMIT = 64
"""Levels of containers; the outermost is 1. It fits a browser tab's small stack."""

SIZE_LIMIT = 64 * 1024 * 1024
"""Bytes of one encoded value."""


def too_large(what: str, limit: int, name: str = "size") -> LimitExceeded:
    """Return the error of data above a limit, in bytes; `what` is the data and its size."""
    remedy = f"the limit is {limit} bytes: ask for or send less at once, or put larger data as a file (fs.put)"
    return LimitExceeded(what, remedy=remedy, limit=name)


Value = Any
"""A value of a type that only running code knows: of a user's class, or of a package."""

Fields = dict[str, Value]
"""The fields of a record, by name."""


_OF_PYDANTIC = ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")


def shown_fields(fields: Fields) -> Fields:
    """Return the fields that people see: what pydantic keeps about a model only where there is something."""
    if _OF_PYDANTIC[0] not in fields:
        return fields
    return {
        name: held
        for name, held in fields.items()
        if name not in _OF_PYDANTIC or (held is not None and name != _OF_PYDANTIC[0])
    }


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
    REFERENCE = 14  # the uuid's text; "" is the object whose state it is in
    MOMENT = 15  # [ISO 8601 text without zone, fold, zone or nil, seconds from UTC or nil]: a datetime or time
    ZONE = 16  # the key of a ZoneInfo, or [[days, seconds, microseconds], name or nil] of a timezone
    STANDARD = 17  # [name, …]: a value of the standard library, see `standard.py`
    GRAPH = 18  # [shells, filling, filling …, value], each encoded on its own: values met more than once
    BACK = 19  # a number, big-endian: the shell of that number in the graph
    BLOCKS = 20  # a hash (32 bytes), and a size, big-endian: a tree of blocks


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to another object, by its uuid."""

    uuid: str


@dataclass(frozen=True, slots=True)
class BlockTree:
    """What blocks of the store hold, such as a file: the name of the map of these blocks, and how many bytes it is."""

    root: bytes
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A nested dataclass, named tuple or Enum member as data, without its class; or a value of a package (NumPy's
    arrays) that is not here, with the name that package gives it and no bundle.

    `bundle` is the hash of its class bundle. A dataclass or named tuple has its fields by name; an Enum member
    has `name`, a Flag `value`. Records may hold each other.
    """

    class_name: str
    bundle: str
    fields: Fields

    if not TYPE_CHECKING:  # it gives nothing that a type checker should believe in

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_") or name in ("class_name", "bundle", "fields"):
                raise AttributeError(name)
            package = "" if self.bundle else self.class_name.rpartition(".")[0].partition(".")[0]
            why = f": {package} is not here, so a {self.class_name} is only its data" if package else ""
            raise AttributeError(f"a Record has no attribute {name!r}{why}", name=name, obj=self)

    def __eq__(self, other: object) -> bool:
        if type(other) is not Record:
            return NotImplemented
        if self is other:
            return True
        if (self.class_name, self.bundle) != (other.class_name, other.bundle) or len(self.fields) != len(other.fields):
            return False
        met = _COMPARED.get()
        if met is None:
            token = _COMPARED.set({})
            try:
                return self == other
            finally:
                _COMPARED.reset(token)
        pair = (id(self), id(other))
        if pair in met:
            return True  # under way or equal: what differs elsewhere is found there
        met[pair] = None
        equal = self.fields == other.fields
        while not equal and met.popitem()[0] != pair:
            pass  # what was found equal on the way counted on this
        return equal

    def __hash__(self) -> int:
        """Hash the fields that cannot lead back to it."""
        plain = tuple((name, held) for name, held in self.fields.items() if type(held) in _HASHED)
        return hash((self.class_name, self.bundle, plain))


_HASHED = frozenset({type(None), bool, int, float, str, bytes})
_COMPARED: ContextVar[dict[tuple[int, int], None] | None] = ContextVar("compared records", default=None)
"""Pairs of records that the comparison under way has met, in that order."""


def class_name_of(cls: type) -> str:
    """Return the name of a class as Emerge shows it: `Item`, or `Order.Line` for a class within a class."""
    return cls.__qualname__.rpartition("<locals>.")[2]
