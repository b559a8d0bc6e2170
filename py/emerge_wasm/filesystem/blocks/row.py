"""The rows of the space `blocks`.

    "b" + name            -> the block's ledger row: where it lies, its size, and a stamp
    "d" + name            -> its frame, if it lies in the store
    "m" + name            -> nothing: it is a map, which keeps the blocks that it names
    "e" + name            -> its frame once more, if it is a map: without it, all that it names would be lost
    "r" + key of a state  -> nothing: that state is a recipe, which keeps the blocks that it names
    "c" + claim           -> until when a claim holds
    "k" + claim + name    -> nothing: the claim holds this block
    "s"                   -> how far the blocks are scrubbed

Whoever refers to a block, or claims it, gives its ledger row another stamp in the same commit, on the condition that
the row is there. Who collects deletes a block on the condition that its row is what it was before the search for
references began. So a block is never deleted under a new reference, whatever the clocks say.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import NamedTuple, Self

from ...store import Key

SPACE = "blocks"
LEDGER, FRAME, MAP, DITTO, RECIPE, CLAIM, CLAIMED, SCRUB = b"b", b"d", b"m", b"e", b"r", b"c", b"k", b"s"
_CLAIM_SIZE = 16
_STAMP = 8


class LedgerRow(NamedTuple):
    """That a block is here. `generation`: b"" in the store, else a part of the name of its file, never used twice."""

    generation: bytes
    size: int
    stamp: bytes

    @classmethod
    def fresh(cls, size: int, apart: bool) -> Self:
        return cls(os.urandom(_STAMP) if apart else b"", size, os.urandom(_STAMP))

    def touched(self) -> Self:
        return self._replace(stamp=os.urandom(_STAMP))

    def file(self, name: bytes) -> str:
        return f"{name.hex()}-{self.generation.hex()}"

    def pack(self) -> bytes:
        return self.size.to_bytes(8, "big") + self.stamp + self.generation

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        return cls(raw[8 + _STAMP :], int.from_bytes(raw[:8], "big"), raw[8 : 8 + _STAMP])


class ClaimRow(NamedTuple):
    """Until when a claim holds, in microseconds since 1970, and a stamp: no two are the same."""

    until: int
    stamp: bytes

    @classmethod
    def fresh(cls, until: int) -> Self:
        return cls(until, os.urandom(_STAMP))

    def pack(self) -> bytes:
        return self.until.to_bytes(8, "big") + self.stamp

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        return cls(int.from_bytes(raw[:8], "big"), raw[8:])


def key_of(kind: bytes, name: bytes) -> Key:
    return SPACE, kind + name


def claim_id(claimant: str) -> bytes:
    return sha256(claimant.encode()).digest()[:_CLAIM_SIZE]


def claimed_key(claim: bytes, name: bytes) -> Key:
    return SPACE, CLAIMED + claim + name


def name_in(claimed: bytes) -> bytes:
    """Return the name of the block in a key of a claimed block."""
    return claimed[1 + _CLAIM_SIZE :]
