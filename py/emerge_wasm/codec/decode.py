"""Decode bytes to values. Any bytes give a value or one of two errors: Invalid, LimitExceeded.

The work of msgpack is bounded here: what a message would become is known before (`cost.py`), a length is believed only
when that many bytes are there, an extension within an extension is counted, and the result is no deeper than
DEPTH_LIMIT, where the depth of what is shared is counted anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Set, Sized
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from types import SimpleNamespace
from uuid import UUID

from msgpack import StackError

from ..errors import EmergeError, Invalid, LimitExceeded
from .cost import COST_LIMIT, DEAREST, check_cost
from .msgpack_engine import engine
from .record_maker import RecordMaker
from .standard import CONTAINERS, NAMES, PLAIN, fill, pairs_of
from .value import DEPTH_LIMIT, SIZE_LIMIT, BlockTree, Ext, Record, Reference, Value, too_large
from .zone import named_zone

ReadExtension = Callable[["Decoder", bytes], object]
_LONG_HEADS = b"\xdc\xdd\xde\xdf"  # arrays and maps that name a length of 2 or 4 bytes
_HEADS = bytes(range(0x80, 0xA0)) + _LONG_HEADS + b"\xc7\xc8\xc9\xd4\xd5\xd6\xd7\xd8"
_NOT_LONG_HEADS = bytes(set(range(256)) - set(_LONG_HEADS))
_NOT_HEADS = bytes(set(range(256)) - set(_HEADS))
_BELIEVED = 2 << 20  # bytes that msgpack may reserve for lengths not yet checked
_SAMPLE = 4 << 10
SAME_HASH = 100
_CONTAINERS = frozenset({list, dict, tuple, set, frozenset, Record, *(kind for kind, _ in CONTAINERS.values())})
_PLAIN_KEYS = frozenset({type(None), bool, int, float, str, bytes})


class Decoder:
    """Decodes one message. `maker` makes the values of nested records."""

    shells: list[Value] | None = None  # of the graph that is being read
    are_shells = False  # what is read now is one
    later: list[tuple[Value, list[Value]]] | None = None  # sets and maps to fill when their keys are whole
    shared: Set[int] = frozenset()  # the ids of all shells

    def __init__(self, maker: RecordMaker) -> None:
        self.maker = maker
        self.level = 0

    def read(self, data: bytes) -> Value:
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

    def items(self, data: bytes) -> list[Value]:
        value = self.read(data)
        if type(value) is not list:
            raise Invalid("an extension holds no array")
        return value

    def map(self, data: bytes) -> dict[object, object]:
        found: dict[object, object] = {}
        self.put(found, self.items(data))
        return found

    def put(self, container: Value, held: list[Value]) -> Value:
        """Fill a container; one with keys waits while these may still be blank."""
        if isinstance(container, (list, deque)):
            fill(container, held)
            return container
        keys = held if isinstance(container, set) else held[::2]
        if not isinstance(container, set) and len(held) % 2:
            raise Invalid("a map has a key without a value")
        if self.later is not None and not _PLAIN_KEYS.issuperset(map(type, keys)):
            self.later.append((container, held))
            return container
        self.spread(keys)
        fill(container, held)
        check_apart(container if isinstance(container, set) else pairs_of(container), keys)
        return container

    def frozen(self, data: bytes) -> frozenset[object]:
        items = self.items(data)
        found = frozenset(self.spread(items))
        check_apart(found, items)
        return found

    def standard(self, data: bytes) -> object:
        name, *rest = self.items(data)
        if name in PLAIN:
            return PLAIN[name][1].make(*rest)
        *settings, held = rest
        if name not in CONTAINERS or type(held) is not list:
            raise Invalid(f"it holds a {str(name)[:40]}, which is not known", remedy="update this Emerge")
        kind = CONTAINERS[name][1]
        if name == "SimpleNamespace" and not all(type(key) is str for key in held[::2]):
            raise Invalid("a namespace has a name that is not text")
        return self.put(kind.empty(*settings), held)

    # --- values that are met more than once
    def graph(self, data: bytes) -> object:
        outer = self.shells, self.later
        self.shells, self.later = [], []
        try:
            first, *fillings, last = self.items(data)
            self._read_shells(first, len(fillings))
            for shell, filling in zip(self.shells, fillings, strict=True):
                self._fill(shell, self._read_part(filling))
            waiting, self.later = self.later, None
            for container, held in waiting:
                self.put(container, held)
            return self._read_part(last)
        finally:
            self.shells, self.later = outer

    def _read_shells(self, data: bytes, number: int) -> None:
        self.are_shells = True
        try:
            self.shells = self.items(data)
        finally:
            self.are_shells = False
        self.shared |= {id(shell) for shell in self.shells}
        if len(self.shells) != number:
            raise Invalid("a graph has not as many fillings as shells")

    def _read_part(self, data: bytes) -> object:
        value = self.read(data)
        check_depth(value, data, self.shared)
        return value

    def _fill(self, shell: Value, filling: Value) -> None:
        kind = type(shell)
        if filling is None:
            return
        if type(filling) is list and (kind in (list, dict, set) or (kind in NAMES and NAMES[kind] in CONTAINERS)):
            self.put(shell, filling)
        elif type(filling) is dict and kind not in NAMES:
            check_names(filling)
            self.maker.fill(shell, filling)
        else:
            raise Invalid(f"a {kind.__name__} is filled with a {type(filling).__name__}")

    def back(self, data: bytes) -> object:
        number = int.from_bytes(data, "big")
        if self.shells is None or self.are_shells or number >= len(self.shells):
            raise Invalid("it refers to a shared value that is not there")
        return self.shells[number]

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
        check_names(fields)
        return (self.maker.blank if self.are_shells else self.maker.make)(name, bundle, fields)

    def reference(self, data: bytes) -> object:
        return Reference(data.decode()) if data else self.maker.root()


def check_apart(found: Sized, keys: list[Value]) -> None:
    """Refuse records that only their class can tell apart, rather than lose one."""
    if len(found) != len(keys) and Record in map(type, keys):
        raise Invalid("a set or map holds instances that only their class can tell apart", remedy="keep them in a list")


def check_names(fields: dict[object, object]) -> None:
    if not all(type(key) is str for key in fields):
        raise Invalid("a record has a field whose name is not text")


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
    if _holds_more(_BELIEVED // (8 * len(data)), data, _NOT_LONG_HEADS):
        size = len(data)
        unpacker = engine.Unpacker(
            max_buffer_size=size, max_array_len=size, max_map_len=size, max_str_len=size, max_bin_len=size, raw=False
        )
        unpacker.feed(data)
        unpacker.skip()


def check_depth(value: object, data: bytes, shared: Set[int] = frozenset()) -> None:
    """Refuse a decoded value that is deeper than DEPTH_LIMIT; a flat map is not, few container bytes cannot be.

    What is shared counts for itself.
    """
    if type(value) is dict and _CONTAINERS.isdisjoint(map(type, value.values())):
        return  # its keys are texts: other ones come as an extension
    if not _holds_more(DEPTH_LIMIT, data, _NOT_HEADS):
        return
    level: list[Value] = [value] if type(value) in _CONTAINERS else []
    for _ in range(DEPTH_LIMIT):
        inner: list[Value] = []
        for container in level:
            kind = type(container)
            held: Iterable[object]
            if kind is list or kind is tuple:
                held = container
            elif kind is dict and _PLAIN_KEYS.issuperset(map(type, container)):
                held = container.values()
            else:
                held = _held(container)
            if not _CONTAINERS.isdisjoint(map(type, held)):
                inner += [each for each in held if type(each) in _CONTAINERS and each and id(each) not in shared]
        if not inner:
            return
        level = inner
    raise too_deep()


def _holds_more(most: int, data: bytes, others: bytes) -> bool:
    """Whether there are more than so many bytes besides these others; of large binary data, a sample tells."""
    if len(data) <= most:
        return False
    begin = len(data) // 2
    middle = data[begin : begin + _SAMPLE] if len(data) > 16 * _SAMPLE else b""
    return len(middle.translate(None, others)) > most or len(data.translate(None, others)) > most


def _held(container: Value) -> Iterable[object]:
    if isinstance(container, Record):
        return container.fields.values()
    if isinstance(container, (dict, SimpleNamespace)):
        pairs = pairs_of(container)
        return [*pairs.keys(), *pairs.values()]
    held: Iterable[object] = container
    return held


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


def _blocks(decoder: Decoder, data: bytes) -> BlockTree:
    if len(data) != 40:
        raise Invalid("a tree of blocks is not a hash and a size")
    return BlockTree(data[:32], int.from_bytes(data[32:], "big"))


def _span(value: Value) -> timedelta | None:
    if value is None:
        return None
    days, seconds, microseconds = value
    if {type(days), type(seconds), type(microseconds)} != {int}:
        raise Invalid("an offset is not three integers")
    return timedelta(days, seconds, microseconds)


def _zone_of(zone: Value, offset: timedelta | None = None) -> tzinfo | None:
    if zone is None:
        return None
    if type(zone) is str:
        return named_zone(zone, offset)
    span, name = zone
    fixed = _span(span)
    if fixed is None:
        raise Invalid("a time zone has no offset")
    return timezone(fixed) if name is None else timezone(fixed, name)


def _moment(decoder: Decoder, data: bytes) -> datetime | time:
    text, fold, zone, offset = decoder.items(data)
    found = (datetime if "T" in text else time).fromisoformat(text)
    return found.replace(fold=fold, tzinfo=_zone_of(zone, _span(offset)))


def _iso(kind: type[datetime] | type[date] | type[time]) -> ReadExtension:
    def read(decoder: Decoder, data: bytes) -> date | time:
        return kind.fromisoformat(data.decode("ascii"))

    return read


_READ: dict[int, ReadExtension] = {
    Ext.BIG_INT: lambda d, data: int.from_bytes(data, "big", signed=True),
    Ext.TUPLE: lambda d, data: tuple(d.items(data)),
    Ext.SET: lambda d, data: d.put(set(), d.items(data)),
    Ext.FROZENSET: Decoder.frozen,
    Ext.MAP: Decoder.map,
    Ext.COMPLEX: _complex,
    Ext.DECIMAL: _decimal,
    Ext.UUID: lambda d, data: UUID(bytes=data),
    Ext.DATETIME: _iso(datetime),
    Ext.DATE: _iso(date),
    Ext.TIME: _iso(time),
    Ext.TIMEDELTA: _timedelta,
    Ext.RECORD: Decoder.record,
    Ext.REFERENCE: Decoder.reference,
    Ext.MOMENT: _moment,
    Ext.ZONE: lambda d, data: _zone_of(d.read(data)),
    Ext.STANDARD: Decoder.standard,
    Ext.GRAPH: Decoder.graph,
    Ext.BACK: Decoder.back,
    Ext.BLOCKS: _blocks,
}


RECORDS = RecordMaker()

SHORT = 512
"""Bytes up to which a message has no room for lengths or values that are dear (see `check_lengths` and `cost.py`)."""


class _MetExtension(Exception):
    pass


def _give_up(code: int, data: bytes) -> object:
    raise _MetExtension


def decode(
    data: bytes, *, limit: int = SIZE_LIMIT, maker: RecordMaker = RECORDS, cost: int | None = COST_LIMIT
) -> Value:
    """Decode the value that `encode` wrote. No code is run: a nested dataclass becomes what `maker` makes.

    `cost` is None where the bytes come from a process that is believed: then neither their cost nor their depth is
    looked at, which `encode` did.

    Raises:
        Invalid: the bytes are not exactly one well-formed value.
        LimitExceeded: more than `limit` bytes, DEPTH_LIMIT levels or a cost of `cost` (see `cost.py`), which is
            found before anything is made; `details["limit"]` is "size", "depth" or "values".
    """
    if type(data) is not bytes:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise Invalid(f"encoded data must be bytes, not {type(data).__name__}")
        data = bytes(data)
    size = len(data)
    if size <= SHORT <= limit and (cost is None or cost >= SHORT * DEAREST):
        try:
            plain: Value = engine.unpackb(data, raw=False, strict_map_key=True, timestamp=3, ext_hook=_give_up)
            if cost is None or size <= DEPTH_LIMIT or len(data.translate(None, _NOT_HEADS)) <= DEPTH_LIMIT:
                return plain
        except Exception:  # it is no plain value, or none at all: what follows tells
            pass
    if size > limit:
        raise too_large(f"the message has {size} bytes", limit)
    if cost is not None:
        check_cost(data, cost)
    decoder = Decoder(maker)
    try:
        value = decoder.read(data)
    except EmergeError:
        raise
    except (StackError, RecursionError):
        raise too_deep() from None
    except Exception as error:  # msgpack, datetime and Decimal raise many kinds for bad bytes
        reason = str(error) or type(error).__name__
        raise Invalid(f"the bytes are not a valid message: {reason[:200]}", remedy="send them again, whole") from None
    if cost is not None and size > DEPTH_LIMIT:  # fewer bytes cannot be deeper
        check_depth(value, data, decoder.shared)
    return value
