"""The frames between a pool and its workers: a length, then msgpack. Pure; nothing is ever unpickled.

A pool distrusts what comes back: it caps a frame's length before reading it and checks the shape of what is inside.
"""

from __future__ import annotations

import struct
from typing import Any

import msgpack

from ..errors import EmergeError, error_from_wire
from ..filesystem.execute import Encoded

HEADER = struct.Struct(">I")
READY, DONE, FAILED = 0, 1, 2


class BadFrame(Exception):
    """The other side sent what it must not."""


def pack_frame(data: bytes) -> bytes:
    """The bytes to send for one message."""
    return HEADER.pack(len(data)) + data


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


def pack_answer(answer: Encoded | EmergeError) -> bytes:
    """A worker's answer to one call."""
    if isinstance(answer, Encoded):
        body = [DONE, answer.result, answer.state, answer.output, answer.milliseconds]
    else:
        body = [FAILED, answer.to_wire()]
    data: bytes = msgpack.packb(body, use_bin_type=True)
    return data


def parse_answer(data: bytes) -> Encoded | EmergeError:
    """The same, at the pool's end; BadFrame for anything else."""
    try:
        body: Any = msgpack.unpackb(data, raw=False)
    except (ValueError, RecursionError) as error:
        raise BadFrame(f"it sent what cannot be read: {error}") from None
    match body:
        case [1, bytes() as result, (bytes() | None) as state, str() as output, float() as milliseconds]:
            return Encoded(result, state, output, milliseconds)
        case [2, {"code": str(), "message": str(), "details": dict()} as wire]:
            try:
                return error_from_wire(wire)
            except TypeError:
                raise BadFrame("it sent an error with impossible details") from None
    raise BadFrame("it sent something else than an answer")
