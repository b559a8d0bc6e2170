"""Read what arrays and tables hold from their records, without the packages that they are of."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from math import prod

from .value import Fields, Record, Value

_NUMBERS = {
    "b1": "?",
    **{f"i{size}": code for size, code in zip((1, 2, 4, 8), "bhiq", strict=True)},
    **{f"u{size}": code for size, code in zip((1, 2, 4, 8), "BHIQ", strict=True)},
    **{f"f{size}": code for size, code in zip((2, 4, 8), "efd", strict=True)},
}
_MOST = 1_000_000  # of a range, which has no bytes that bound it
_EPOCH = datetime(1970, 1, 1)
_PER_SECOND = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}


def items_of(dtype: object, data: bytes, most: int | None = None) -> list[Value] | None:
    """Return the first items of an array; None where the dtype is not one of these."""
    if not isinstance(dtype, str) or not isinstance(data, bytes):
        return None
    order, kind = "<>"[dtype[:1] == ">"], dtype.lstrip("<>|=")
    try:
        if kind in _NUMBERS:
            return _numbers(order + _NUMBERS[kind], data, most)
        if kind[:1] in "US" and kind[1:].isdigit():
            return _texts(kind, f"utf-32-{'be' if order == '>' else 'le'}", data, most)
        if kind[:4] in ("M8[s", "M8[m", "M8[u", "M8[n") and kind[3:-1] in _PER_SECOND:
            return [_moment(item, kind[3:-1]) for item in _numbers(order + "q", data, most)]
    except (struct.error, ValueError, OverflowError):
        pass
    return None


def _numbers(form: str, data: bytes, most: int | None) -> list[Value]:
    return [item for (item,) in islice(struct.iter_unpack(form, data), most)]


def _texts(kind: str, encoding: str, data: bytes, most: int | None) -> list[Value]:
    size = int(kind[1:]) * (4 if kind[0] == "U" else 1)
    cells = [data[start : start + size] for start in islice(range(0, len(data), size or 1), most)] if size else []
    return [cell.decode(encoding).rstrip("\0") if kind[0] == "U" else cell.rstrip(b"\0") for cell in cells]


def _moment(count: int, unit: str) -> datetime | None:
    if count == -(2**63):
        return None  # not a time
    return _EPOCH + timedelta(microseconds=count * 10**6 // _PER_SECOND[unit])


def nested(items: Sequence[Value], shape: Sequence[int], order: str) -> Value:
    """Return the items of an array as lists within lists; a single one for an array without dimensions."""
    if prod(shape) != len(items):
        raise ValueError("the shape does not fit")
    if not shape:
        return items[0]
    steps = [prod(shape[place + 1 :]) if order == "C" else prod(shape[:place]) for place in range(len(shape))]

    def part(place: int, start: int) -> Value:
        if place == len(shape):
            return items[start]
        return [part(place + 1, start + index * steps[place]) for index in range(shape[place])]

    return part(0, 0)


def array_items(record: object, most: int | None = None) -> list[Value]:
    """Return the first items of the record of an array, none where its dtype cannot be read here."""
    fields = record.fields if isinstance(record, Record) else {}
    return items_of(fields.get("dtype"), fields.get("data", b""), most) or []


def column_items(column: Fields, most: int | None = None) -> list[Value]:
    """Return the first items of a column as `pandas_value.py` writes it."""
    kind = column.get("kind")
    if kind == "category":
        names = index_items(column["categories"])
        return [names[code] if code >= 0 else None for code in array_items(column["codes"], most)]
    if kind == "masked":
        pairs = zip(array_items(column["values"], most), array_items(column["mask"], most), strict=True)
        return [None if absent else item for item, absent in pairs]
    values = column.get("values")
    return values[:most] if isinstance(values, list) else array_items(values, most)


def index_items(index: object, most: int | None = None) -> list[Value]:
    """Return the first items of the record of an index."""
    fields = index.fields if isinstance(index, Record) else {}
    if "range" in fields:
        return list(islice(fields["range"], _MOST if most is None else most))
    if "levels" in fields:
        levels = [index_items(level) for level in fields["levels"]]
        codes = [array_items(each, most) for each in fields["codes"]]
        return [
            tuple(level[code] if code >= 0 else None for level, code in zip(levels, row, strict=True))
            for row in zip(*codes, strict=True)
        ]
    return column_items(fields.get("column", {}), most)


def table_columns(name: str, fields: Fields, most: int | None = None) -> dict[Value, list[Value]] | None:
    """Return the first items of the columns of a frame or a series, by name; None for any other record.

    Columns of the same name are told apart by their number.
    """
    try:
        if name == "pandas.Series":
            return {fields["name"]: column_items(fields["column"], most)}
        if name != "pandas.DataFrame":
            return None
        found: dict[Value, list[Value]] = {}
        for number, column in enumerate(zip(index_items(fields["columns"]), fields["data"], strict=True)):
            found[f"{column[0]} ({number})" if column[0] in found else column[0]] = column_items(column[1], most)
        return found
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):  # bytes of another writer
        return None
