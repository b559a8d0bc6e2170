"""Frames for a stream's items in one HTTP body: `kind, length, payload`. Sans-I/O, standard library only.

Proxies may split HTTP chunks anywhere, so each frame has its length; a body without an END frame was cut off.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ..errors import Invalid, LimitExceeded

ITEM, ERROR, END, BEAT = b"I", b"E", b".", b" "
"""The kinds of frame. ITEM and ERROR carry msgpack, BEAT is a heartbeat, and ERROR or END is the last frame."""

MEDIA_TYPE = "application/vnd.emerge.stream"

_HEAD = struct.Struct(">cI")


class Frame(NamedTuple):
    """One frame: its kind, and its payload in bytes."""

    kind: bytes
    payload: bytes


def write_frame(kind: bytes, payload: bytes = b"") -> bytes:
    """Encode a frame: the kind, the length in four bytes (big-endian), the payload."""
    return _HEAD.pack(kind, len(payload)) + payload


class FrameReader:
    """Parses frames from bytes that arrive in pieces. `limit` bounds one payload, in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take received bytes and return the frames that are complete.

        Raises:
            Invalid: the bytes are not a frame.
            LimitExceeded: a payload is too long.
        """
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
