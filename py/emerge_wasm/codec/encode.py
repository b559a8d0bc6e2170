"""Encode values as bytes. Only the exact types listed here are written; any other is refused, with its place.

The common case (a container of plain values) is settled by one set comparison and packed as it is. msgpack's own
`default=` is not used: it would let maps with any keys, memory views and foreign extension types through.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag
from typing import Any
from uuid import UUID

from msgpack import ExtType

from ..errors import CannotShip, EmergeError, Invalid, LimitExceeded
from .attributes import state_of
from .msgpack_engine import engine
from .value import DEPTH_LIMIT, SIZE_LIMIT, Ext, Record, Reference, class_name_of

PLAIN = frozenset({type(None), bool, int, float, str, bytes})
_STR = frozenset({str})
_NO_PACK = (OverflowError, UnicodeEncodeError)  # an integer beyond 64 bit, a lone surrogate

BundleOf = Callable[[type], str]
Lower = Callable[["Encoder", Any, int], object]
"""Turns a value of one type, at a depth, into what msgpack writes."""


class Refusal(Exception):
    """A value cannot be written. Each container around it adds its step to the place on the way up."""

    def __init__(self, kind: type[EmergeError], what: str, remedy: str) -> None:
        super().__init__(what)
        self.kind, self.what, self.remedy = kind, what, remedy
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


class Encoder:
    """Lowers values to the types that msgpack writes. `careful` also checks each integer and string."""

    def __init__(self, bundle_of: BundleOf | None = None, careful: bool = False) -> None:
        self.bundle_of = bundle_of
        self.careful = careful

    def lower(self, value: object, depth: int = 0) -> object:
        kind = type(value)
        if kind in PLAIN:
            return _check(value) if self.careful else value
        if depth >= DEPTH_LIMIT:
            raise Refusal(
                CannotShip,
                f"is nested deeper than {DEPTH_LIMIT}, or holds itself",
                "refer to another object by its uuid (Reference) rather than holding it",
            )
        lower = _LOWER.get(kind)
        return lower(self, value, depth + 1) if lower else self.instance(value, depth + 1)

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
        return [self.inside(item, depth, index) for index, item in enumerate(values)]

    def map(self, value: dict[Any, object], depth: int) -> object:
        if not _STR.issuperset(map(type, value)):
            flat: list[object] = []
            for key, item in value.items():
                flat += self.inside(key, depth, None), self.inside(item, depth, key)
            return _extension(Ext.MAP, flat)
        return self.fields(value, depth)

    def fields(self, value: dict[str, object], depth: int) -> dict[object, object] | dict[str, object]:
        if not self.careful and PLAIN.issuperset(map(type, value.values())):
            return value
        return {self.inside(key, depth, None): self.inside(item, depth, key) for key, item in value.items()}

    def unordered(self, value: Iterable[object], depth: int) -> list[object]:
        return sorted((self.inside(item, depth, None) for item in value), key=engine.packb)

    def record(self, value: Record, depth: int) -> object:
        name, bundle = value.class_name, value.bundle
        if type(name) is not str or type(bundle) is not str or not _STR.issuperset(map(type, value.fields)):
            raise Refusal(Invalid, "is a Record with a name, hash or field name that is not text", "make them text")
        return _extension(Ext.RECORD, [name, bundle, self.fields(value.fields, depth)])

    def instance(self, value: object, depth: int) -> object:
        """Lower a dataclass instance, named tuple or Enum member to its record."""
        kind = type(value)
        if isinstance(value, Flag):
            fields: dict[str, object] = {"value": value.value}
        elif isinstance(value, Enum):
            fields = {"name": value.name}
        elif isinstance(value, tuple) and hasattr(kind, "_fields"):
            fields = dict(zip(kind._fields, value, strict=True))
        elif is_dataclass(kind):
            fields = state_of(value)
        else:
            raise _unwritable(kind)
        if self.bundle_of is None:
            raise Refusal(
                CannotShip, f"holds a {kind.__name__}, whose class is not known here", "store it in an object"
            )
        return self.record(Record(class_name_of(kind), self.bundle_of(kind), fields), depth)


def _unwritable(kind: type) -> Refusal:
    if any(issubclass(kind, base) for base in _LOWER) or any(issubclass(kind, base) for base in PLAIN):
        base = next(base.__name__ for base in kind.__mro__ if base in _LOWER or base in PLAIN)
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


def _extension(code: Ext, payload: object) -> ExtType:
    return ExtType(code, engine.packb(payload))


def _text(code: Ext, value: str) -> ExtType:
    return ExtType(code, value.encode())


def _datetime(encoder: Encoder, value: datetime, depth: int) -> ExtType:
    offset = value.utcoffset()
    return _text(Ext.DATETIME, value.replace(tzinfo=None if offset is None else timezone(offset), fold=0).isoformat())


def _time(encoder: Encoder, value: time, depth: int) -> ExtType:
    offset = value.utcoffset()
    return _text(Ext.TIME, value.replace(tzinfo=None if offset is None else timezone(offset), fold=0).isoformat())


_LOWER: dict[type, Lower] = {
    list: Encoder.items,
    dict: Encoder.map,
    bytearray: lambda w, v, d: bytes(v),
    tuple: lambda w, v, d: _extension(Ext.TUPLE, w.items(v, d)),
    set: lambda w, v, d: _extension(Ext.SET, w.unordered(v, d)),
    frozenset: lambda w, v, d: _extension(Ext.FROZENSET, w.unordered(v, d)),
    complex: lambda w, v, d: _extension(Ext.COMPLEX, [v.real, v.imag]),
    Decimal: lambda w, v, d: _text(Ext.DECIMAL, str(v)),
    UUID: lambda w, v, d: ExtType(Ext.UUID, v.bytes),
    datetime: _datetime,
    date: lambda w, v, d: _text(Ext.DATE, v.isoformat()),
    time: _time,
    timedelta: lambda w, v, d: _extension(Ext.TIMEDELTA, [v.days, v.seconds, v.microseconds]),
    Record: Encoder.record,
    Reference: lambda w, v, d: _text(Ext.REFERENCE, v.uuid),
}


def encode(value: object, *, bundle_of: BundleOf | None = None, limit: int = SIZE_LIMIT) -> bytes:
    """Encode a value in at most `limit` bytes.

    `bundle_of` gives the bundle hash of a nested dataclass's class; without it such instances are refused.

    Raises:
        CannotShip, Invalid: a value cannot be written; `details["field"]` names its place.
        LimitExceeded: the value is too large or too deep.
    """
    try:
        try:
            data = engine.packb(Encoder(bundle_of).lower(value))
        except _NO_PACK:
            data = engine.packb(Encoder(bundle_of, careful=True).lower(value))
    except Refusal as refusal:
        raise refusal.error() from None
    except RecursionError:
        raise LimitExceeded("the value is nested too deep for this stack", limit="depth") from None
    if len(data) > limit:
        raise LimitExceeded(f"the value has {len(data)} bytes", remedy=f"the limit is {limit}", limit="size")
    return data
