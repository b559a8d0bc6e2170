"""Writes objects' fields as JSON, JSON lines and CSV, and tells what of them is lost so. Not classes, not versions."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import IO, Protocol

from ...codec import decode
from ...errors import Invalid
from ...paths import child_path
from ..reads import ReadOperations
from .cell import JSONRow, cell_losses, json_text, write_cell, write_name, write_value
from .kind import guess_kind
from .loader import NAME, PLACE
from .sheet import Format

SHOWN_LOSSES = 5
_TOGETHER = {"date": {"", "date"}, "datetime": {"", "datetime"}, "nan and inf": {"", "nan and inf", "number"}}
"""Kinds that are written bare: with which others in the same column they are read as what they were."""


@dataclass(slots=True)
class ExportReport:
    """How many objects were written, and what of which field is lost, in words; fields without an entry are exact."""

    count: int = 0
    losses: dict[str, set[str]] = field(default_factory=dict)

    def lose(self, name: str, losses: Iterable[str]) -> None:
        if found := set(losses):
            self.losses.setdefault(name, set()).update(found)

    def told(self) -> dict[str, str]:
        """The losses of each field in a line."""
        return {name: ", ".join(sorted(words)[:SHOWN_LOSSES]) for name, words in sorted(self.losses.items())}


class RowWriter(Protocol):
    """Writes rows in a format."""

    def add(self, row: JSONRow) -> None:
        """Write one row: where it is, and its fields, as decoded."""

    def end(self) -> None:
        """Write what comes last."""


async def export_rows(rows: AsyncIterator[JSONRow], out: IO[str], format: Format) -> ExportReport:
    """Write rows (see `rows_below`) to a text file."""
    report = ExportReport()
    if format not in _WRITERS:
        raise Invalid(f"there is no format {format!r}", remedy=f"it is one of {', '.join(_WRITERS)}")
    writer = _WRITERS[format](out, report)
    async for row in rows:
        writer.add(row)
        report.count += 1
    writer.end()
    return report


class _JSONWriter:
    """A list of maps, a map a line."""

    def __init__(self, out: IO[str], report: ExportReport) -> None:
        self.out, self.report = out, report
        out.write("[")

    def add(self, row: JSONRow) -> None:
        self.out.write((",\n" if self.report.count else "\n") + json_text(_json_row(row, self.report)))

    def end(self) -> None:
        self.out.write("\n]\n")


class _LineWriter:
    """A map a line, and nothing else."""

    def __init__(self, out: IO[str], report: ExportReport) -> None:
        self.out, self.report = out, report

    def add(self, row: JSONRow) -> None:
        self.out.write(json_text(_json_row(row, self.report)) + "\n")

    def end(self) -> None:
        """Nothing comes last."""


class _CSVWriter:
    """One column for each field of any object; they are known only at the end, so rows wait in a file until then."""

    def __init__(self, out: IO[str], report: ExportReport) -> None:
        import tempfile  # it takes longer to import than most of a client

        self.out, self.report = out, report
        self.columns: dict[str, set[str]] = {PLACE: set(), NAME: set()}
        self.rows = tempfile.TemporaryFile("w+", encoding="utf-8")

    def add(self, row: JSONRow) -> None:
        cells = {}
        for name, value in row.items():
            kinds = self.columns.setdefault(name, set())
            cells[name] = write_name(str(value)) if name in (PLACE, NAME) else write_cell(value)
            if name not in (PLACE, NAME):
                kinds.add(_kind(value, cells[name]))
                self.report.lose(name, cell_losses(value))
        self.rows.write(json.dumps(cells) + "\n")

    def end(self) -> None:
        for name, kinds in self.columns.items():
            for kind, others in _TOGETHER.items():
                if kind in kinds and kinds - others:  # then cells are read one by one: as JSON, or as text
                    self.report.lose(name, [f"{kind} as text"])
        self.rows.seek(0)
        writer = csv.writer(self.out)
        writer.writerow(self.columns)
        for line in self.rows:
            cells = json.loads(line)
            writer.writerow([cells.get(name, "") for name in self.columns])
        self.rows.close()


def _kind(value: object, cell: str) -> str:
    if value is None:
        return ""
    return "nan and inf" if isinstance(value, float) and not math.isfinite(value) else guess_kind([(0, cell)])[0]


_WRITERS: dict[str, type[_JSONWriter] | type[_LineWriter] | type[_CSVWriter]] = {
    "json": _JSONWriter,
    "jsonl": _LineWriter,
    "csv": _CSVWriter,
}


def _json_row(row: JSONRow, report: ExportReport) -> JSONRow:
    written = {name: write_value(value) for name, value in row.items()}
    for name, value in written.items():
        report.lose(name, value.losses)
    return {name: value.data for name, value in written.items()}


async def rows_below(client: ReadOperations, path: str) -> AsyncIterator[JSONRow]:
    """Yield the place and the fields of each object at or below a path, as decoded."""
    pointer = await client.get(path)
    if not pointer.is_directory:
        state = (await client.remote.getobject(path))["state"]
        yield make_row("", pointer.name, decode(state))
        return
    root = pointer.full_path
    directories = [root]
    while directories:
        directory = directories.pop()
        inside = directory.removeprefix(root).strip("/")
        async for name, state in client.states(directory):
            yield make_row(inside, name, decode(state))
        below = [child_path(directory, p.name) async for p in client.dir(directory) if p.is_directory]
        directories += reversed(below)


def make_row(inside: str, name: str, state: object) -> JSONRow:
    """Return the row of an object: its directory below what is exported, its name, and its fields."""
    fields = state if isinstance(state, dict) else {}
    return {PLACE: inside, NAME: name, **{name: value for name, value in fields.items() if name not in (PLACE, NAME)}}
