"""Encodes and decodes events, `[header, name, args]` in msgpack, and reads their envelopes alone.

Pure functions: no I/O and no clock. Decoding gives an event or raises an EmergeError, never another exception.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence
from typing import NamedTuple

import msgpack

from .. import codec
from ..codec.cost import COST_LIMIT, check_cost
from ..codec.msgpack_engine import engine
from ..codec.value import too_large
from ..context import Wire
from ..errors import EmergeError, ExecutionFailed, Invalid, LimitExceeded, error_from_wire
from .gather import EventFrames, decode_frames, encode_frames, may_have_large, total

HEARTBEAT = "_zpc_hb"
MORE = "_zpc_more"
OK = "OK"
ERR = "ERR"
STREAM = "STREAM"
STREAM_DONE = "STREAM_DONE"
END = "_emerge_end"
"""Extension of zerorpc: the client gives up this channel. (A zerorpc peer just falls silent.)"""

SIZE_LIMIT = 64 * 1024 * 1024
"""The largest event in bytes, by default."""

LARGEST = 1 << 30
"""The largest event in bytes where the caller enforces its own limit."""

REQUEST_COST = 1_000_000
"""The most that an event of one who is not trusted may cost to decode: as many numbers, 111,000 lists, 30,000 dates."""

HEADER_COST = 100_000
"""The most that a header may cost to decode."""

ENVELOPE = 4096
"""The bytes that `peek` reads first; an envelope is rarely longer (an error's header may be)."""

HEARTBEAT_SECONDS = 5.0
"""The default interval of zerorpc's heartbeats; three intervals without one mean that the peer is lost."""

FRAMES = "frames"
"""Extension of zerorpc: whoever sends this header takes events in several frames (see `gather`)."""

Payload = bytes | EventFrames
"""An event, in one frame or in several."""

Id = bytes | str
"""A channel's id, of the type that the peer chose; it is echoed unchanged."""

Header = dict[str, object]
"""The first part of an event: ids, and a call's context or an error's details."""

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
    """One event. `args` is an array, except for STREAM (the item itself) and STREAM_DONE (None)."""

    header: Header
    name: str
    args: object


class Unopened(NamedTuple):
    """A result, or the array of a call's arguments, in the bytes that it is sent in."""

    data: bytes

    def open(self) -> object:
        """Decode it. Raises as `decode` does."""
        try:
            return codec.decode(self.data, limit=LARGEST)
        except _BAD as error:
            raise Invalid(f"this is not a result: {_reason(error)}", remedy="update the node that sent it") from None


SentArguments = Sequence[object] | Unopened
"""The arguments of a call."""


_IDS = 64
"""Ids for which random bytes are asked for at once."""


class Ids:
    """Generates message ids in zerorpc's form: a counter of 8 hex digits and 24 random ones, as bytes. The latter are
    the same for a connection, or `fresh` for each id, which nobody can guess by others."""

    def __init__(self, *, fresh: bool = False) -> None:
        self._fresh = fresh
        self._dice = b""  # random bytes for ids to come: to ask the system each time is dear
        self._random = secrets.token_hex(12).encode()
        self._count = itertools.count(secrets.randbits(24))

    def __call__(self) -> bytes:
        if self._fresh:
            if not self._dice:
                self._dice = secrets.token_hex(12 * _IDS).encode()
            dice, self._dice = self._dice[:24], self._dice[24:]
            return b"%08x" % (next(self._count) & 0xFFFFFFFF) + dice
        return b"%08x" % (next(self._count) & 0xFFFFFFFF) + self._random


def encode(header: Header, name: str, args: object) -> bytes:
    """Encode an event.

    Raises:
        CannotShip, Invalid: the codec cannot write a value.
    """
    if type(args) is tuple or type(args) is list:
        args = _without_tuples(args)
    return codec.encode([header, name, args], limit=LARGEST)


def encode_request(channel: bytes, name: str, args: SentArguments, context: Wire | None = None) -> bytes:
    """Encode a request that opens a channel, with zerorpc's header and the call's context, if any."""
    if context:
        head = b"\x93" + codec.encode({"message_id": channel, "v": 3, "context": context}) + _packed(name)
    else:
        head = b"\x93\x82\xaamessage_id%b\xa1v\x03%b" % (_packed(channel), _packed(name))
    return head + _encode_args(args)


def _encode_args(args: SentArguments) -> bytes:
    if type(args) is Unopened:
        return args.data
    return codec.encode(_without_tuples(args), limit=LARGEST)


def _without_tuples(args: Sequence[object]) -> list[object]:
    """Tuples at the top become lists, as zerorpc peers expect."""
    return [list(arg) if type(arg) is tuple else arg for arg in args]


def encode_request_frames(
    channel: bytes, name: str, args: SentArguments, context: Wire | None = None, *, large: bool = True
) -> Payload:
    """Encode a request of one that takes events in several frames; in several itself if it has `large` bytes."""
    header: Header = {"message_id": channel, "v": 3, FRAMES: True}
    if context:
        header["context"] = context
    head = b"\x93" + engine.packb(header) + _packed(name)
    if type(args) is Unopened or not large:
        return head + _encode_args(args)
    return _after(head, encode_frames(_without_tuples(args), LARGEST))


def encode_on(ids: Ids, channel: Id, name: str, args: object) -> bytes:
    """Encode an event on an open channel: `encode` with zerorpc's header, laid out by hand for speed."""
    return _head(ids, channel, name) + (args.data if type(args) is Unopened else codec.encode(args, limit=LARGEST))


def packed(value: object) -> object:
    """Return what is nothing but plain maps and lists in the bytes that it is sent in: those of msgpack.

    The value itself where the codec must write it, or where it holds bytes that go in a frame of their own.
    """
    try:
        data = engine.packb(value)
    except (OverflowError, UnicodeEncodeError, TypeError):
        return value
    return value if may_have_large(data) else Unopened(data)


def encode_ok(ids: Ids, channel: Id, value: object) -> bytes:
    """Encode the OK event with a result (see `encode_on`); a tuple stays one."""
    data = value.data if type(value) is Unopened else codec.encode(value, limit=LARGEST)
    return _head(ids, channel, OK) + b"\x91" + data


def encode_ok_frames(ids: Ids, channel: Id, value: object) -> Payload:
    """Encode the OK event for one who takes it in several frames."""
    header: Header = {"message_id": ids(), "v": 3, "response_to": channel, FRAMES: True}
    head = b"\x93" + engine.packb(header) + _NAMES[OK] + b"\x91"
    return _after(head, [value.data] if type(value) is Unopened else encode_frames(value, LARGEST))


def _after(head: bytes, frames: EventFrames) -> Payload:
    first = head + frames[0]
    return first if len(frames) == 1 else [first, *frames[1:]]


def first_of(payload: Payload) -> bytes:
    """Return what holds the envelope of an event: its first frame."""
    return payload[0] if isinstance(payload, list) else payload


def joined(payload: Payload) -> bytes:
    """Return an event in one frame."""
    return b"".join(payload) if isinstance(payload, list) else payload


def decode(payload: Payload, limit: int = SIZE_LIMIT, cost: int | None = COST_LIMIT) -> Event:
    """Decode an event. `cost` is None where whoever sent it is believed (see `codec.decode`).

    Raises:
        LimitExceeded: it is longer than `limit`, or costs more than `cost` (see `codec.cost`).
        Invalid: the bytes are not an event.
    """
    check_size(payload, limit)
    try:
        if isinstance(payload, list):
            parts = decode_frames(payload, max(limit, SIZE_LIMIT), cost)
        else:
            parts = codec.decode(payload, limit=max(limit, SIZE_LIMIT), cost=cost)
    except LimitExceeded:
        raise
    except _BAD as error:
        raise Invalid(f"this is not an event: {_reason(error)}", remedy="send msgpack [header, name, args]") from None
    return _checked(parts)


def peek(payload: Payload) -> tuple[Header, str]:
    """Read (header, name) of an event without its args. Raises Invalid if there is no envelope."""
    payload = first_of(payload)
    try:
        return _open(payload[:ENVELOPE])
    except msgpack.OutOfData:
        pass
    except _BAD as error:
        raise Invalid(f"this is not an event: {_reason(error)}", remedy="send msgpack [header, name, args]") from None
    try:
        check_cost(payload[: _after_values(payload, 2)], HEADER_COST)
        return _open(payload)
    except _BAD as error:
        raise Invalid(f"this is not an event: {_reason(error)}", remedy="send msgpack [header, name, args]") from None


def unopened(payload: Payload, limit: int = SIZE_LIMIT) -> Unopened:
    """Return the result of an OK event as its bytes. `peek` must be able to read the payload.

    Raises:
        LimitExceeded: the event is longer than `limit`.
        Invalid: it has not one result.
    """
    check_size(payload, limit)
    payload = joined(payload)
    start = _after_values(payload[:ENVELOPE], 1) + len(_NAMES[OK])
    if payload[start : start + 1] != b"\x91":
        raise Invalid("an OK event has one result", remedy="update the node that sent it")
    return Unopened(payload[start + 1 :])


def replace_header(payload: bytes, header: Header) -> bytes:
    """Replace an event's header without decoding its name and args. `peek` must be able to read the payload."""
    try:
        end = _after_values(payload[:ENVELOPE], 1)
    except msgpack.OutOfData:
        end = _after_values(payload, 1)
    return b"\x93" + engine.packb(header) + payload[end:]


def size_of(payload: Payload) -> int:
    return total(payload) if isinstance(payload, list) else len(payload)


def check_size(payload: Payload, limit: int) -> None:
    """Raise LimitExceeded if the event is longer than `limit` bytes."""
    if (size := len(payload) if type(payload) is bytes else size_of(payload)) > limit:
        raise too_large(f"an event of {size} bytes", limit, "event size")


def channel_id(header: Header) -> Id | None:
    """Return the channel of an event: its `response_to`, or its own id if it opens one."""
    found = header.get("response_to")
    if found is None:
        found = header.get("message_id")
    return found if isinstance(found, (bytes, str)) else None


def encode_end(ids: Ids, channel: Id) -> bytes:
    """Encode the event by which a client (or the relay, for a browser that left) ends a channel."""
    return encode_on(ids, channel, END, [])


def encode_error(ids: Ids, channel: Id, error: BaseException, limit: int = SIZE_LIMIT) -> bytes:
    """Encode an ERR event: three strings for zerorpc peers, and the whole EmergeError in the header for Emerge's."""
    known = error if isinstance(error, EmergeError) else EmergeError(f"{type(error).__name__}: {error}")
    wire = known.to_wire()
    header: Header = {"message_id": ids(), "v": 3, "response_to": channel, "error": wire}
    text = EmergeError.__str__(known)
    trace = str(known.details.get("traceback") or "").rstrip()
    # zerorpc's client shows the third string alone, and the two before it only where there is no third
    args = [known.code, text, f"{trace}\n{known.code}: {text}" if trace else None]
    try:
        payload = encode(header, ERR, args)
        check_size(payload, limit)
        return payload
    except EmergeError:
        wire["details"] = {}
        return encode(header, ERR, args)


def read_error(event: Event) -> EmergeError:
    """Return the error of an ERR event; a foreign one becomes ExecutionFailed with its text and traceback."""
    wire = event.header.get("error")
    if isinstance(wire, dict):
        try:
            return error_from_wire(wire)
        except TypeError:
            return EmergeError(str(wire.get("message", "")))
    parts = [str(part) for part in event.args if part is not None] if isinstance(event.args, list) else []
    return ExecutionFailed(": ".join(parts[:2]) or "the other side failed", traceback="".join(parts[2:3]))


def _head(ids: Ids, channel: Id, name: str) -> bytes:
    """Encode `[{"message_id", "v", "response_to"}, name,` in msgpack: an event without its args."""
    known = _NAMES.get(name) or _packed(name)
    return b"\x93\x83\xaamessage_id\xc4\x20%b\xa1v\x03\xabresponse_to%b%b" % (ids(), _packed(channel), known)


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


def _after_values(payload: bytes, count: int) -> int:
    """Return where the first values of an event end."""
    unpacker = _unpacker(payload)
    unpacker.read_array_header()
    for _ in range(count):
        unpacker.skip()
    return int(unpacker.tell())


def _unpacker(payload: bytes) -> msgpack.Unpacker:
    size = len(payload)  # without these limits, msgpack would allocate any length that a forged event claims
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
