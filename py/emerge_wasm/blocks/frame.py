"""The stored form of a block: one byte that names a codec, then the block as that codec writes it.

Zstandard is Python's own from 3.14 on and the package backports.zstd before; without it blocks are compressed by zlib,
which reads everywhere. An encrypted frame has another one inside.
"""

from __future__ import annotations

import zlib
from functools import cache
from importlib import import_module
from types import ModuleType

from ..errors import Invalid, Unavailable
from .block import block_name, short_name
from .cipher import BlockCipher, without_key

_PLAIN, _ZLIB, _ENCRYPTED, _ZSTD = b"\0", b"\1", b"\x5a", b"\x3c"  # on disk; no flipped bit makes one of the latter
_SAMPLE = 4 << 10  # bytes from the middle that tell whether compressing pays
_LONGEST = 4 << 20
"""Bytes of a block above which none is compressed: that would take longer than other operations can wait."""


def to_frame(name: bytes, data: bytes, cipher: BlockCipher | None = None) -> bytes:
    """Return the stored form of a block: compressed if that saves an eighth or more, encrypted if there is a cipher."""
    frame = _compressed(data) or _PLAIN + data
    return frame if cipher is None else _ENCRYPTED + cipher.encrypt(name, frame)


def _compressed(data: bytes) -> bytes:
    """Return the data compressed, after the codec's byte; b"" if that does not pay."""
    if len(data) > _LONGEST:
        return b""
    middle = max(len(data) - _SAMPLE, 0) // 2
    return _saves(data[middle : middle + _SAMPLE]) and _saves(data)


def _saves(data: bytes) -> bytes:
    zstd = _find_zstd()
    packed = _ZLIB + zlib.compress(data, 1) if zstd is None else _ZSTD + zstd.compress(data, 1)
    return packed if len(packed) <= len(data) - len(data) // 8 else b""


def from_frame(name: bytes, frame: bytes, cipher: BlockCipher | None = None) -> bytes:
    """Return the block of that name.

    Raises:
        Invalid: the frame is damaged, or holds another block; `details["rotten"]` is the name in hex.
        Unavailable: it is encrypted, and its key is not at hand; or it needs a package that is not here.
    """
    data = _unpack(name, frame, cipher)
    if data is None or block_name(data) != name:
        raise Invalid(
            f"the block {short_name(name)} is damaged in the store",
            remedy="restore it from a copy",
            rotten=name.hex(),
        )
    return data


def is_current(frame: bytes, cipher: BlockCipher | None) -> bool:
    """Whether a frame is as it would be written now, as far as encryption goes."""
    return cipher is None or (frame[:1] == _ENCRYPTED and frame[1:].startswith(cipher.current))


def _unpack(name: bytes, frame: bytes, cipher: BlockCipher | None) -> bytes | None:
    if frame[:1] == _ENCRYPTED:
        if cipher is None:
            raise without_key(name)
        inner = cipher.decrypt(name, frame[1:])
        return None if inner is None else _decompressed(name, inner)
    return _decompressed(name, frame)


def _decompressed(name: bytes, frame: bytes) -> bytes | None:
    codec, data = frame[:1], frame[1:]
    if codec == _PLAIN:
        return data
    if codec == _ZLIB:
        try:
            return zlib.decompress(data)
        except zlib.error:
            return None
    return _from_zstd(name, data) if codec == _ZSTD else None


def _from_zstd(name: bytes, data: bytes) -> bytes | None:
    zstd = _find_zstd()
    if zstd is None:
        raise Unavailable(
            f"the block {short_name(name)} is compressed by Zstandard, which is not here",
            remedy="pip install backports.zstd",
            block=name.hex(),
        )
    opened = zstd.ZstdDecompressor()
    try:
        found: bytes = opened.decompress(data, max_length=_LONGEST + 1)
    except zstd.ZstdError:
        return None
    return found if opened.eof else None


@cache
def _find_zstd() -> ModuleType | None:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            continue
    return None
