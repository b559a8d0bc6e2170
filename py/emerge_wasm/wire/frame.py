"""A stream's items within one HTTP body: `kind, length, payload` after one another. Sans-I/O, standard library only.

HTTP chunks are cut anywhere on the way, so each item says where it ends; a body that stops without an end was cut off.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ..errors import Invalid, LimitExceeded

ITEM, ERROR, END, BEAT = b"I", b"E", b".", b" "
"""An item and an error carry msgpack. A beat says that the other side lives. After an error or an end comes nothing."""

MEDIA_TYPE = "application/vnd.emerge.stream"

_HEAD = struct.Struct(">cI")


class Frame(NamedTuple):
    """One frame: its kind, and its payload in bytes."""

    kind: bytes
    payload: bytes


def write_frame(kind: bytes, payload: bytes = b"") -> bytes:
    """The frame's bytes: the kind, the length in four bytes (big-endian), the payload."""
    return _HEAD.pack(kind, len(payload)) + payload


class FrameReader:
    """Frames out of bytes that come in pieces. `limit` bounds one payload, in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now. Invalid for what is no frame, LimitExceeded for one too long."""
        self._buffer += data
        frames: list[Frame] = []
        at = 0
        while len(self._buffer) - at >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._buffer, at)
            self._check(kind, length)
            end = at + _HEAD.size + length
            if end > len(self._buffer):
                break
            frames.append(Frame(kind, bytes(self._buffer[at + _HEAD.size : end])))
            at = end
        del self._buffer[:at]
        return frames

    def _check(self, kind: bytes, length: int) -> None:
        if kind not in (ITEM, ERROR, END, BEAT):
            raise Invalid("this is not a stream of items", remedy="ask an Emerge node or relay")
        if length > self._limit:
            raise LimitExceeded(f"an item of {length} bytes", remedy=f"the limit is {self._limit}", limit="event size")
