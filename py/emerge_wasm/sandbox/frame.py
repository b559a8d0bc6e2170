"""The frames between a node and its workers: a length, then msgpack. Pure; nothing is ever unpickled.

A node distrusts what comes back: it caps a frame's length before reading it and checks the shape of what is inside.
"""

from __future__ import annotations

import struct
from typing import Any

import msgpack

HEADER = struct.Struct(">I")
LONGEST = 1 << 30
"""Bytes that a node may send to its worker at once."""


class BadFrame(Exception):
    """The other side sent what it must not."""


def pack_frame(data: bytes) -> bytes:
    """The bytes to send for one message."""
    return HEADER.pack(len(data)) + data


def pack_message(*fields: Any) -> bytes:
    """The frame of a message of plain fields; values inside it are encoded already."""
    data: bytes = msgpack.packb(fields, use_bin_type=True)
    return HEADER.pack(len(data)) + data


def parse_message(data: bytes) -> list[Any]:
    """The fields of a message, the first its kind; BadFrame for anything else."""
    try:
        fields = msgpack.unpackb(data, raw=False)
    except (ValueError, RecursionError) as error:
        raise BadFrame(f"it sent what cannot be read: {error}") from None
    if isinstance(fields, list) and fields and isinstance(fields[0], int):
        return fields
    raise BadFrame("it sent something else than a message")


class Splitter:
    """Puts frames together from whatever pieces arrive; BadFrame when one says it is longer than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are complete now."""
        self._buffer += data
        frames = []
        while len(self._buffer) >= HEADER.size:
            (length,) = HEADER.unpack_from(self._buffer)
            if length > self.limit:
                raise BadFrame(f"it sent {length} bytes at once")
            end = HEADER.size + length
            if len(self._buffer) < end:
                break
            frames.append(bytes(memoryview(self._buffer)[HEADER.size : end]))
            del self._buffer[:end]
        return frames
