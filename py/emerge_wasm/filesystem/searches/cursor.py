"""Search cursors: the position of a search as an opaque text that the caller passes back.

A cursor comes from outside, so its content is checked, and it can never reveal more than the search itself. Pure.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from ...codec import decode, encode
from ...errors import EmergeError, Invalid

AGAIN = "search again, without the cursor"


def fingerprint(*parts: object) -> bytes:
    """Return eight bytes that identify a search."""
    return hashlib.sha256(encode(list(parts))).digest()[:8]


def write_cursor(mark: bytes, *position: object) -> str:
    """Return the cursor of the search with this fingerprint, at a position of plain values."""
    return base64.urlsafe_b64encode(encode([mark, *position])).decode()


def read_cursor(cursor: str, mark: bytes, *kinds: type) -> list[Any]:
    """Read the position in a cursor, whose parts have these types.

    Raises:
        Invalid: the cursor is malformed or belongs to another search.
    """
    try:
        found = decode(base64.urlsafe_b64decode(cursor.encode()))
    except (EmergeError, ValueError, TypeError, LookupError):
        found = None
    if type(found) is not list or not found or type(found[0]) is not bytes:
        raise Invalid(f"{cursor[:40]!r} is no cursor of a search", remedy=AGAIN)
    if found[0] != mark:
        raise Invalid("this cursor is of another search, or an index came or went meanwhile", remedy=AGAIN)
    position = found[1:]
    if len(position) != len(kinds) or any(type(part) is not kind for part, kind in zip(position, kinds, strict=True)):
        raise Invalid(f"{cursor[:40]!r} is no cursor of this search", remedy=AGAIN)
    return position
