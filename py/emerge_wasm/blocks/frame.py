"""The stored form of a block: one byte that names a codec, then the block as that codec writes it."""

from __future__ import annotations

import zlib

from ..errors import Invalid
from .block import block_name, short_name

_PLAIN, _ZLIB = b"\0", b"\1"  # these are on disk
_SAMPLE = 4 << 10  # bytes from the middle that tell whether compressing pays
_LONGEST = 4 << 20
"""Bytes of a block above which none is compressed: that would take longer than other operations can wait."""


def to_frame(data: bytes) -> bytes:
    """Return the stored form of a block: compressed if that saves an eighth or more."""
    if len(data) <= _LONGEST:
        middle = max(len(data) - _SAMPLE, 0) // 2
        if _saves(data[middle : middle + _SAMPLE]) and (packed := _saves(data)):
            return _ZLIB + packed
    return _PLAIN + data


def _saves(data: bytes) -> bytes:
    """Return the data compressed, or b"" if that does not pay."""
    packed = zlib.compress(data, 1)
    return packed if len(packed) <= len(data) - len(data) // 8 - 1 else b""


def from_frame(name: bytes, frame: bytes) -> bytes:
    """Return the block of that name.

    Raises:
        Invalid: the frame is damaged, or holds another block; `details["rotten"]` is the name in hex.
    """
    data = _unpack(frame)
    if data is None or block_name(data) != name:
        raise Invalid(
            f"the block {short_name(name)} is damaged in the store",
            remedy="restore it from a copy",
            rotten=name.hex(),
        )
    return data


def _unpack(frame: bytes) -> bytes | None:
    if frame[:1] == _PLAIN:
        return frame[1:]
    if frame[:1] != _ZLIB:
        return None
    try:
        return zlib.decompress(frame[1:])
    except zlib.error:
        return None
