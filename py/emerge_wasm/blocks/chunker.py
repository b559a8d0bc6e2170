"""Cut what comes into blocks: of one size, or where the content says (FastCDC).

Blocks of one size share with an older file only what is before the first byte that was put in or taken out. Where the
content says where to cut, the cuts come back some blocks after it. Whoever reads needs none of this: a block map has
the size of each block.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol

from ..errors import Invalid, Unavailable
from .block import BLOCK_SIZE, LARGEST_BLOCK

if TYPE_CHECKING:
    from pyfastcdc import FastCDC

Chunking = Literal["fixed", "fastcdc"]
"""How a file is cut into blocks."""

SMALLEST_SIZE = 4 << 10
_SPREAD = 4
"""FastCDC's blocks have from a fourth of the wanted size to four times as much."""


class Chunker(Protocol):
    """Cuts one file. What it gives does not depend on the pieces in which the file comes."""

    def add(self, data: memoryview) -> Iterator[bytes]:
        """Take bytes; give the blocks that are complete by that."""
        ...

    def end(self) -> Iterator[bytes]:
        """Give what is left."""
        ...


def make_chunker(chunking: str = "fixed", block_size: int = BLOCK_SIZE) -> Chunker:
    """Return what cuts a file; `block_size` is that of its blocks, with "fastcdc" the usual one.

    Raises:
        Invalid: there is no such chunking, or the size is out of its bounds.
        Unavailable: its package is not here.
    """
    if chunking not in ("fixed", "fastcdc"):
        raise Invalid(f"there is no chunking {chunking!r:.20}", remedy='choose "fixed" or "fastcdc"')
    most = LARGEST_BLOCK // (_SPREAD if chunking == "fastcdc" else 1)
    if type(block_size) is not int or not SMALLEST_SIZE <= block_size <= most:
        raise Invalid(
            f"a file cannot be cut into blocks of {block_size!r:.20} bytes by {chunking} chunking",
            remedy=f"choose a block size from {SMALLEST_SIZE} to {most}",
        )
    return FixedChunker(block_size) if chunking == "fixed" else ContentChunker(block_size)


class FixedChunker:
    """Cuts after every so many bytes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._part = bytearray()

    def add(self, data: memoryview) -> Iterator[bytes]:
        begin = 0
        while begin < len(data):
            taken = data[begin : begin + self._size - len(self._part)]
            begin += len(taken)
            if len(taken) == self._size:
                yield bytes(taken)
                continue
            self._part += taken
            if len(self._part) == self._size:
                yield from self.end()

    def end(self) -> Iterator[bytes]:
        part, self._part = bytes(self._part), bytearray()
        if part:
            yield part


class ContentChunker:
    """Cuts where a rolling hash of the last bytes says (FastCDC, of the package pyfastcdc)."""

    def __init__(self, size: int) -> None:
        self._most = size * _SPREAD
        self._cutter = _fastcdc(size)
        self._part = bytearray()

    def add(self, data: memoryview) -> Iterator[bytes]:
        begin = 0
        while begin < len(data):
            taken = data[begin : begin + 2 * self._most - len(self._part)]
            self._part += taken
            begin += len(taken)
            if len(self._part) == 2 * self._most:
                yield from self._cut(self._most)

    def end(self) -> Iterator[bytes]:
        yield from self._cut(1)

    def _cut(self, needed: int) -> Iterator[bytes]:
        """Give the blocks that begin where there are as many bytes left: nothing that comes can change their end."""
        part, done = bytes(self._part), 0
        chunks = self._cutter.cut_buf(part)
        while len(part) - done >= needed:
            length = next(chunks).length
            yield part[done : done + length]
            done += length
        self._part = bytearray(part[done:])


def _fastcdc(size: int) -> FastCDC:
    try:
        package = import_module("pyfastcdc")
    except ImportError:
        raise Unavailable(
            "content-defined chunking needs the package pyfastcdc, which is not here",
            remedy="pip install 'emerge-wasm[fastcdc]', or put the file with fixed chunking, as in a browser",
        ) from None
    cutter: FastCDC = package.FastCDC(size, min_size=size // _SPREAD, max_size=size * _SPREAD)
    return cutter
