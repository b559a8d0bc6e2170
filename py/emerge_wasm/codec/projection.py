"""Convert values to JSON data, for people and programs that do not read msgpack. One way only."""

from __future__ import annotations

import base64
import math
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID
from zoneinfo import ZoneInfo

from ..errors import EmergeError
from .attributes import has_fields, state_of
from .decode import decode
from .encode import encode
from .expansion import Expansion
from .foreign import is_foreign, is_foreign_name
from .package_data import index_items, items_of, nested, table_columns
from .standard import CONTAINERS, PLAIN, TEXTS, pairs_of
from .text import show
from .value import BlockTree, Fields, Record, Reference, Value, class_name_of, shown_fields
from .zone import MissingZone

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


def plain(value: object) -> JsonValue:
    """Convert a value to JSON data: dates in ISO 8601, bytes in base64, time spans in seconds, sets as lists.

    Decimal, UUID, complex, fractions and paths become text, as do nan and the infinities; a record or instance is its
    fields with "$class", a reference {"$ref": uuid}. Keys other than text are written as Python shows them. What is
    shared is written again (many times it is {"$more": true}); a value within itself is {"$up": how many levels}.
    """
    return _Plain().convert(value)


class _Plain:
    """The JSON data of one value."""

    def __init__(self) -> None:
        self.expansion = Expansion()

    def convert(self, value: object) -> JsonValue:
        kind = type(value)
        if value is None or (kind in (str, int, bool) and isinstance(value, str | int)):
            return value
        leaf = _LEAVES.get(kind)
        if leaf:
            return leaf(value)
        if isinstance(value, Enum):
            return {"$class": class_name_of(kind), "name": value.name}
        if is_foreign(kind):
            return self._foreign(value)
        convert = _CONVERT.get(kind)
        if not convert and not has_fields(kind) and not (isinstance(value, tuple) and hasattr(kind, "_fields")):
            return show(value)
        level = self.expansion.level_of(value)
        if level is not None:
            return {"$up": level}
        with self.expansion.entered(value) as may:
            if not may:
                return {"$more": True}
            return convert(self, value) if convert else self.named(class_name_of(kind), _fields_of(value))

    def list(self, value: Iterable[object]) -> JsonValue:
        return [self.convert(item) for item in value]

    def set(self, value: Iterable[object]) -> JsonValue:
        return [self.convert(item) for item in sorted(value, key=show)]

    def map(self, value: Value) -> JsonValue:
        return self._fields(pairs_of(value))

    def record(self, value: Record) -> JsonValue:
        if is_foreign_name(value.class_name, value.bundle):
            return self._of_package(value.class_name, value.fields)
        return self.named(value.class_name, shown_fields(value.fields))

    def named(self, name: str, fields: dict[str, object]) -> JsonValue:
        return {"$class": name, **self._fields(fields)}

    def _fields(self, fields: Mapping[Value, object]) -> dict[str, JsonValue]:
        return {key if type(key) is str else show(key): self.convert(item) for key, item in fields.items()}

    def _foreign(self, value: object) -> JsonValue:
        try:
            return self.convert(decode(encode(value)))
        except EmergeError:
            return show(value)

    def _of_package(self, name: str, fields: Fields) -> JsonValue:
        """Return an array as lists, a scalar as itself, a table by its columns; all else as its fields."""
        columns = table_columns(name, fields)
        if columns is not None:
            index = index_items(fields.get("index"), max(map(len, columns.values()), default=None))
            return {"$class": name, "index": self.convert(index), "columns": self.convert(columns)}
        items = items_of(fields.get("dtype"), fields.get("data", b""))
        if not items or "shape" not in fields:
            return self.convert(items[0]) if items else self.named(name, fields)
        try:
            lists = nested(items, fields["shape"], fields["order"])
        except (IndexError, KeyError, TypeError, ValueError):  # bytes of another writer
            lists = items
        return {"$class": name, "dtype": fields["dtype"], "shape": fields["shape"], "data": self.convert(lists)}


def _fields_of(value: Value) -> dict[str, object]:
    if isinstance(value, tuple):
        return dict(zip(type(value)._fields, value, strict=True))  # type: ignore[attr-defined]
    return shown_fields(state_of(value))


_LEAVES: dict[type, Callable[[Value], JsonValue]] = {
    float: lambda value: value if math.isfinite(value) else str(value),
    bytes: lambda value: base64.b64encode(value).decode(),
    bytearray: lambda value: base64.b64encode(value).decode(),
    complex: str,
    Decimal: str,
    UUID: str,
    datetime: lambda value: value.isoformat(),
    date: lambda value: value.isoformat(),
    time: lambda value: value.isoformat(),
    timedelta: lambda value: value.total_seconds(),
    Reference: lambda value: {"$ref": value.uuid},
    BlockTree: lambda value: {"$blocks": value.root.hex(), "size": value.size},
    ZoneInfo: lambda value: value.key,
    MissingZone: lambda value: value.key,
    array: lambda value: plain(value.tolist()),
    **{kind: str for name, (kind, _) in PLAIN.items() if name in TEXTS or name == "Fraction"},
}
_CONVERT: dict[type, Callable[[_Plain, Value], JsonValue]] = {
    list: _Plain.list,
    tuple: _Plain.list,
    set: _Plain.set,
    frozenset: _Plain.set,
    deque: _Plain.list,
    dict: _Plain.map,
    Record: _Plain.record,
    **{kind: _Plain.map for kind, row in CONTAINERS.values() if row.paired},
}
