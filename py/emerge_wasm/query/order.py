"""Write values as bytes that sort as the values do: the keys of indexes. Imports the standard library and `codec.zone`.

A key begins with its family (a byte) and marks its end, so that joined keys of several values sort field by field.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from ..codec.zone import is_ambiguous

TEXT_BYTES = 240
"""Bytes of a str or bytes in a key; values that are the same up to there have the same key."""

_NONE, _NUMBER, _TEXT, _BYTES = b"\x08", b"\x10", b"\x18", b"\x20"
_DATETIME, _AWARE, _DATE, _TIME, _AWARE_TIME, _TIMEDELTA, _UUID = (bytes([0x28 + 8 * step]) for step in range(7))

_BELOW, _EXACT, _ABOVE = b"\x00", b"\x01", b"\x02"
_END = b"\x00\x00"
_EXACT_INT = 1 << 53
_LARGEST: Final = 1.7976931348623157e308
_DIGITS = Context(prec=1000, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
_MICROSECOND = timedelta(microseconds=1)
_pack_float, _bits, _pack_bits = struct.Struct(">d").pack, struct.Struct(">Q").unpack, struct.Struct(">Q").pack


def sort_key(value: object) -> bytes | None:
    """Return at most 243 bytes that sort as the values of one family do; None for a value that has no place.

    Families: None; int, float, bool and Decimal; str; bytes; naive and aware datetime, date, naive and aware time,
    timedelta; UUID. Equal values of one family have the same key, whatever their types. Different ones have the same
    only where they are cut (texts after TEXT_BYTES) or rounded (numbers of more than some 30 digits). NaN, containers,
    records and values of any other type have no place; nor have moments that the clock of their zone shows twice or
    never.
    """
    make = _MAKERS.get(type(value))
    return None if make is None else make(value)


def order_key(value: object) -> bytes | None:
    """Return the sort key of a value; that of the moment in UTC where the value has none because of its zone."""
    if type(value) is datetime and is_ambiguous(value):
        value = value.astimezone(UTC)
    return sort_key(value)


def is_whole(key: bytes) -> bool:
    """Tell whether all values with that key are equal: it is neither cut nor rounded."""
    if key[:1] == _NUMBER:
        return key[9:] == _EXACT
    return len(key) < TEXT_BYTES or key[:1] not in (_TEXT, _BYTES)


def family_range(key: bytes) -> tuple[bytes, bytes]:
    """Return the range (low <= key < high) of all values that can be compared with the one of this key."""
    return key[:1], bytes([key[0] + 1])


def split_keys(joined: bytes) -> Iterator[bytes]:
    """Yield the keys in joined keys."""
    start = 0
    while start < len(joined):
        end = _end_of(joined, start)
        yield joined[start:end]
        start = end


def _end_of(joined: bytes, start: int) -> int:
    family = joined[start : start + 1]
    if family in (_TEXT, _BYTES):
        end = start + 1
        while joined[end] or joined[end + 1]:
            end += 2 if not joined[end] else 1
        return end + 2
    if family == _NUMBER:
        return start + (10 if joined[start + 9 : start + 10] == _EXACT else 18)
    return start + 1 + _SIZES[family]


_SIZES = {_NONE: 0, _DATETIME: 12, _AWARE: 12, _DATE: 4, _TIME: 12, _AWARE_TIME: 12, _TIMEDELTA: 12, _UUID: 16}


# --- numbers: the nearest float, then on which side of it the number is, and how far
def _float(value: float) -> bytes | None:
    return None if math.isnan(value) else _NUMBER + _ordered(value) + _EXACT


def _int(value: int) -> bytes:
    if -_EXACT_INT <= value <= _EXACT_INT:
        return _NUMBER + _ordered(float(value)) + _EXACT
    try:
        nearest = float(value)
    except OverflowError:
        return _beyond(value > 0)
    return _near(nearest, value - int(nearest))


def _decimal(value: Decimal) -> bytes | None:
    if value.is_nan():
        return None
    given, value = value, _DIGITS.plus(value)
    nearest = float(value)
    if math.isinf(nearest) and value.is_finite():
        return _beyond(value > 0)
    if math.isinf(nearest) or given == nearest:
        return _NUMBER + _ordered(nearest) + _EXACT
    if value == nearest:  # it is rounded
        return _near(nearest, 1 if given > value else -1, 0.0)
    if nearest == 0.0:  # its fraction may be too large to be made
        return _near(0.0, 1 if value > 0 else -1, 0.0)
    return _near(nearest, Fraction(value) - Fraction(nearest))


def _beyond(positive: bool) -> bytes:
    """Return the key of a finite number outside the range of floats."""
    sign = 1 if positive else -1
    return _near(math.copysign(_LARGEST, sign), sign, math.inf)


def _near(nearest: float, rest: int | Fraction, size: float | None = None) -> bytes:
    if not rest:
        return _NUMBER + _ordered(nearest) + _EXACT
    distance = float(rest) if size is None else math.copysign(size, rest)
    return _NUMBER + _ordered(nearest) + (_ABOVE if rest > 0 else _BELOW) + _ordered(distance)


def _ordered(value: float) -> bytes:
    """Return eight bytes that sort as floats do; both zeros have the same."""
    (bits,) = _bits(_pack_float(value + 0.0))
    return _pack_bits(bits ^ (0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else 1 << 63))


# --- texts: a zero is written as 00 FF, and 00 00 ends them
def _text(value: str) -> bytes:
    return _escaped(_TEXT, value[:TEXT_BYTES].encode(errors="surrogatepass"))


def _bytes(value: bytes) -> bytes:
    return _escaped(_BYTES, value[:TEXT_BYTES])


def _escaped(family: bytes, raw: bytes) -> bytes:
    if 0 in raw:
        raw = raw.replace(b"\0", b"\0\xff")
    if len(raw) > TEXT_BYTES:
        raw = raw[: TEXT_BYTES - 1 if raw[TEXT_BYTES - 1] == 0 else TEXT_BYTES]
    return family + raw + _END


# --- times: microseconds
def _span(family: bytes, span: timedelta) -> bytes:
    return family + (span // _MICROSECOND + (1 << 95)).to_bytes(12, "big")


def _datetime(value: datetime) -> bytes | None:
    if is_ambiguous(value):
        return None  # it is ordered otherwise among those of its zone, and equal to none of another
    naive = value.replace(tzinfo=None)
    offset = value.utcoffset()
    if offset is None:
        return _span(_DATETIME, naive - datetime.min)
    return _span(_AWARE, naive - datetime.min - offset)


def _time(value: time) -> bytes:
    span = timedelta(hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond)
    offset = value.utcoffset()
    return _span(_TIME, span) if offset is None else _span(_AWARE_TIME, span - offset)


_MAKERS: dict[type, Callable[[Any], bytes | None]] = {
    type(None): lambda value: _NONE,
    bool: _int,
    int: _int,
    float: _float,
    Decimal: _decimal,
    str: _text,
    bytes: _bytes,
    datetime: _datetime,
    date: lambda value: _DATE + value.toordinal().to_bytes(4, "big"),
    time: _time,
    timedelta: lambda value: _span(_TIMEDELTA, value),
    UUID: lambda value: _UUID + value.bytes,
}
