"""Exports and imports objects' fields as JSON and CSV for other programs. Classes and versions are not included."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from ..codec import decode, plain
from ..errors import EmergeError, Invalid
from ..objects import EmergeFile
from ..paths import check_name, child_path, split_path
from .reads import ReadOperations
from .writes import WriteOperations

if TYPE_CHECKING:
    from _csv import Reader as CSVReader

TextFile = str | os.PathLike[str] | IO[str]

PLACE = ("path", "name")
"""Columns for an object's place: its directory, relative to the exported one, and its name."""

JSONRow = dict[str, object]
"""One object's fields as JSON data."""

_OF_THE_FILESYSTEM = frozenset({"type", "perms", "owner", "group", "uuid", "node", "version", "date"})


async def export_json(client: ReadOperations, path: str, file: TextFile) -> int:
    """Write the objects at or below a path as a JSON list, values as `codec.plain` gives them; return their number."""
    count = 0
    with _opened(file, "w") as out:
        out.write("[")
        async for row in _rows(client, path):
            out.write((",\n" if count else "\n") + json.dumps(row, ensure_ascii=False))
            count += 1
        out.write("\n]\n")
    return count


async def export_csv(client: ReadOperations, path: str, file: TextFile) -> int:
    """Write the objects at or below a path as CSV, one column for each field of any of them; return their number.

    A cell is text, or JSON if the value is not text or its text would be read as JSON.
    """
    import tempfile  # it takes longer to import than most of a client

    count = 0
    columns = dict.fromkeys(PLACE)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as rows:  # the columns are known only at the end
        async for row in _rows(client, path):
            columns.update(dict.fromkeys(row))
            rows.write(json.dumps(row) + "\n")
            count += 1
        rows.seek(0)
        with _opened(file, "w") as out:
            writer = csv.writer(out)
            writer.writerow(columns)
            for line in rows:
                row = json.loads(line)
                writer.writerow([_cell(name, row) for name in columns])
    return count


async def load_json(client: WriteOperations, file: TextFile, path: str) -> int:
    """Store an EmergeFile for each map of a JSON list; return their number.

    Raises:
        Invalid: a row does not fit; the error names it, and nothing is stored.
    """
    with _opened(file, "r") as source:
        try:
            rows = json.load(source)
        except (ValueError, RecursionError) as error:
            raise Invalid(f"{_name(file)} is not JSON: {error}", remedy="give a list of maps") from None
    if not isinstance(rows, list):
        raise Invalid(f"{_name(file)} holds a {type(rows).__name__}", remedy="give a list of maps")
    return await _store(client, [_file(row, path, f"row {number}") for number, row in enumerate(rows, 1)])


async def load_csv(client: WriteOperations, file: TextFile, path: str) -> int:
    """Store an EmergeFile for each row of a CSV file with a header; return their number.

    A cell that is JSON (a number, true, null, a list, a quoted text) is decoded; an empty one is left out.

    Raises:
        Invalid: a line does not fit; the error names it, and nothing is stored.
    """
    with _opened(file, "r") as source:
        reader = csv.reader(source, strict=True)
        try:
            return await _store(client, list(_read_csv(reader, path, _name(file))))
        except (csv.Error, UnicodeDecodeError) as error:
            raise Invalid(f"line {reader.line_num} of {_name(file)} is not CSV: {error}") from None


def _read_csv(reader: CSVReader, path: str, shown: str) -> Iterator[EmergeFile]:
    header: list[str] = next(reader, [])
    if "name" not in header:
        raise Invalid(f"{shown} has no column 'name'", remedy=f"its first line must name the columns: {header[:10]}")
    if len(set(header)) < len(header):
        raise Invalid(f"{shown} has two columns of one name", remedy=f"its columns: {header[:50]}")
    for cells in reader:
        where = f"line {reader.line_num}"
        if not cells:
            continue
        if len(cells) != len(header):
            raise Invalid(f"{where} of {shown} has {len(cells)} cells", remedy=f"there are {len(header)} columns")
        pairs = zip(header, cells, strict=True)
        row = {name: cell if name in PLACE else _value(cell) for name, cell in pairs if cell}
        yield _file(row, path, where)


def _file(row: object, path: str, where: str) -> EmergeFile:
    """Make the object of a row. Raises Invalid, naming the row and column, if they do not fit."""
    if not isinstance(row, dict):
        raise Invalid(f"{where} is a {type(row).__name__}", remedy="each row is a map of field to value")
    fields = {name: value for name, value in row.items() if name not in PLACE}
    if not row.get("name"):
        raise Invalid(f"{where} has no name", remedy="give each row a name of its own")
    for name in fields:
        if not name.isidentifier() or name.startswith("_") or name in _OF_THE_FILESYSTEM:
            raise Invalid(f"{where}: no field can be called {name[:40]!r}", remedy="rename that column")
    try:
        directory = "/".join([path.rstrip("/"), *split_path("/" + str(row.get("path", "")).strip("/"))]) or "/"
        obj = EmergeFile(name=check_name(row["name"]), path=directory)
    except EmergeError as error:
        raise Invalid(f"{where}: {error.message}", remedy=error.remedy) from None
    vars(obj).update(fields)
    return obj


async def _store(client: WriteOperations, files: Iterable[EmergeFile]) -> int:
    return len(await client.storeall(files))


async def _rows(client: ReadOperations, path: str) -> AsyncIterator[JSONRow]:
    """Yield the fields and the place of each object at or below a path, as JSON data."""
    pointer = await client.get(path)
    if not pointer.is_directory:
        yield _row({"path": "", "name": pointer.name}, await client.cat(path))
        return
    root = pointer.full_path
    directories = [root]
    while directories:
        directory = directories.pop()
        inside = directory.removeprefix(root).strip("/")
        async for name, state in client.states(directory):
            yield _row({"path": inside, "name": name}, decode(state))
        below = [child_path(directory, p.name) async for p in client.dir(directory) if p.is_directory]
        directories += reversed(below)


def _row(place: JSONRow, state: object) -> JSONRow:
    fields = plain(state)
    assert isinstance(fields, dict)  # a state is a map
    return {**place, **{name: value for name, value in fields.items() if name not in PLACE}}


def _cell(name: str, row: JSONRow) -> str:
    value = row.get(name)
    if name not in row or name in PLACE:
        return str(value or "")
    if isinstance(value, str) and value and _value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _value(cell: str) -> object:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell


@contextmanager
def _opened(file: TextFile, mode: str) -> Iterator[IO[str]]:
    if not isinstance(file, (str, os.PathLike)):
        yield file
        return
    try:
        opened = open(file, mode, encoding="utf-8" if mode == "w" else "utf-8-sig", newline="")  # skip a BOM
    except OSError as error:
        raise Invalid(f"{file} cannot be opened: {error.strerror}", path=str(file)) from None
    with opened:
        yield opened


def _name(file: TextFile) -> str:
    return str(file) if isinstance(file, (str, os.PathLike)) else str(getattr(file, "name", "the file"))
