"""Bytes to values. Any bytes give a value or one of two errors: Invalid, LimitExceeded.

What msgpack decodes by itself is bounded here: a length is believed only when that many bytes are there, an
extension within an extension is counted, and the result is no deeper than DEPTH_LIMIT.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgpack

from ..errors import EmergeError, Invalid, LimitExceeded
from .value import DEPTH_LIMIT, SIZE_LIMIT, Ext, Record, Reference

MakeRecord = Callable[[str, str, dict[str, Any]], Any]

_LONG_HEADS = b"\xdc\xdd\xde\xdf"  # arrays and maps that name a length of 2 or 4 bytes
_HEADS = bytes(range(0x80, 0xA0)) + _LONG_HEADS + b"\xc7\xc8\xc9\xd4\xd5\xd6\xd7\xd8"
_NOT_LONG_HEADS = bytes(set(range(256)) - set(_LONG_HEADS))
_NOT_HEADS = bytes(set(range(256)) - set(_HEADS))
_BELIEVED = 1 << 20  # bytes that msgpack may reserve for lengths not yet checked
SAME_HASH = 100
_CONTAINERS = (list, dict, tuple, set, frozenset, Record)
_CONTAINER_SET = frozenset(_CONTAINERS)


class Reader:
    """One decoding. `make_record` gives the value of a nested record."""

    def __init__(self, make_record: MakeRecord = Record) -> None:
        self.make_record = make_record
        self.level = 0

    def read(self, data: bytes) -> Any:
        """The value of a message that must be complete, with nothing behind it."""
        if self.level > DEPTH_LIMIT:
            raise too_deep()
        self.level += 1
        check_lengths(data)
        try:
            value = msgpack.unpackb(data, raw=False, strict_map_key=True, timestamp=3, ext_hook=self.extension)
        finally:
            self.level -= 1
        return value

    def extension(self, code: int, data: bytes) -> Any:
        read = _READ.get(code)
        if read is None:
            raise Invalid(f"it holds extension type {code}, which is not known", remedy="update this Emerge")
        return read(self, data)

    def items(self, data: bytes) -> list[Any]:
        value = self.read(data)
        if type(value) is not list:
            raise Invalid("an extension holds no array")
        return value

    def map(self, data: bytes) -> dict[Any, Any]:
        flat = self.items(data)
        if len(flat) % 2:
            raise Invalid("a map has a key without a value")
        return dict(zip(self.spread(flat[::2]), flat[1::2], strict=True))

    def spread(self, keys: list[Any]) -> list[Any]:
        """Refuse numbers (or what consists of them) that were chosen to have the same hash: to put n of them into a map
        or set takes n * n steps. Texts and bytes are hashed with a secret."""
        if len(keys) > SAME_HASH and len(keys) - len(set(map(hash, keys))) > SAME_HASH:
            raise Invalid(
                f"more than {SAME_HASH} keys of a map or set have the same hash", remedy="keep a list of them"
            )
        return keys

    def record(self, data: bytes) -> Any:
        name, bundle, fields = self.items(data)
        if type(name) is not str or type(bundle) is not str or type(fields) is not dict:
            raise Invalid("a record is not [name, hash, fields]")
        if not all(type(key) is str for key in fields):
            raise Invalid("a record has a field whose name is not text")
        return self.make_record(name, bundle, fields)


def too_deep() -> LimitExceeded:
    return LimitExceeded(
        f"the message is nested deeper than {DEPTH_LIMIT}", remedy="make the value flatter", limit="depth"
    )


def check_lengths(data: bytes) -> None:
    """Refuse lengths beyond the buffer before msgpack's C code reserves room for them.

    Skipping over the message checks them without making a value; it is done only when the number of bytes that
    could be such a length would let msgpack reserve much.
    """
    if min(len(data), 1024) * len(data) * 8 <= _BELIEVED:
        return
    claims = len(data.translate(None, _NOT_LONG_HEADS))
    if claims and min(claims, 1024) * len(data) * 8 > _BELIEVED:
        size = len(data)
        unpacker = msgpack.Unpacker(
            max_buffer_size=size, max_array_len=size, max_map_len=size, max_str_len=size, max_bin_len=size, raw=False
        )
        unpacker.feed(data)
        unpacker.skip()


def check_depth(value: Any, data: bytes) -> None:
    """Refuse a decoded value that is deeper than DEPTH_LIMIT; a flat map is not, few container bytes cannot be."""
    if type(value) is dict and _CONTAINER_SET.isdisjoint(map(type, value.values())):
        return  # its keys are texts: other ones come as an extension
    if len(data.translate(None, _NOT_HEADS)) <= DEPTH_LIMIT:
        return
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [item for container in level if isinstance(container, _CONTAINERS) for item in _children(container)]
        if not level:
            return
    raise too_deep()


def _children(container: Any) -> Any:
    if isinstance(container, Record):
        container = container.fields
    if isinstance(container, dict):
        both = [*container.keys(), *container.values()]
        return [item for item in both if type(item) in _CONTAINER_SET]
    if _CONTAINER_SET.isdisjoint(map(type, container)):
        return ()
    return [item for item in container if type(item) in _CONTAINER_SET]


def _complex(reader: Reader, data: bytes) -> complex:
    real, imag = reader.items(data)
    if type(real) is not float or type(imag) is not float:
        raise Invalid("a complex number is not two floats")
    return complex(real, imag)


def _timedelta(reader: Reader, data: bytes) -> timedelta:
    days, seconds, microseconds = reader.items(data)
    if {type(days), type(seconds), type(microseconds)} != {int}:
        raise Invalid("a time span is not three integers")
    return timedelta(days, seconds, microseconds)


def _decimal(reader: Reader, data: bytes) -> Decimal:
    text = data.decode("ascii")
    value = Decimal(text)
    if str(value) != text:
        raise Invalid("a decimal number is not in its shortest form")
    return value


def _iso(kind: type[datetime] | type[date] | type[time]) -> Callable[[Reader, bytes], Any]:
    def read(reader: Reader, data: bytes) -> Any:
        return kind.fromisoformat(data.decode("ascii"))

    return read


_READ: dict[int, Callable[[Reader, bytes], Any]] = {
    Ext.BIG_INT: lambda r, data: int.from_bytes(data, "big", signed=True),
    Ext.TUPLE: lambda r, data: tuple(r.items(data)),
    Ext.SET: lambda r, data: set(r.spread(r.items(data))),
    Ext.FROZENSET: lambda r, data: frozenset(r.spread(r.items(data))),
    Ext.MAP: Reader.map,
    Ext.COMPLEX: _complex,
    Ext.DECIMAL: _decimal,
    Ext.UUID: lambda r, data: UUID(bytes=data),
    Ext.DATETIME: _iso(datetime),
    Ext.DATE: _iso(date),
    Ext.TIME: _iso(time),
    Ext.TIMEDELTA: _timedelta,
    Ext.RECORD: Reader.record,
    Ext.REFERENCE: lambda r, data: Reference(data.decode()),
}


def decode(data: bytes, *, limit: int = SIZE_LIMIT, make_record: MakeRecord = Record) -> Any:
    """The value that `encode` wrote. No code is run: a nested dataclass is what `make_record` returns, a Record.

    Raises Invalid for anything that is not exactly one well-formed value, LimitExceeded (`details["limit"]` is
    "size" or "depth") for more than `limit` bytes or DEPTH_LIMIT levels.
    """
    if type(data) is not bytes:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise Invalid(f"encoded data must be bytes, not {type(data).__name__}")
        data = bytes(data)
    if len(data) > limit:
        raise LimitExceeded(f"the message has {len(data)} bytes", remedy=f"the limit is {limit}", limit="size")
    try:
        value = Reader(make_record).read(data)
    except EmergeError:
        raise
    except (msgpack.StackError, RecursionError):
        raise too_deep() from None
    except Exception as error:  # msgpack, its fallback, datetime and Decimal raise many kinds for bad bytes
        reason = str(error) or type(error).__name__
        raise Invalid(f"the bytes are not a valid message: {reason[:200]}", remedy="send them again, whole") from None
    check_depth(value, data)
    return value
