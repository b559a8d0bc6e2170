"""What a message would become, found by reading its bytes once before anything is made of them.

A value costs 1, a container 8 more, an extension 32 more: near what they take of time and memory. The bytes are read by
a regular expression that passes over all that holds nothing else, so that large texts and arrays cost next to nothing.
Bytes that are no message are read as far as msgpack would read them.
"""

from __future__ import annotations

import re
from functools import cache

from ..errors import LimitExceeded
from .value import Ext

COST_LIMIT = 4_000_000
"""The most that one encoded value may cost to decode: as many numbers, 444,000 lists, 121,000 dates."""

CONTAINER, EXTENSION = 8, 32
DEAREST = 11
"""More than a byte can cost: the shortest extension has three."""
_NO_HEADS = bytes({*range(256)} - {*range(0x80, 0xA0), *range(0xC7, 0xCA), *range(0xD4, 0xD9), *range(0xDC, 0xE0)})
"""The bytes with which neither a container nor an extension begins."""
_SAMPLE = 4 << 10

_NESTED = frozenset(
    {
        Ext.TUPLE, Ext.SET, Ext.FROZENSET, Ext.MAP, Ext.COMPLEX, Ext.TIMEDELTA, Ext.RECORD, Ext.MOMENT, Ext.ZONE,
        Ext.STANDARD, Ext.GRAPH,
    }
)  # fmt: skip
"""Extensions that hold a message."""

_LENGTH = {
    0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4,  # bytes and texts
    0xC7: 1, 0xC8: 2, 0xC9: 4,  # extensions
    0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4,  # arrays and maps
}  # fmt: skip
"""By the first byte: in how many bytes the length is."""

_FIXED = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
"""Extensions by their first byte, and the length of what they hold."""


@cache
def _plain(binary: bool) -> re.Pattern[bytes]:
    """Match the values from here on that hold no other; `binary`: bytes of up to 255 as well."""
    sixteens = (range(first, first + 16) for first in range(0, 256, 16))
    short = b"|".join(
        b"(?=[\\x%02x-\\x%02x])(?:%b)" % (few[0], few[-1], b"|".join(b"\\x%02x.{%d}" % (n, n) for n in few))
        for few in sixteens
    )
    fixed = b"|".join(b"\\x%02x.{%d}" % (0xA0 + n, n) for n in range(1, 32))
    return re.compile(
        rb"(?:[\x00-\x7f\xe0-\xff\xa0\xc0\xc2\xc3]|\xcb.{8}|[\xcc\xd0].|[\xcd\xd1]..|[\xca\xce\xd2].{4}|[\xcf\xd3].{8}|"
        + fixed
        + (b"|[\\xc4\\xd9](?:" if binary else b"|\\xd9(?:")
        + short
        + b"))*+",
        re.DOTALL,
    )


def check_cost(data: bytes, limit: int = COST_LIMIT) -> None:
    """Refuse a message that costs more than `limit` to decode.

    Raises:
        LimitExceeded: it does; `details["limit"]` is "values".
    """
    if len(data) * DEAREST > limit and _may_cost_more(data, limit) and cost_of(data, limit) > limit:
        raise LimitExceeded(
            f"the message would become more than {limit} values"
            f" (a container counts as {CONTAINER} more, an extension as {EXTENSION} more)",
            remedy="send less at once, many numbers as an array, and larger data as a file (fs.put)",
            limit="values",
        )


def _may_cost_more(data: bytes, limit: int) -> bool:
    """Whether it may be, by the number of its bytes: each may be a value, and some the beginning of an extension. A
    length that is not there is refused where the message is decoded."""
    size = len(data)
    if size < limit:
        begin = size // 2
        heads = len(data[begin : begin + _SAMPLE].translate(None, _NO_HEADS))
        if size + EXTENSION * heads * (size // _SAMPLE) <= limit:
            return 1 + size + EXTENSION * len(data.translate(None, _NO_HEADS)) > limit
    return True


def cost_of(data: bytes, limit: int) -> int:
    """Return what a message costs to decode, or some number above `limit`."""
    cost = 1
    parts = [(0, len(data), True)]
    while parts and cost <= limit:
        at, end, binary = parts.pop()
        skip = _plain(binary).match
        while cost <= limit:
            found = skip(data, at, end)
            at = found.end() if found else end
            if at >= end:
                break
            head = data[at]
            at += 1
            if 0x80 <= head < 0xA0:
                cost += CONTAINER + (head & 15 if head >= 0x90 else 2 * (head & 15))
                continue
            size = _LENGTH.get(head, 0)
            if at + size > end or not (size or head in _FIXED):
                break  # it ends too early, or is no value
            length = int.from_bytes(data[at : at + size], "big") if size else _FIXED[head]
            at += size
            if head >= 0xDC:
                cost += CONTAINER + (length if head < 0xDE else 2 * length)
                continue
            if head in _FIXED or 0xC7 <= head <= 0xC9:
                cost += EXTENSION
                at += 1
                inner = at <= end and data[at - 1] in _NESTED
                whole = data[at - 1] != Ext.GRAPH if inner else True
            else:
                inner = whole = not binary and head <= 0xC6  # a part of a graph is a message, too
            if inner and at + length <= end:
                parts += (at + length, end, binary), (at, at + length, whole)
                break
            at += length
    return cost
