"""The rows of the space `blocks`.

    "b" + name            -> the block's ledger row: where it lies, its size, and a stamp
    "d" + name            -> its frame, if it lies in the store
    "m" + name            -> nothing: it is a map, which keeps the blocks that it names
    "e" + name            -> its frame once more, if it is a map: without it, all that it names would be lost
    "r" + key of a state  -> nothing: that state is a recipe, which keeps the blocks that it names
    "c" + claim           -> until when a claim holds
    "k" + claim + name    -> nothing: the claim holds this block
    "x" + key's id        -> nothing: blocks are, or were, encrypted with that key
    "s"                   -> how far the blocks are scrubbed
    "p" + claim + name    -> nothing: the claim is about to have this block held by others
    "v" + claim + name + holder -> nothing: a holder has said, since the claim began, that it has this block
    "w" + name + holder   -> a stamp: a holder was given this block; where to ask first, never the truth
    "t" + name + holder   -> nothing: a holder is to give this block up, which its level does not want there
    "o" + owner + name    -> a stamp: this block is held here for another filesystem

Whoever refers to a block, or claims it, gives its ledger row another stamp in the same commit, on the condition that
the row is there. Who collects deletes a block on the condition that its row is what it was before the search for
references began. So a block is never deleted under a new reference, whatever the clocks say. What is held for another
filesystem, its owner, is given up in the same way: on the condition that its stamp is what it was before the owner was
asked whether anything there keeps the block (see `hold.py`).
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import NamedTuple, Self

from ...blocks.block import NAME_SIZE
from ...store import Key

SPACE = "blocks"
LEDGER, FRAME, MAP, DITTO, RECIPE, CLAIM, CLAIMED, SCRUB = b"b", b"d", b"m", b"e", b"r", b"c", b"k", b"s"
KEY = b"x"
PROMISED, CONFIRMED, WHERE, SURPLUS, HOLD = b"p", b"v", b"w", b"t", b"o"
OF_CLAIM = CLAIMED, PROMISED, CONFIRMED
"""The kinds of rows that end with their claim."""
_CLAIM_SIZE = 16
_STAMP = 8
_UUID_SIZE = 16


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


def claimed_key(claim: bytes, name: bytes, kind: bytes = CLAIMED) -> Key:
    return SPACE, kind + claim + name


def name_in(claimed: bytes) -> bytes:
    """Return the name of the block in a key of a claimed block."""
    return claimed[1 + _CLAIM_SIZE : 1 + _CLAIM_SIZE + NAME_SIZE]


def confirmed_key(claim: bytes, name: bytes, holder: str) -> Key:
    return SPACE, CONFIRMED + claim + name + bytes.fromhex(holder)


def where_key(name: bytes, holder: str) -> Key:
    return SPACE, WHERE + name + bytes.fromhex(holder)


def surplus_key(name: bytes, holder: str) -> Key:
    return SPACE, SURPLUS + name + bytes.fromhex(holder)


def holder_in(key: bytes) -> str:
    """Return the holder at the end of a key, the uuid of its filesystem."""
    return key[-_UUID_SIZE:].hex()


def hold_key(owner: str, name: bytes) -> Key:
    return SPACE, HOLD + bytes.fromhex(owner) + name


def owner_in(key: bytes) -> str:
    """Return the owner in the key of a hold."""
    return key[1 : 1 + _UUID_SIZE].hex()


def fresh_stamp() -> bytes:
    return os.urandom(_STAMP)
