"""One event, `[header, name, args]` in msgpack: packing it, reading it, and reading only its envelope.

Pure functions: no I/O and no clock. Whatever arrives is either an event or Invalid, never another exception.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence
from typing import NamedTuple

import msgpack

from .. import codec
from ..codec.msgpack_engine import engine
from ..context import Wire
from ..errors import EmergeError, ExecutionFailed, Invalid, LimitExceeded, error_from_wire

HEARTBEAT = "_zpc_hb"
MORE = "_zpc_more"
OK = "OK"
ERR = "ERR"
STREAM = "STREAM"
STREAM_DONE = "STREAM_DONE"
END = "_emerge_end"
"""Ours, beside zerorpc's: the asker wants no more of this channel. (A zerorpc peer just falls silent.)"""

SIZE_LIMIT = 64 * 1024 * 1024
"""The largest event in bytes, unless the shell says otherwise."""

LARGEST = 1 << 30
"""Bytes that an event may have where a shell sets a limit of its own."""

ENVELOPE = 4096
"""The bytes that `peek` opens first; an envelope is rarely longer (an error's header may be)."""

HEARTBEAT_SECONDS = 5.0
"""How often zerorpc's ends beat by default; three times that without a beat is a loss."""

Id = bytes | str
"""A channel's id: whatever type the peer chose, echoed as it came."""

Header = dict[str, object]
"""The first part of an event: ids, and what a call or an error says besides its args."""

_NAMES: dict[str, bytes] = {name: engine.packb(name) for name in (HEARTBEAT, MORE, OK, ERR, STREAM, STREAM_DONE, END)}

_BAD = (
    EmergeError,
    ValueError,
    TypeError,
    LookupError,
    RecursionError,
    OverflowError,
    MemoryError,
    msgpack.UnpackException,
)


class Event(NamedTuple):
    """One event. `args` is an array, but for STREAM (the item itself) and STREAM_DONE (None)."""

    header: Header
    name: str
    args: object


class Ids:
    """Fresh message ids in zerorpc's own form: 8 hex digits that count, 24 that are random, as bytes."""

    def __init__(self) -> None:
        self._random = secrets.token_hex(12).encode()
        self._count = itertools.count(secrets.randbits(24))

    def __call__(self) -> bytes:
        return b"%08x" % (next(self._count) & 0xFFFFFFFF) + self._random


def encode(header: Header, name: str, args: object) -> bytes:
    """The event's bytes. Tuples at the top of args become lists, as zerorpc peers expect.

    Raises CannotShip or Invalid for a value that the codec cannot write.
    """
    if type(args) is tuple or type(args) is list:
        args = [list(arg) if type(arg) is tuple else arg for arg in args]
    return codec.encode([header, name, args], limit=LARGEST)


def encode_request(channel: bytes, name: str, args: Sequence[object], context: Wire | None = None) -> bytes:
    """The bytes of a request that opens a channel: `encode` with zerorpc's header, and the call's context if any."""
    if context:
        return encode({"message_id": channel, "v": 3, "context": context}, name, args)
    plain = [list(arg) if type(arg) is tuple else arg for arg in args]
    head = b"\x93\x82\xaamessage_id%b\xa1v\x03%b" % (_packed(channel), _packed(name))
    return head + codec.encode(plain, limit=LARGEST)


def encode_on(ids: Ids, channel: Id, name: str, args: object) -> bytes:
    """The bytes of one event on an open channel: `encode` with zerorpc's header, laid out by hand for speed."""
    return _head(ids, channel, name) + codec.encode(args, limit=LARGEST)


def encode_ok(ids: Ids, channel: Id, value: object) -> bytes:
    """The OK event with a result (see `encode_on`)."""
    plain = list(value) if type(value) is tuple else value
    return _head(ids, channel, OK) + b"\x91" + codec.encode(plain, limit=LARGEST)


def decode(payload: bytes, limit: int = SIZE_LIMIT) -> Event:
    """The event in these bytes; LimitExceeded when longer than `limit`, Invalid for anything that is no event."""
    check_size(payload, limit)
    try:
        parts = codec.decode(payload, limit=max(limit, SIZE_LIMIT))
    except _BAD as error:
        raise Invalid(f"this is not an event: {_reason(error)}", remedy="send msgpack [header, name, args]") from None
    return _checked(parts)


def peek(payload: bytes) -> tuple[Header, str]:
    """(header, name) without reading the args; Invalid when there is no envelope. The payload stays as it is."""
    try:
        return _open(payload[:ENVELOPE])
    except msgpack.OutOfData:
        pass
    except _BAD as error:
        raise Invalid(f"this is not an event: {_reason(error)}", remedy="send msgpack [header, name, args]") from None
    try:
        return _open(payload)
    except _BAD as error:
        raise Invalid(f"this is not an event: {_reason(error)}", remedy="send msgpack [header, name, args]") from None


def replace_header(payload: bytes, header: Header) -> bytes:
    """The event with another header, its name and args unopened; the payload is one that `peek` could read."""
    try:
        end = _header_end(payload[:ENVELOPE])
    except msgpack.OutOfData:
        end = _header_end(payload)
    return b"\x93" + engine.packb(header) + payload[end:]


def check_size(payload: bytes, limit: int) -> None:
    """LimitExceeded when the event is longer than `limit` bytes."""
    if len(payload) > limit:
        raise LimitExceeded(
            f"an event of {len(payload)} bytes", remedy=f"the limit is {limit}; send it in parts", limit="event size"
        )


def channel_id(header: Header) -> Id | None:
    """The channel that an event belongs to: its `response_to`, or its own id when it opens one."""
    found = header.get("response_to")
    if found is None:
        found = header.get("message_id")
    return found if isinstance(found, (bytes, str)) else None


def encode_end(ids: Ids, channel: Id) -> bytes:
    """The event by which an asker (or the relay, for a browser that left) ends a channel."""
    return encode_on(ids, channel, END, [])


def encode_error(ids: Ids, channel: Id, error: BaseException, limit: int = SIZE_LIMIT) -> bytes:
    """The ERR event for an error: three strings for zerorpc peers, the whole EmergeError in the header for ours."""
    known = error if isinstance(error, EmergeError) else EmergeError(f"{type(error).__name__}: {error}")
    wire = known.to_wire()
    header: Header = {"message_id": ids(), "v": 3, "response_to": channel, "error": wire}
    args = [known.code, EmergeError.__str__(known), str(known.details.get("traceback") or "")]
    try:
        payload = encode(header, ERR, args)
        check_size(payload, limit)
        return payload
    except EmergeError:
        wire["details"] = {}
        return encode(header, ERR, args)


def read_error(event: Event) -> EmergeError:
    """The error that an ERR event carries; a foreign one becomes ExecutionFailed with its text and traceback."""
    wire = event.header.get("error")
    if isinstance(wire, dict):
        try:
            return error_from_wire(wire)
        except TypeError:
            return EmergeError(str(wire.get("message", "")))
    parts = [str(part) for part in event.args if part is not None] if isinstance(event.args, list) else []
    return ExecutionFailed(": ".join(parts[:2]) or "the other side failed", traceback="".join(parts[2:3]))


def _head(ids: Ids, channel: Id, name: str) -> bytes:
    """`[{"message_id", "v", "response_to"}, name,` in msgpack: all of an event but its args."""
    return b"\x93\x83\xaamessage_id\xc4\x20%b\xa1v\x03\xabresponse_to%b%b" % (ids(), _packed(channel), _packed(name))


def _packed(text: Id) -> bytes:
    if isinstance(text, bytes):
        return b"\xc4%c%b" % (len(text), text) if len(text) < 256 else engine.packb(text)
    return _NAMES.get(text) or engine.packb(text)


def _checked(parts: object) -> Event:
    if type(parts) is not list or len(parts) != 3 or type(parts[1]) is not str:
        raise Invalid("this is not an event", remedy="send msgpack [header, name, args]")
    header, name, args = parts
    return Event(header if type(header) is dict else {}, name, args)


def _open(payload: bytes) -> tuple[Header, str]:
    unpacker = _unpacker(payload)
    if unpacker.read_array_header() != 3:
        raise ValueError("not an array of three")
    header, name = unpacker.unpack(), unpacker.unpack()
    if not isinstance(name, str):
        raise ValueError("its name is not text")
    return (header if isinstance(header, dict) else {}), name


def _header_end(payload: bytes) -> int:
    unpacker = _unpacker(payload)
    unpacker.read_array_header()
    unpacker.skip()
    return int(unpacker.tell())


def _unpacker(payload: bytes) -> msgpack.Unpacker:
    size = len(payload)  # without these limits a length that a forger claims would be allocated
    unpacker = engine.Unpacker(
        raw=False,
        max_buffer_size=size,
        max_str_len=size,
        max_bin_len=size,
        max_array_len=size,
        max_map_len=size,
        max_ext_len=size,
    )
    unpacker.feed(payload)
    return unpacker


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return getattr(error, "message", "") or f"{error}" or type(error).__name__
