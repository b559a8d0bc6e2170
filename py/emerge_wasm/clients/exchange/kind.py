"""What the cells of a column are: guessed from them, or from the annotation of a field, and read so. Pure functions."""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import NamedTuple
from uuid import UUID

from ...codec import read_literal
from ...errors import EmergeError, Invalid
from .cell import MOMENT, json_text, read_json

ColumnKind = str
"""One of KINDS."""

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|nan|[+-]?inf", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d+)?")
_BOOLS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


def _text(value: object) -> str:
    if isinstance(value, str):
        found = read_json(value) if value.startswith('"') else value
        return found if isinstance(found, str) else value
    return json_text(value)


def _number(value: object) -> int | float:
    found = read_json(value) if isinstance(value, str) else value
    if isinstance(found, str) and _NUMBER.fullmatch(found.strip()):
        found = float(found)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ValueError("a number")
    return found


def _comma_number(value: object) -> int | float:
    if not isinstance(value, str):
        return _number(value)
    if not _COMMA_NUMBER.fullmatch(value.strip()):
        raise ValueError("a number with a comma")
    return _number(value.strip().replace(".", "").replace(",", "."))


def _int(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?(?:\d+|0[xX][\da-fA-F]+)\s*", value):
        return int(value, 16 if "x" in value.lower() else 10)
    found = _number(value)
    if isinstance(found, float) and not found.is_integer():
        raise ValueError("a whole number")
    return int(found)


def _bool(value: object) -> bool:
    found = value if isinstance(value, bool) else _BOOLS.get(str(value).strip().lower())
    if found is None:
        raise ValueError("true or false")
    return found


def _by(read: Callable[[str], object]) -> Callable[[object], object]:
    """Read a text; a value that is none, such as a number for a Decimal, is written out before."""
    return lambda value: read(value.strip() if isinstance(value, str) else json_text(value))


def _items(value: object) -> list[object]:
    found = read_json(value) if isinstance(value, str) else value
    if not isinstance(found, list):
        raise ValueError("a list")
    return found


def _list(value: object) -> object:
    return _items(value)


def _map(value: object) -> object:
    found = read_json(value) if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise ValueError("a map")
    return found


def _value(value: object) -> object:
    return read_json(value) if isinstance(value, str) else value


_READ: Mapping[ColumnKind, tuple[Callable[[object], object], str]] = {
    "value": (_value, "JSON or a text"),
    "text": (_text, "a text"),
    "text or null": (_text, "a text"),
    "int": (_int, "a whole number, such as 12"),
    "float": (lambda value: float(_number(value)), "a number, such as 3.5"),
    "number": (_number, "a number"),
    "comma number": (_comma_number, "a number whose fraction is behind a comma, such as 1.234,5"),
    "bool": (_bool, "true or false"),
    "date": (_by(date.fromisoformat), "a day, such as 2026-05-01"),
    "datetime": (_by(datetime.fromisoformat), "a moment, such as 2026-05-01 12:30"),
    "time": (_by(time.fromisoformat), "a time, such as 12:30"),
    "decimal": (_by(Decimal), "a decimal number"),
    "uuid": (_by(UUID), "a UUID"),
    "bytes": (_by(lambda text: b64decode(text, validate=True)), "bytes in base64"),
    "list": (_list, "a list in JSON: [1, 2]"),
    "map": (_map, 'a map in JSON: {"a": 1}'),
    "tuple": (lambda value: tuple(_items(value)), "a list in JSON: [1, 2]"),
    "set": (lambda value: set(_items(value)), "a list in JSON: [1, 2]"),
    "python": (_by(read_literal), "a value as Python writes it"),
}
KINDS = tuple(_READ)
_TEXTS = ("text", "text or null")

_ANNOTATIONS: Mapping[str, ColumnKind] = {
    **{name: name for name in ("int", "float", "bool", "bytes", "date", "datetime", "time", "list", "tuple", "set")},
    **{"str": "text", "Decimal": "decimal", "UUID": "uuid", "dict": "map"},
}
_ERRORS = (ValueError, TypeError, OverflowError, InvalidOperation, binascii.Error, RecursionError, EmergeError)


def kind_of(annotation: str) -> ColumnKind:
    """Return the kind that fits the annotation of a field; "value" where none does."""
    bare = re.sub(r"^(?:typing\.)?Optional\[(.*)\]$", r"\1", annotation.strip())
    bare = re.sub(r"\s*\|\s*None$|^None\s*\|\s*", "", bare)
    name = bare.partition("[")[0].rpartition(".")[2] if "|" not in bare else ""
    kind = _ANNOTATIONS.get(name, "value")
    return "text or null" if kind == "text" and bare != annotation.strip() else kind


def read_as(kind: ColumnKind, value: object, *, cell: bool) -> object:
    """Read a cell of CSV (`cell`), or a value of JSON, as a kind; null is None, but in a column of text.

    Raises:
        Invalid: it is none of that kind.
    """
    if kind not in _READ:
        raise Invalid(f"there is no kind {kind[:40]!r} of columns", remedy=f"the kinds are {', '.join(KINDS)}")
    read, wanted = _READ[kind]
    if value is None or (cell and value == "null" and kind != "text"):
        return None
    if not cell and (kind == "value" or (isinstance(value, str) and kind in _TEXTS)):
        return value
    try:
        return read(value)
    except _ERRORS:
        shown = value if isinstance(value, str) else json.dumps(value, default=str)
        raise Invalid(f"{shown[:60]!r} is not {wanted}", remedy="correct it, or read the column as text") from None


class OddCells(NamedTuple):
    """The few cells of a column that are not of the `kind` of all others: how many, and the first, in its row."""

    kind: ColumnKind
    number: int
    row: int
    text: str


ODD = 0.1
"""The share of a column's cells that may be odd."""


def guess_kind(cells: Iterable[tuple[int, str]], *, comma: bool = False) -> tuple[ColumnKind, OddCells | None]:
    """Guess what the cells of a column of CSV are, which are given with their rows; and tell what is odd among them.

    Those that our own export wrote are read as what they were. With an odd cell the kind is "value", which refuses
    none. With `comma`, as in files whose cells are separated by something else, 1,5 is a number.
    """
    counts = Counter[ColumnKind]()
    firsts: dict[ColumnKind, tuple[int, str]] = {}
    for row, cell in cells:
        if cell not in ("", "null"):
            found = _guess(cell) if not comma or "," not in cell else _guess_comma(cell)
            counts[found] += 1
            firsts.setdefault(found, (row, cell))
    if "comma number" in counts and "number" in counts:  # 1,5 and 2; of 1.5 it is told that it is none of these
        counts["comma number"] += counts.pop("number")
    if len(counts) < 2:
        return next(iter(counts), "value"), None
    kind, most = max(((each, count) for each, count in counts.items() if each != "value"), key=lambda pair: pair[1])
    odd = counts.total() - most
    if odd > ODD * most:
        return "value", None
    return "value", OddCells(kind, odd, *min(first for each, first in firsts.items() if each != kind))


def _guess_comma(cell: str) -> ColumnKind:
    return "comma number" if _COMMA_NUMBER.fullmatch(cell) else "value"


def _guess(cell: str) -> ColumnKind:
    if _PLAIN_NUMBER.fullmatch(cell):
        return "number"
    if cell.lower() in ("true", "false"):
        return "bool"
    if MOMENT.fullmatch(cell):
        try:
            datetime.fromisoformat(cell)
        except ValueError:
            return "value"
        return "date" if len(cell) == 10 else "datetime"
    return "value"
