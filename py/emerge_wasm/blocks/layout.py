"""How a block is laid down by its raid level: as itself, as copies, or as fragments with parity.

Each fragment is named by its own hash. It is verified before anything is made of it, since parity turns a wrong byte
into wrong data without an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from ..errors import Invalid, Unavailable
from .block import block_name
from .erasure import fill_in, make_parity
from .parity import MOST_PARITIES, MOST_PIECES

DATA_FRAGMENTS = 4
"""Fragments that a block is cut into, unless somebody says otherwise."""

INLINE = "inline"
"""What stands for the layout of a file that is kept within its object's state."""

LEVELS = {0: "each block once", 1: "copies of each block", 5: "one parity", 6: "two parities"}


class Layout(NamedTuple):
    """A raid level with its numbers: `data` fragments hold a block, `parity` more (copies, in raid 1) stand for lost
    ones."""

    raid: int
    data: int
    parity: int

    @property
    def fragments(self) -> int:
        """How many fragments there are of each block; 0: it is kept as it is."""
        return self.data + self.parity if self.raid in (5, 6) else 0

    def pack(self) -> str:
        """Return it as text: `raid5 4+1`."""
        return f"raid{self.raid} {self.data}+{self.parity}"

    @classmethod
    def unpack(cls, text: str) -> Self:
        """Read what `pack` wrote. Raises Invalid."""
        level, _, numbers = text.removeprefix("raid").partition(" ")
        data, _, parity = numbers.partition("+")
        if not (level.isdecimal() and data.isdecimal() and parity.isdecimal()):
            raise Invalid(f"{text[:40]!r} is no layout of blocks", remedy='it is as "raid5 4+1"')
        layout = cls(int(level), int(data), int(parity))
        _check(layout)
        return layout


def make_layout(raid: int = 0, data: int = DATA_FRAGMENTS, copies: int = 2) -> Layout:
    """Return the layout of a raid level: 5 and 6 with `data` fragments and one or two parities, 1 with `copies`.

    Raises:
        Invalid: there is no such level, or it has no such numbers.
    """
    if raid not in LEVELS:
        known = ", ".join(f"{level} ({what})" for level, what in LEVELS.items())
        raise Invalid(f"there is no raid level {raid!r:.20}", remedy=f"choose one of {known}")
    if raid in (5, 6):
        layout = Layout(raid, data, raid - 4)
    else:
        layout = Layout(raid, 1, copies - 1 if raid == 1 else 0)
    _check(layout)
    return layout


def _check(layout: Layout) -> None:
    raid, data, parity = layout
    if raid in (5, 6):
        right = 2 <= data <= MOST_PIECES and parity == raid - 4 <= MOST_PARITIES
    else:
        right = data == 1 and (parity == 0 if raid == 0 else raid == 1 and 1 <= parity < MOST_PIECES)
    if not right:
        raise Invalid(
            f"raid {raid} has no layout {data}+{parity}",
            remedy=f"raid 5 and 6 take 2 to {MOST_PIECES} data fragments, raid 1 takes 2 to {MOST_PIECES} copies",
        )


def split(layout: Layout, block: bytes) -> list[bytes]:
    """Return the fragments of a block, of equal length: those of its data, the last padded, and those of parity.

    Each begins with its number, so that no two are the same: what is the same is kept once, and lost at once.
    """
    if not layout.fragments:
        return []
    length = fragment_length(layout, len(block))
    padded = block.ljust(length * layout.data, b"\0")
    pieces = [padded[start : start + length] for start in range(0, len(padded), length)]
    return [bytes([number]) + piece for number, piece in enumerate(pieces + make_parity(pieces, layout.parity))]


def fragment_length(layout: Layout, length: int) -> int:
    """The length of each fragment of a block of `length` bytes, less its number."""
    return -(-length // layout.data)


def join(layout: Layout, name: bytes, length: int, names: Sequence[bytes], found: Mapping[bytes, bytes]) -> bytes:
    """Return a block of fragments with these `names`, of which those in `found` are at hand, right or wrong.

    Raises:
        Unavailable: too many are absent or wrong; the message and `details["missing"]` name them.
        Invalid: the fragments are right, and are not those of this block.
    """
    good = [_verified(each, found.get(each)) for each in names]
    lost = [each for each, fragment in zip(names, good, strict=True) if fragment is None]
    if len(lost) > layout.parity:
        raise Unavailable(
            f"{len(lost)} of the {len(names)} fragments of block {name.hex()[:12]} are lost or damaged, and "
            f"{layout.data} are needed: {', '.join(each.hex()[:12] for each in lost)}",
            remedy="bring back a holder of them, or restore the file from a copy",
            block=name.hex(),
            missing=[each.hex() for each in lost],
        )
    bare = [None if fragment is None else fragment[1:] for fragment in good]
    pieces = fill_in(bare[: layout.data], bare[layout.data :], fragment_length(layout, length))
    block = b"".join(pieces)[:length]
    if block_name(block) != name:
        raise Invalid(f"the fragments of block {name.hex()[:12]} are of another block", block=name.hex())
    return block


def _verified(name: bytes, fragment: bytes | None) -> bytes | None:
    return fragment if fragment is not None and block_name(fragment) == name else None
