"""What the kernel and a guest worker say to each other: encoded lists, the first item a kind. Pure.

The kernel sends RUN and EVALUATE, and ANSWER, ITEM, END and ERROR to what was asked meanwhile. A guest sends TEXT, ASK,
OPEN and SHUT while it works; then DONE, VALUES or FAILED. Nothing that comes back is ever unpickled or trusted: what is
not exactly one of its messages ends it.
"""

from __future__ import annotations

from typing import Any

from ...codec import decode, encode
from ...errors import EmergeError

RUN, EVALUATE, ANSWER, ITEM, END, ERROR = range(6)
TEXT, ASK, OPEN, SHUT, DONE, VALUES, FAILED = range(10, 17)

LIMIT = 64 << 20
"""Bytes that a guest may say at once."""


def pack(*fields: Any) -> bytes:
    return encode(list(fields))


def pack_error(kind: int, *fields: Any, error: EmergeError) -> bytes:
    """The message that tells an error; without its details when these cannot be written."""
    try:
        return pack(kind, *fields, error.to_wire())
    except EmergeError:
        return pack(kind, *fields, type(error)(error.message, path=error.path, remedy=error.remedy).to_wire())


def unpack(data: bytes) -> list[Any]:
    """The fields of a message. Raises Invalid, LimitExceeded."""
    fields = decode(data, limit=LIMIT)
    return fields if isinstance(fields, list) and fields else [None]
