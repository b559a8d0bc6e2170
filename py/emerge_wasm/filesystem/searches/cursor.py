"""Search cursors: the position of a search as an opaque text that the caller passes back.

A cursor comes from outside, so its content is checked, and it can never reveal more than the search itself. Pure.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

from ...codec import decode, encode
from ...context import Context
from ...errors import EmergeError, Invalid
from ...query.local_time import clock_here

_CLOCK = "@"
"""Between a cursor and the clock of its search."""
AGAIN = "search again, without the cursor"


def fingerprint(*parts: object) -> bytes:
    """Return eight bytes that identify a search."""
    return hashlib.sha256(encode(list(parts))).digest()[:8]


def timed(context: Context) -> Context:
    """Return the context with a clock: the caller's, or this process's now."""
    return context if context.clock is not None else replace(context, clock=clock_here())


def continued(context: Context, cursor: str) -> tuple[Context, str]:
    """Return the context with the clock of a search, and the cursor without it, as `take_clock` does.

    A search keeps the clock that it began with: the one in the cursor, the caller's, or this process's now.
    """
    context, cursor = take_clock(context, cursor)
    return timed(context), cursor


def take_clock(context: Context, cursor: str) -> tuple[Context, str]:
    """Return the context with the clock in the cursor, if there is one, and the cursor without it.

    Raises:
        Invalid: the cursor is malformed.
    """
    cursor, mark, text = cursor.partition(_CLOCK)
    if mark:
        moment, zone = read_cursor(text, _CLOCK.encode(), int, str)
        return context.narrowed({"clock": [moment, zone]}), cursor
    return context, cursor


def with_clock(cursor: str, context: Context) -> str:
    """Return a cursor with the clock of its search; "" stays."""
    if not cursor or context.clock is None:
        return cursor
    return cursor.partition(_CLOCK)[0] + _CLOCK + write_cursor(_CLOCK.encode(), *context.clock.wire())


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
