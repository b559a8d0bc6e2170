"""Values as JSON and as cells of CSV, and what of them is lost so. Pure functions."""

from __future__ import annotations

import json
import math
import re
from datetime import date, datetime
from typing import NamedTuple

from ...codec import plain
from ...codec.value import Record, Value

JSONRow = dict[str, object]
"""One object's fields as JSON data."""

LONGEST_INT = 14_000
"""Bits of the longest integer that is written in digits: Python refuses to read more than 4,300 of them."""

MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_WORDS = frozenset({"nan", "inf", "-inf", "+inf", "infinity", "true", "false", "null", "none"})
_FORMS = {
    "bytes": "bytes as base64",
    "bytearray": "bytes as base64",
    "timedelta": "a time span as seconds",
    "Reference": 'a reference as {"$ref": …}',
    "BlockTree": "a file's content as its hash",
}


class Written(NamedTuple):
    """A value as JSON data, and what of it that does not tell: "date as text", …"""

    data: object
    losses: frozenset[str]


def write_value(value: object) -> Written:
    """Convert a value to JSON data, and tell what is lost."""
    data = plain(value)
    losses = frozenset(_Losses().of(value))
    return Written(_short(data) if "a number of many digits as text" in losses else data, losses)


class _Losses:
    """What of one value JSON does not tell."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def of(self, value: Value) -> set[str]:
        kind = type(value)
        if value is None or kind in (bool, str):
            return set()
        if kind is int:
            return {"a number of many digits as text"} if value.bit_length() > LONGEST_INT else set()
        if kind is float:
            return set() if math.isfinite(value) else {"nan and inf as text"}
        if kind not in (list, dict):
            name = value.class_name if kind is Record else kind.__name__
            as_what = "map" if kind is Record else "list" if isinstance(value, tuple | set | frozenset) else "text"
            return {_FORMS.get(name, f"{name} as {as_what}")}
        if id(value) in self.seen:
            return {"what is shared, or within itself, as copies"}
        self.seen.add(id(value))
        found = set() if kind is list or all(type(key) is str for key in value) else {"keys as text"}
        return found.union(*(self.of(item) for item in (value if kind is list else value.values())))


def _short(data: object) -> object:
    if isinstance(data, dict):
        return {key: _short(item) for key, item in data.items()}
    if isinstance(data, list):
        return [_short(item) for item in data]
    return hex(data) if isinstance(data, int) and data.bit_length() > LONGEST_INT else data


def json_text(data: object, *, indent: int | None = None) -> str:
    """Write JSON; what cannot be written in UTF-8 (lone surrogates) is escaped."""
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    return text if text.isascii() or not _has_surrogates(text) else json.dumps(data, indent=indent)


def write_cell(value: object) -> str:
    """Write a value as a cell of CSV: text as it is, unless it could be taken for anything else; all else as JSON.

    Days, moments, nan and the infinities are written bare, and so read as such. A text that a spreadsheet would run as
    a formula is quoted as JSON is.
    """
    if isinstance(value, str):
        return value if not _is_special(value) else json_text(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    data = write_value(value).data
    return write_cell(data) if isinstance(data, str) else json_text(data)


def write_name(name: str) -> str:
    """Write a name or a path, which is text whatever it looks like."""
    return json_text(name) if name.startswith((*_FORMULA, '"')) else name


def cell_losses(value: object) -> frozenset[str]:
    """Tell what a cell of CSV does not tell of a value."""
    if type(value) is date or (type(value) is float and not math.isfinite(value)):
        return frozenset()
    if type(value) is datetime and not value.fold and (value.tzinfo is None or _is_offset(value)):
        return frozenset()
    return write_value(value).losses


def _is_offset(value: datetime) -> bool:
    """Whether ISO 8601 tells all of a moment's zone."""
    return (
        datetime.fromisoformat(value.isoformat()).tzinfo == value.tzinfo and "timezone" in type(value.tzinfo).__name__
    )


def read_json(cell: str) -> object:
    """Read JSON in a cell, where it is one, as the text that it is otherwise."""
    try:
        return json.loads(cell, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return cell


def _refuse(word: str) -> object:
    raise ValueError(word)


def _is_special(text: str) -> bool:
    """Whether a text that stands bare in a cell would be read as something else, by us or by a spreadsheet."""
    return (
        text == ""
        or text != text.strip()
        or text.startswith(_FORMULA)
        or text.lower() in _WORDS
        or MOMENT.fullmatch(text) is not None
        or read_json(text) != text
        or text[0] in '"[{'
        or _has_surrogates(text)
    )


def _has_surrogates(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)
