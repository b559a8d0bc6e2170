"""What the files of the load consist of: bytes that say of themselves what they are to be.

A file begins with its number and size; what follows is that of one of a few sources. So two files of one source have
all blocks in common but the first, and one of them goes while another one comes. Whoever reads a part knows whether it
is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import BinaryIO

PART = 1 << 20
HEAD = 16
SOURCES = 5


@lru_cache(maxsize=16)
def _part(source: int, number: int) -> bytes:
    if source == 0:  # what can be compressed, and has equal blocks
        return b"0123456789abcdef" * (PART // 16)
    return Random(source << 32 | number).randbytes(PART)


def slice_of(number: int, size: int, offset: int, length: int) -> bytes:
    """Return a part of the file of this number and size."""
    made = bytearray()
    end = min(offset + length, size)
    while offset < end:
        begin = offset % PART
        made += _part(number % SOURCES, offset // PART)[begin : begin + end - offset]
        if offset < HEAD:
            head = (number.to_bytes(8, "big") + size.to_bytes(8, "big"))[offset : min(end, HEAD)]
            made[: len(head)] = head
        offset += min(PART - begin, end - offset)
    return bytes(made)


def parts_of(number: int, size: int) -> Iterator[bytes]:
    for offset in range(0, size, PART):
        yield slice_of(number, size, offset, PART)


def read_head(head: bytes) -> tuple[int, int]:
    """Return the number and the size that a file of at least HEAD bytes says that it has."""
    return int.from_bytes(head[:8], "big"), int.from_bytes(head[8:HEAD], "big")


def value_of(path: Path) -> str:
    """Return what the bytes of a file are, as its value in a history."""
    with path.open("rb") as file:
        return _value_of(file, path.stat().st_size)


def _value_of(file: BinaryIO, size: int) -> str:
    head = file.read(HEAD)
    if size < HEAD:
        return f"{size}:{head.hex()}"
    number, said = read_head(head)
    file.seek(0)
    for offset in range(0, size, PART) if said == size else ():
        if file.read(PART) != slice_of(number, size, offset, PART):
            return f"wrong from {offset} on: {number}:{size}"
    return f"{number}:{size}" if said == size else f"wrong: {size} bytes of {number}:{said}"
