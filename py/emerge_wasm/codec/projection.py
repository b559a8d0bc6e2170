"""Convert values to JSON data, for people and programs that do not read msgpack. One way only."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from .attributes import state_of
from .literal import show
from .value import Record, Reference, class_name_of

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


def plain(value: object) -> JsonValue:
    """Convert a value to JSON data: dates in ISO 8601, bytes in base64, time spans in seconds, sets as lists.

    Decimal, UUID and complex become text, as do nan and the infinities; a record or dataclass is its fields with
    "$class", a reference {"$ref": uuid}. Keys other than text are written as Python shows them.
    """
    kind = type(value)
    if value is None or (kind in (str, int, bool) and isinstance(value, str | int)):
        return value
    convert = _CONVERT.get(kind)
    if convert:
        return convert(value)
    if isinstance(value, Enum):
        return {"$class": class_name_of(kind), "name": value.name}
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return {"$class": class_name_of(kind), **_map(dict(zip(kind._fields, value, strict=True)))}
    if is_dataclass(kind):
        return {"$class": class_name_of(kind), **_map(state_of(value))}
    return show(value)


def _list(value: Iterable[object]) -> list[JsonValue]:
    return [plain(item) for item in value]


def _set(value: Iterable[object]) -> list[JsonValue]:
    return [plain(item) for item in sorted(value, key=show)]


def _map(value: Mapping[Any, object]) -> dict[str, JsonValue]:
    return {key if type(key) is str else show(key): plain(item) for key, item in value.items()}


_CONVERT: dict[type, Callable[[Any], JsonValue]] = {
    list: _list,
    tuple: _list,
    set: _set,
    frozenset: _set,
    dict: _map,
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
    Record: lambda value: {"$class": value.class_name, **_map(value.fields)},
}
