"""Parity of equally long pieces: by liberasurecode with ISA-L where pyeclib is installed, else by `parity`, in Python.

Both make the same bytes, so what one has written the other reads, and a browser what nodes have. Wrong bytes give wrong
bytes in either: each piece must have been verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from . import parity as plain

SCHEME = "isa_l_rs_vand"


class _Library(Protocol):
    """What is called of pyeclib's ECDriver. Its fragments are our pieces, each behind a header."""

    def encode(self, data: bytes) -> list[bytes]: ...
    def decode(self, fragments: list[bytes]) -> bytes: ...


@lru_cache(maxsize=64)
def _library(data: int, parities: int) -> _Library | None:
    """Return the library for so many pieces; None where it is not installed, or has been built without ISA-L."""
    try:
        from pyeclib.ec_iface import ECDriver, ECDriverError
    except (ImportError, OSError):  # a sandbox may not read it
        return None
    try:
        made: _Library = ECDriver(k=data, m=parities, ec_type=SCHEME)
    except ECDriverError:
        return None
    return made


def make_parity(pieces: Sequence[bytes], parities: int) -> list[bytes]:
    """Return one or two parities of these pieces."""
    library, length = _library(len(pieces), parities), len(pieces[0])
    if library is None:
        return plain.make_parity(pieces, parities)
    return [fragment[-length:] for fragment in library.encode(b"".join(pieces))[len(pieces) :]]


def fill_in(pieces: Sequence[bytes | None], parity: Sequence[bytes | None], length: int) -> list[bytes]:
    """Return the pieces, each `length` long, with those that are None made again from the others and the parity.

    Raises:
        ValueError: there are more pieces lost than parities left.
    """
    lost = pieces.count(None)
    library = _library(len(pieces), len(parity)) if lost else None
    if library is None or lost > len(parity) - parity.count(None):
        return plain.fill_in(pieces, parity, length)
    headers = _headers(len(pieces), len(parity), length)
    whole = library.decode(
        [header + piece for header, piece in zip(headers, (*pieces, *parity), strict=True) if piece is not None]
    )
    return [whole[at : at + length] for at in range(0, len(whole), length)]


@lru_cache(maxsize=64)
def _headers(data: int, parities: int, length: int) -> list[bytes]:
    """Return what the library writes before each piece of this length. It says nothing of their bytes."""
    library = _library(data, parities)
    assert library is not None
    return [fragment[:-length] for fragment in library.encode(bytes(data * length))]
