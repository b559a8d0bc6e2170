"""Parity of equally long pieces, as RAID 5 and 6 have it: P is their exclusive or, Q their sum with weights 1, 2, 4 …

The arithmetic is that of GF(256) with the polynomial 0x11d, so the bytes are those of `isa_l_rs_vand` (liberasurecode)
with up to two parities. Standard library only: it is what `erasure` calls where it finds no library, as in a browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from operator import xor

MOST_PIECES = 32
MOST_PARITIES = 2


def make_parity(pieces: Sequence[bytes], parities: int) -> list[bytes]:
    """Return P, or P and Q, of these pieces."""
    length = len(pieces[0])
    numbers = [_number(piece) for piece in pieces]
    made = [_sum(numbers)] if parities == 1 else [_sum(numbers), _weighted(numbers, length)]
    return [number.to_bytes(length, "little") for number in made]


def fill_in(pieces: Sequence[bytes | None], parity: Sequence[bytes | None], length: int) -> list[bytes]:
    """Return the pieces, each `length` long, with those that are None made again from the others and the parity.

    Wrong bytes give wrong bytes: each piece must have been verified.

    Raises:
        ValueError: there are more pieces lost than parities left.
    """
    lost = [at for at, piece in enumerate(pieces) if piece is None]
    made = _missing(lost, pieces, (*parity, None)[:2], length) if lost else {}
    return [made[at].to_bytes(length, "little") if piece is None else piece for at, piece in enumerate(pieces)]


def _missing(
    lost: Sequence[int], pieces: Sequence[bytes | None], parity: Sequence[bytes | None], length: int
) -> dict[int, int]:
    """Return the lost pieces as numbers, by their places."""
    p, q = parity
    if len(lost) > (p is not None) + (q is not None):
        raise ValueError(f"{len(lost)} of {len(pieces)} pieces are lost, more than there are parities")
    numbers = [0 if piece is None else _number(piece) for piece in pieces]
    plain = 0 if p is None else _sum([*numbers, _number(p)])  # the sum of what is lost
    if len(lost) == 1 and p is not None:
        return {lost[0]: plain}
    assert q is not None
    weighted = _number(q) ^ _weighted(numbers, length)
    if len(lost) == 1:
        return {lost[0]: _times(weighted, _inverse(_POWERS[lost[0]]), length)}
    first, second = lost
    difference = _inverse(_POWERS[first] ^ _POWERS[second])
    made = _times(weighted ^ _times(plain, _POWERS[second], length), difference, length)
    return {first: made, second: plain ^ made}


def _number(piece: bytes) -> int:
    return int.from_bytes(piece, "little")


def _sum(numbers: Sequence[int]) -> int:
    return reduce(xor, numbers)


def _weighted(numbers: Sequence[int], length: int) -> int:
    """Return the sum of 2**place * number."""
    ones, low = _masks(length)
    total = numbers[-1]
    for number in reversed(numbers[:-1]):
        total = ((total & low) << 1) ^ ((total >> 7 & ones) * 0x1D) ^ number  # each byte times two
    return total


@lru_cache(maxsize=8)
def _masks(length: int) -> tuple[int, int]:
    ones = _number(b"\x01" * length)
    return ones, ones * 0x7F


def _times(number: int, factor: int, length: int) -> int:
    """Return a number with each byte times the factor."""
    table = bytes(_multiply(byte, factor) for byte in range(256))
    return _number(number.to_bytes(length, "little").translate(table))


def _multiply(a: int, b: int) -> int:
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = _double(a)
        b >>= 1
    return product


def _double(a: int) -> int:
    return (a << 1) ^ (0x11D if a & 0x80 else 0)


def _inverse(a: int) -> int:
    return next(b for b in range(1, 256) if _multiply(a, b) == 1)


_POWERS = [1]
while len(_POWERS) < MOST_PIECES:
    _POWERS.append(_double(_POWERS[-1]))
