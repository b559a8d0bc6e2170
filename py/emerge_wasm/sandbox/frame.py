"""The frames in which events cross a worker's socket: a length, then the bytes. Pure; nothing is ever unpickled.

A node distrusts what comes back: it caps a frame's length before reading it and checks the shape of what is inside.
"""

from __future__ import annotations

import struct

import msgpack

HEADER = struct.Struct(">I")


class BadFrame(Exception):
    """The other side sent what it must not."""


def pack_frame(data: bytes) -> bytes:
    """The bytes to send for one event."""
    return HEADER.pack(len(data)) + data


def pack_message(*fields: object) -> bytes:
    """The frame of a message between a node and its zygote: plain fields, the first says what it is."""
    return pack_frame(msgpack.packb(fields, use_bin_type=True))


def parse_message(data: bytes) -> list[object]:
    """The fields of such a message. BadFrame for anything else."""
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
        if not self._buffer and len(data) >= HEADER.size and HEADER.unpack_from(data)[0] == len(data) - HEADER.size:
            if len(data) - HEADER.size <= self.limit:  # one whole frame, as nearly always
                return [data[HEADER.size :]]
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
