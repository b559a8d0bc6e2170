"""Rows of JSON, JSON lines and CSV, read from text with what they are called there. Pure functions."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ...errors import Invalid
from .cell import JSONRow
from .kind import ColumnKind, OddCells, guess_kind, read_as

Format = Literal["json", "jsonl", "csv"]
FORMATS: tuple[Format, ...] = ("json", "jsonl", "csv")
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
LONGEST_CELL = 2**31 - 1
_LOOKED_AT = 20  # lines that the delimiter is guessed from
_REMEDY = "give a list of maps, a map a line, or one map"


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows of a file: `places` says where each is ("line 3"), `kinds` what each column seems to be.

    `odd` are the cells that keep a column from being what all its others are. `faults` says of places what is wrong
    with the row there, which then is none.
    """

    format: Format
    columns: Sequence[str]
    rows: Sequence[JSONRow]
    places: Sequence[str]
    kinds: Mapping[str, ColumnKind]
    delimiter: str = ""
    odd: Mapping[str, OddCells] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    def read(self, kind: ColumnKind, value: object) -> object:
        """Read a cell as a kind. Raises Invalid."""
        return read_as(kind, value, cell=self.format == "csv")


def read_sheet(
    text: str,
    format: Format | Literal[""] = "",
    *,
    delimiter: str = "",
    header: bool = True,
    shown: str = "the file",
    lenient: bool = False,
) -> Sheet:
    """Read the rows of a file. What is "" is guessed: the format, and what separates the cells of CSV.

    CSV that is `lenient` may lack cells at the end of a line, have empty lines, and columns without a name or of one
    name; of a line with too many cells it is told what is wrong (`faults`).

    Raises:
        Invalid: it is nothing of that format; the error says where.
    """
    text = text.removeprefix("\ufeff")
    found = format or guess_format(text)
    if found == "csv":
        return _read_csv(text, delimiter, header, shown, lenient)
    if found not in FORMATS:
        raise Invalid(f"there is no format {found!r}", remedy=f"it is one of {', '.join(FORMATS)}")
    rows = list(_json_lines(text, shown) if found == "jsonl" else _json_rows(text, shown))
    columns = dict.fromkeys(name for _, row in rows for name in row)
    return Sheet(
        found, list(columns), [row for _, row in rows], [at for at, _ in rows], dict.fromkeys(columns, "value")
    )


def guess_format(text: str) -> Format:
    """Tell by its beginning what a text is: JSON, maps line by line, or else CSV."""
    begin = text.lstrip()
    if begin.startswith("["):
        return "json"
    if not begin.startswith("{"):
        return "csv"
    first, _, rest = begin.partition("\n")
    return "jsonl" if _is_json(first) and rest.strip() else "json"


def guess_delimiter(text: str) -> str:
    """Tell what separates the cells of CSV: that by which the first lines have the same number of cells, and most.

    Where no lines have, it is that by which most of them have as many cells as the first.
    """
    found: list[tuple[bool, float, int, str]] = []
    for each in DELIMITERS:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=each)
        try:
            counts = [len(row) for row, _ in zip(rows, range(_LOOKED_AT), strict=False) if row]
        except csv.Error:
            continue
        if counts and counts[0] > 1:
            alike = counts.count(counts[0]) / len(counts)
            found.append((alike == 1, 0 if alike == 1 else alike, counts[0], each))
    return max(found, key=lambda row: row[:3])[3] if found else ","


def _json_rows(text: str, shown: str) -> Iterator[tuple[str, JSONRow]]:
    found = _load(text, lambda error: f"{shown} is not JSON: {error}")
    if found and isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise Invalid(f"{shown} holds a {type(found).__name__}", remedy=_REMEDY)
    for number, row in enumerate(found, 1):
        yield f"row {number}", _map(row, f"row {number}")


def _json_lines(text: str, shown: str) -> Iterator[tuple[str, JSONRow]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            at = f"line {number}"
            yield at, _map(_load(line, lambda error, at=at: f"{at} of {shown} is not JSON: {error}"), at)  # type: ignore[misc]


def _load(text: str, said: Callable[[Exception], str]) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(said(error), remedy=_REMEDY) from None


def _map(row: object, at: str) -> JSONRow:
    if not isinstance(row, dict):
        raise Invalid(f"{at} is a {type(row).__name__}", remedy="each row is a map of field to value")
    return row


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _read_csv(text: str, delimiter: str, header: bool, shown: str, lenient: bool) -> Sheet:
    delimiter = delimiter or guess_delimiter(text)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise Invalid(f"{delimiter!r} cannot separate cells", remedy="give one character, such as ; or a tab")
    limit = csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    try:
        lines = [(reader.line_num, cells) for cells in reader if (any(cells) if lenient else cells)]
    except csv.Error as error:
        raise Invalid(f"line {reader.line_num} of {shown} is not CSV: {error}") from None
    finally:
        csv.field_size_limit(limit)
    names = (
        lines.pop(0)[1] if header and lines else [f"column {n + 1}" for n in range(len(lines[0][1]) if lines else 0)]
    )
    if lenient:
        names = _name_apart(names)
    if len(set(names)) < len(names):
        raise Invalid(f"{shown} has two columns of one name", remedy=f"its columns: {names[:50]}")
    faults: dict[str, str] = {}
    for number, cells in lines:
        if lenient and (len(cells) <= len(names) or not any(cells[len(names) :])):
            continue
        if len(cells) != len(names):
            said = f"line {number} of {shown} has {len(cells)} cells"
            if not lenient:
                raise Invalid(said, remedy=f"there are {len(names)} columns")
            faults[f"line {number}"] = f"{said}, and there are {len(names)} columns"
    rows: list[JSONRow] = [{name: cell for name, cell in zip(names, cells, strict=False) if cell} for _, cells in lines]
    guesses = {name: guess_kind(_texts(rows, name), comma=delimiter != ",") for name in names}
    kinds = {name: kind for name, (kind, _) in guesses.items()}
    odd = {name: each for name, (_, each) in guesses.items() if each is not None}
    return Sheet("csv", names, rows, [f"line {number}" for number, _ in lines], kinds, delimiter, odd, faults)


def _name_apart(names: Sequence[str]) -> list[str]:
    """Name columns that have no name by their number, and those of one name by how many there were before."""
    found: dict[str, None] = {}
    for number, name in enumerate(names, 1):
        name = wanted = name.strip() or f"column {number}"
        count = 1
        while name in found or (count > 1 and name in names):
            count += 1
            name = f"{wanted} {count}"
        found[name] = None
    return list(found)


def _texts(rows: Iterable[JSONRow], name: str) -> Iterator[tuple[int, str]]:
    return ((number, str(row[name])) for number, row in enumerate(rows) if name in row)
