"""Parts of a file that an HTTP request asks for, and its validators (RFC 9110, sections 8.8, 13 and 14). No I/O."""

from __future__ import annotations

import re
from typing import NamedTuple

MOST = 32
"""Ranges of one request; one with more gets the whole file."""

_DIGITS = 100
_TAG = re.compile(r'\s*(W/)?("[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)')


class ByteRange(NamedTuple):
    """From `begin`, up to and without `end`."""

    begin: int
    end: int

    def content_range(self, size: int) -> str:
        return f"bytes {self.begin}-{self.end - 1}/{size}"


def read_ranges(text: str, size: int) -> list[ByteRange] | None:
    """Return the parts of a file of `size` bytes that a Range header asks for, in its order.

    None: the header asks for nothing that is understood, for too many parts, or for more bytes than the file has: the
    answer is the whole file. An empty list: no part of it is in the file.
    """
    unit, _, asked = text.partition("=")
    if unit.strip().lower() != "bytes":
        return None
    specs = [spec.strip(" \t") for spec in asked.split(",")]
    specs = [spec for spec in specs if spec]
    if not 0 < len(specs) <= MOST:
        return None
    found: list[ByteRange] = []
    for spec in specs:
        first, dash, last = spec.partition("-")
        if not dash or not (first or last) or not (_is_number(first) and _is_number(last)):
            return None
        begin = int(first) if first else max(size - int(last), 0)
        end = min(int(last) + 1, size) if first and last else size
        if first and last and int(last) < begin:
            return None
        if begin < end:
            found.append(ByteRange(begin, end))
    return None if len(found) > 1 and sum(end - begin for begin, end in found) > size else found


def _is_number(text: str) -> bool:
    return not text or (text.isascii() and text.isdecimal() and len(text) <= _DIGITS)


def names_tag(text: str, tag: str, *, weakly: bool) -> bool:
    """Whether a list of entity tags names this one, or all (`*`). `weakly`: also as a weak one (If-None-Match)."""
    if text.strip() == "*":
        return True
    return any(found == tag and (weakly or not weak) for weak, found in _TAG.findall(text))
