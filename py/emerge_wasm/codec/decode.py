"""Decode bytes to values. Any bytes give a value or one of two errors: Invalid, LimitExceeded.

The work of msgpack is bounded here: a length is believed only when that many bytes are there, an extension within an
extension is counted, and the result is no deeper than DEPTH_LIMIT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgpack import StackError

from ..errors import EmergeError, Invalid, LimitExceeded
from .msgpack_engine import engine
from .value import DEPTH_LIMIT, SIZE_LIMIT, Ext, Record, Reference

ReadExtension = Callable[["Decoder", bytes], object]
MakeRecord = Callable[[str, str, dict[str, Any]], object]
"""Makes the value of a nested record from its class name, bundle hash and fields."""

_LONG_HEADS = b"\xdc\xdd\xde\xdf"  # arrays and maps that name a length of 2 or 4 bytes
_HEADS = bytes(range(0x80, 0xA0)) + _LONG_HEADS + b"\xc7\xc8\xc9\xd4\xd5\xd6\xd7\xd8"
_NOT_LONG_HEADS = bytes(set(range(256)) - set(_LONG_HEADS))
_NOT_HEADS = bytes(set(range(256)) - set(_HEADS))
_BELIEVED = 1 << 20  # bytes that msgpack may reserve for lengths not yet checked
SAME_HASH = 100
Container = list[object] | dict[object, object] | tuple[object, ...] | set[object] | frozenset[object] | Record
_CONTAINERS = (list, dict, tuple, set, frozenset, Record)
_CONTAINER_SET = frozenset(_CONTAINERS)


class Decoder:
    """Decodes one message. `make_record` makes the value of a nested record."""

    def __init__(self, make_record: MakeRecord = Record) -> None:
        self.make_record = make_record
        self.level = 0

    def read(self, data: bytes) -> Any:
        """Return the value of a message that must be complete, with nothing behind it."""
        if self.level > DEPTH_LIMIT:
            raise too_deep()
        self.level += 1
        check_lengths(data)
        try:
            value = engine.unpackb(data, raw=False, strict_map_key=True, timestamp=3, ext_hook=self.extension)
        finally:
            self.level -= 1
        return value

    def extension(self, code: int, data: bytes) -> object:
        read = _READ.get(code)
        if read is None:
            raise Invalid(f"it holds extension type {code}, which is not known", remedy="update this Emerge")
        return read(self, data)

    def items(self, data: bytes) -> list[Any]:
        value = self.read(data)
        if type(value) is not list:
            raise Invalid("an extension holds no array")
        return value

    def map(self, data: bytes) -> dict[object, object]:
        flat = self.items(data)
        if len(flat) % 2:
            raise Invalid("a map has a key without a value")
        return dict(zip(self.spread(flat[::2]), flat[1::2], strict=True))

    def spread(self, keys: list[object]) -> list[object]:
        """Refuse keys that were chosen to have the same hash: to put n of them into a map or set takes n * n steps.

        Only numbers, and tuples of them, can be chosen so; texts and bytes are hashed with a secret.
        """
        if len(keys) > SAME_HASH and len(keys) - len(set(map(hash, keys))) > SAME_HASH:
            raise Invalid(
                f"more than {SAME_HASH} keys of a map or set have the same hash", remedy="keep a list of them"
            )
        return keys

    def record(self, data: bytes) -> object:
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
        unpacker = engine.Unpacker(
            max_buffer_size=size, max_array_len=size, max_map_len=size, max_str_len=size, max_bin_len=size, raw=False
        )
        unpacker.feed(data)
        unpacker.skip()


def check_depth(value: object, data: bytes) -> None:
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


def _children(container: Container) -> Iterable[object]:
    held: Iterable[object]
    if isinstance(container, Record):
        held = container.fields.values()
    elif isinstance(container, dict):
        held = [*container.keys(), *container.values()]
    else:
        held = container
    if _CONTAINER_SET.isdisjoint(map(type, held)):
        return ()
    return [item for item in held if type(item) in _CONTAINER_SET]


def _complex(decoder: Decoder, data: bytes) -> complex:
    real, imag = decoder.items(data)
    if type(real) is not float or type(imag) is not float:
        raise Invalid("a complex number is not two floats")
    return complex(real, imag)


def _timedelta(decoder: Decoder, data: bytes) -> timedelta:
    days, seconds, microseconds = decoder.items(data)
    if {type(days), type(seconds), type(microseconds)} != {int}:
        raise Invalid("a time span is not three integers")
    return timedelta(days, seconds, microseconds)


def _decimal(decoder: Decoder, data: bytes) -> Decimal:
    text = data.decode("ascii")
    value = Decimal(text)
    if str(value) != text:
        raise Invalid("a decimal number is not in its shortest form")
    return value


def _iso(kind: type[datetime] | type[date] | type[time]) -> ReadExtension:
    def read(decoder: Decoder, data: bytes) -> date | time:
        return kind.fromisoformat(data.decode("ascii"))

    return read


_READ: dict[int, ReadExtension] = {
    Ext.BIG_INT: lambda d, data: int.from_bytes(data, "big", signed=True),
    Ext.TUPLE: lambda d, data: tuple(d.items(data)),
    Ext.SET: lambda d, data: set(d.spread(d.items(data))),
    Ext.FROZENSET: lambda d, data: frozenset(d.spread(d.items(data))),
    Ext.MAP: Decoder.map,
    Ext.COMPLEX: _complex,
    Ext.DECIMAL: _decimal,
    Ext.UUID: lambda d, data: UUID(bytes=data),
    Ext.DATETIME: _iso(datetime),
    Ext.DATE: _iso(date),
    Ext.TIME: _iso(time),
    Ext.TIMEDELTA: _timedelta,
    Ext.RECORD: Decoder.record,
    Ext.REFERENCE: lambda d, data: Reference(data.decode()),
}


def decode(data: bytes, *, limit: int = SIZE_LIMIT, make_record: MakeRecord = Record) -> Any:
    """Decode the value that `encode` wrote. No code is run: a nested dataclass becomes what `make_record` returns.

    Raises:
        Invalid: the bytes are not exactly one well-formed value.
        LimitExceeded: more than `limit` bytes or DEPTH_LIMIT levels; `details["limit"]` is "size" or "depth".
    """
    if type(data) is not bytes:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise Invalid(f"encoded data must be bytes, not {type(data).__name__}")
        data = bytes(data)
    if len(data) > limit:
        raise LimitExceeded(f"the message has {len(data)} bytes", remedy=f"the limit is {limit}", limit="size")
    try:
        value = Decoder(make_record).read(data)
    except EmergeError:
        raise
    except (StackError, RecursionError):
        raise too_deep() from None
    except Exception as error:  # msgpack, datetime and Decimal raise many kinds for bad bytes
        reason = str(error) or type(error).__name__
        raise Invalid(f"the bytes are not a valid message: {reason[:200]}", remedy="send them again, whole") from None
    check_depth(value, data)
    return value
