"""Length-prefixed frames for events on a worker's socket. Pure; nothing is ever unpickled.

A node distrusts what a worker sends: it caps a frame's length before reading it and checks the content's shape.
"""

from __future__ import annotations

import struct

import msgpack

HEADER = struct.Struct(">I")


class BadFrame(Exception):
    """The other side violated the protocol."""


def pack_frame(data: bytes) -> bytes:
    """Frame one event for sending."""
    return HEADER.pack(len(data)) + data


def pack_message(*fields: object) -> bytes:
    """Frame a message between a node and its zygote: plain fields, of which the first is its kind."""
    return pack_frame(msgpack.packb(fields, use_bin_type=True))


def parse_message(data: bytes) -> list[object]:
    """Parse a message between a node and its zygote into its fields. Raises BadFrame if it is malformed."""
    try:
        fields = msgpack.unpackb(data, raw=False)
    except (ValueError, RecursionError) as error:
        raise BadFrame(f"it sent what cannot be read: {error}") from None
    if isinstance(fields, list) and fields and isinstance(fields[0], int):
        return fields
    raise BadFrame("it sent something else than a message")


class Splitter:
    """Assembles frames from the pieces that arrive. Raises BadFrame for one longer than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take received bytes and return the frames that are complete."""
        if not self._buffer and len(data) >= HEADER.size and HEADER.unpack_from(data)[0] == len(data) - HEADER.size:
            if len(data) - HEADER.size <= self.limit:  # one whole frame: the common case
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
