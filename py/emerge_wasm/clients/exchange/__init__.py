"""Objects' fields as JSON, JSON lines and CSV, out and in, for other programs, the command line and the page.

The formats are here and nowhere else: `sheet` reads rows, `kind` says what their cells are, `loader` makes objects of
them; `exporter` writes them, and `cell` knows what of a value is lost so. Archives hold everything (`clients/archive`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from ...errors import Invalid
from ..reads import ReadOperations
from ..writes import WriteOperations
from .exporter import ExportReport as ExportReport
from .exporter import export_rows, rows_below
from .loader import Loaded, NewObject, make_objects, plan_import, store_objects
from .sheet import Format as Format
from .sheet import read_sheet

TextFile = str | os.PathLike[str] | IO[str]


async def export_fields(client: ReadOperations, path: str, file: TextFile, format: Format) -> ExportReport:
    """Write the fields of the objects at or below a path; how many, and what is lost."""
    with _opened(file, "w") as out:
        return await export_rows(rows_below(client, path), out, format)


async def load_fields(client: WriteOperations, file: TextFile, path: str, format: Format) -> int:
    """Store an EmergeFile for each row of a file; return their number.

    Raises:
        Invalid: a row does not fit; the error names it, and nothing is stored.
    """
    shown = str(file) if isinstance(file, (str, os.PathLike)) else str(getattr(file, "name", "the file"))
    with _opened(file, "r") as source:
        try:
            text = source.read()
        except UnicodeDecodeError as error:
            raise Invalid(f"{shown} is not text in UTF-8: {error}") from None
    sheet = read_sheet(text, format, shown=shown)
    plan = plan_import(sheet)
    objects: list[NewObject] = []
    for made in make_objects(sheet, plan, path):
        if isinstance(made, Invalid):
            raise made
        objects.append(made)
    loaded = Loaded()
    await store_objects(client, objects, plan, loaded)
    return loaded.count


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
