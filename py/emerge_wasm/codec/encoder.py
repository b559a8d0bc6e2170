"""Lower values to what msgpack writes. Only the exact types listed here are; any other is refused, with its place.

A value that is met twice, or leads back to itself, is written once, in a graph (see `graph.py`).
The common case (a container of plain values) is settled by one set comparison and packed as it is. msgpack's own
`default=` is not used: it would let maps with any keys, memory views and foreign extension types through.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Collection, Iterable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, Flag
from uuid import UUID
from zoneinfo import ZoneInfo

from msgpack import ExtType

from ..errors import CannotShip, EmergeError, Invalid, LimitExceeded
from .attributes import has_fields, state_of
from .foreign import is_foreign, is_shared_foreign, take_apart
from .msgpack_engine import engine
from .standard import CONTAINERS, NAMES, pairs_of
from .standard import PLAIN as PLAIN_KINDS
from .value import DEPTH_LIMIT, BlockTree, Ext, Record, Reference, Value, class_name_of
from .zone import MissingZone, key_of, moment_zone

PLAIN = frozenset({type(None), bool, int, float, str, bytes})
_STR = frozenset({str})

BundleOf = Callable[[type], str]
Lower = Callable[["Encoder", Value, int], object]
"""Turns a value of one type, at a depth, into what msgpack writes."""


class Refusal(Exception):
    """A value cannot be written. Each container around it adds its step to the place on the way up."""

    def __init__(self, kind: type[EmergeError], what: str, remedy: str, *, deep: bool = False) -> None:
        super().__init__(what)
        self.kind, self.what, self.remedy = kind, what, remedy
        self.deep = deep
        self.place: list[object] = []

    def error(self) -> EmergeError:
        """Return the error to show, with the place as Python writes it: `data.items[3].handle`."""
        place = "".join(self._step(step) for step in reversed(self.place)).removeprefix(".")
        if len(place) > 200:
            place = place[:200] + "…"
        where = f"field '{place}'" if place else "the value"
        details = {"limit": "depth"} if self.kind is LimitExceeded else {}
        return self.kind(f"{where} {self.what}", remedy=self.remedy, field=place, **details)

    @staticmethod
    def _step(step: object) -> str:
        if isinstance(step, str):
            return f".{step}" if step.isidentifier() else f"[{step[:40]!r}]"
        return f"[{step!r}]" if isinstance(step, int) else "{…}"


_NAMED = (Enum, tuple)


def fields_of(value: object) -> dict[str, object]:
    """Return the fields of the record of an instance, an Enum member or a named tuple."""
    kind = type(value)
    if isinstance(value, Flag):
        return {"value": value.value}
    if isinstance(value, Enum):
        return {"name": value.name}
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return dict(zip(kind._fields, value, strict=True))
    if has_fields(kind):
        return state_of(value)
    raise _unwritable(kind)


def is_shared(value: object) -> bool:
    """Tell whether a value is one whose identity is kept: it can change, or has fields."""
    kind = type(value)
    return kind in SHARED or (has_fields(kind) and not isinstance(value, _NAMED)) or is_shared_foreign(kind)


class MetTwice(Exception):
    """A value is met for the second time, so that all must be written as a graph."""


class Encoder:
    """Lowers values to the types that msgpack writes. `careful` also checks each integer and string."""

    def __init__(self, bundle_of: BundleOf | None = None, careful: bool = False, root: object = None) -> None:
        self.bundle_of = bundle_of
        self.careful = careful
        self.root = root
        self.met: dict[int, object] = {}

    def meet(self, value: object) -> object:
        """Note a value that can be shared; return what stands for it here, if it is written elsewhere."""
        if id(value) in self.met:
            raise MetTwice
        self.met[id(value)] = value
        return None

    def lower(self, value: object, depth: int = 0) -> object:
        kind = type(value)
        if kind in PLAIN:
            return _check(value) if self.careful else value
        if depth >= DEPTH_LIMIT:
            raise Refusal(
                CannotShip,
                f"is nested deeper than {DEPTH_LIMIT}",
                "refer to another object by its uuid (Reference) rather than holding it",
                deep=True,
            )
        lower = LOWER.get(kind)
        if lower is None:
            return self.instance(value, depth + 1)
        if kind in SHARED and (back := self.meet(value)) is not None:
            return back
        return lower(self, value, depth + 1)

    def inside(self, value: object, depth: int, step: object) -> object:
        """Lower a value at one step within a container."""
        try:
            return self.lower(value, depth)
        except Refusal as refusal:
            refusal.place.append(step)
            raise

    def items(self, values: Collection[object], depth: int) -> list[object]:
        if not self.careful and PLAIN.issuperset(map(type, values)):
            return list(values)
        if self.careful:
            return [self.inside(item, depth, index) for index, item in enumerate(values)]
        return [item if type(item) in PLAIN else self.inside(item, depth, index) for index, item in enumerate(values)]

    def map(self, value: dict[Value, object], depth: int) -> object:
        if not _STR.issuperset(map(type, value)):
            return extension(Ext.MAP, self.pairs(value.items(), depth))
        return self.fields(value, depth)

    def pairs(self, pairs: Iterable[tuple[object, object]], depth: int) -> list[object]:
        flat: list[object] = []
        for key, item in pairs:
            flat += self.inside(key, depth, None), self.inside(item, depth, key)
        return flat

    def fields(self, value: dict[str, object], depth: int) -> dict[object, object] | dict[str, object]:
        if not self.careful and PLAIN.issuperset(map(type, value.values())):
            return value
        if self.careful:
            return {self.inside(key, depth, None): self.inside(item, depth, key) for key, item in value.items()}
        return {
            key if type(key) in PLAIN else self.inside(key, depth, None): item
            if type(item) in PLAIN
            else self.inside(item, depth, key)
            for key, item in value.items()
        }

    def unordered(self, value: Collection[object], depth: int) -> list[object]:
        return sorted((self.inside(item, depth, None) for item in value), key=engine.packb)

    def frozen(self, value: frozenset[object], depth: int) -> object:
        return extension(Ext.FROZENSET, self.unordered(value, depth))

    def record(self, value: Record, depth: int) -> object:
        return extension(Ext.RECORD, [*self.head_of(value), self.fields(value.fields, depth)])

    def head_of(self, value: Record) -> list[str]:
        name, bundle = value.class_name, value.bundle
        if type(name) is not str or type(bundle) is not str or not _STR.issuperset(map(type, value.fields)):
            raise Refusal(Invalid, "is a Record with a name, hash or field name that is not text", "make them text")
        return [name, bundle]

    def instance(self, value: object, depth: int) -> object:
        """Lower an instance with fields, a named tuple or an Enum member to its record."""
        kind = type(value)
        if has_fields(kind) and not isinstance(value, _NAMED):
            if value is self.root:
                return _text(Ext.REFERENCE, "")
            if (back := self.meet(value)) is not None:
                return back
            fields = state_of(value)
        elif is_foreign(kind):
            back = self.meet(value) if is_shared_foreign(kind) else None
            return self.foreign(value, depth) if back is None else back
        else:
            fields = fields_of(value)
        return extension(Ext.RECORD, [*self.head(kind), self.fields(fields, depth)])

    def head(self, kind: type) -> list[str]:
        """Return the name of a class and the hash of its bundle."""
        if self.bundle_of is None:
            raise Refusal(
                CannotShip, f"holds a {kind.__name__}, whose class is not known here", "store it in an object"
            )
        return [class_name_of(kind), self.bundle_of(kind)]

    def foreign(self, value: object, depth: int) -> object:
        """Lower a value of a package to a record without a bundle."""
        try:
            name, fields = take_apart(value)
        except ValueError as error:
            raise Refusal(CannotShip, str(error), "convert it to a type that can be stored") from None
        return extension(Ext.RECORD, [name, "", self.fields(fields, depth)])

    def plain_kind(self, value: object, depth: int) -> object:
        name = NAMES[type(value)]
        return extension(Ext.STANDARD, [name, *self.items(PLAIN_KINDS[name][1].split(value), depth)])

    def container(self, value: object, depth: int) -> object:
        return extension(Ext.STANDARD, [*settings_of(value), self.contents(value, depth)])

    def contents(self, value: object, depth: int) -> list[object]:
        """Lower what a container of the standard library holds: its items, or its keys and values by turns."""
        if isinstance(value, deque):
            return self.items(value, depth)
        return self.pairs(pairs_of(value).items(), depth)


def settings_of(value: object) -> list[object]:
    """Return the name and the settings of a container of the standard library."""
    name = NAMES[type(value)]
    try:
        return [name, *CONTAINERS[name][1].settings(value)]
    except ValueError as error:
        raise Refusal(CannotShip, str(error), "make it a plain dict") from None


def _unwritable(kind: type) -> Refusal:
    if any(issubclass(kind, base) for base in LOWER) or any(issubclass(kind, base) for base in PLAIN):
        base = next(base.__name__ for base in kind.__mro__ if base in LOWER or base in PLAIN)
        remedy = f"make it a plain {base}"
    else:
        remedy = "leave it out of the fields, or make its class a dataclass"
    return Refusal(CannotShip, f"holds a {kind.__name__}, which cannot be stored", remedy)


def _check(value: object) -> object:
    if type(value) is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Refusal(Invalid, "holds text with a lone surrogate", "remove it, or store bytes") from None
    elif type(value) is int and not -(2**63) <= value < 2**64:
        return ExtType(Ext.BIG_INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    return value


def extension(code: Ext, payload: object) -> ExtType:
    return ExtType(code, engine.packb(payload))


def _text(code: Ext, value: str) -> ExtType:
    return ExtType(code, value.encode())


def _moment(encoder: Encoder, value: datetime | time, depth: int) -> ExtType:
    zone, whole = moment_zone(value)
    if not whole:
        code = Ext.DATETIME if isinstance(value, datetime) else Ext.TIME
        return _text(code, value.replace(tzinfo=zone, fold=0).isoformat())
    offset = value.utcoffset()
    text = value.replace(tzinfo=None, fold=0).isoformat()
    seconds = None if offset is None else [offset.days, offset.seconds, offset.microseconds]
    return extension(Ext.MOMENT, [text, value.fold, None if zone is None else _zone_data(zone), seconds])


def _blocks(encoder: Encoder, value: BlockTree, depth: int) -> ExtType:
    if type(value.root) is not bytes or len(value.root) != 32 or type(value.size) is not int or value.size >> 64:
        raise Refusal(Invalid, "is no tree of blocks: its root is a hash of 32 bytes", "store a file by put")
    return ExtType(Ext.BLOCKS, value.root + value.size.to_bytes(8, "big"))


def _zone(encoder: Encoder, value: tzinfo, depth: int) -> ExtType:
    return extension(Ext.ZONE, _zone_data(value))


def _zone_data(value: tzinfo) -> object:
    key = key_of(value)
    if key is not None:
        return key
    if type(value) is not timezone:
        raise Refusal(CannotShip, "holds a ZoneInfo without a key, which cannot be stored", "make it by its key")
    span, name = value.utcoffset(None), value.tzname(None)
    return [[span.days, span.seconds, span.microseconds], None if name == timezone(span).tzname(None) else name]


LOWER: dict[type, Lower] = {
    list: Encoder.items,
    dict: Encoder.map,
    tuple: lambda w, v, d: extension(Ext.TUPLE, w.items(v, d)),
    set: lambda w, v, d: extension(Ext.SET, w.unordered(v, d)),
    frozenset: Encoder.frozen,
    complex: lambda w, v, d: extension(Ext.COMPLEX, [v.real, v.imag]),
    Decimal: lambda w, v, d: _text(Ext.DECIMAL, str(v)),
    UUID: lambda w, v, d: ExtType(Ext.UUID, v.bytes),
    datetime: _moment,
    date: lambda w, v, d: _text(Ext.DATE, v.isoformat()),
    time: _moment,
    timedelta: lambda w, v, d: extension(Ext.TIMEDELTA, [v.days, v.seconds, v.microseconds]),
    Record: Encoder.record,
    Reference: lambda w, v, d: _text(Ext.REFERENCE, v.uuid),
    BlockTree: _blocks,
    timezone: _zone,
    ZoneInfo: _zone,
    MissingZone: _zone,
    **{kind: Encoder.plain_kind for kind, _ in PLAIN_KINDS.values()},
    **{kind: Encoder.container for kind, _ in CONTAINERS.values()},
}
SHARED = frozenset({list, dict, set, bytearray, array, Record}).union(kind for kind, _ in CONTAINERS.values())
"""Kinds of values whose identity is kept; that of instances with fields is kept too."""
