"""Rows of a value that is a table: pointers, objects, dicts or dataclass instances in a list, or a data frame. Pure.

A data frame is what has `columns` and `to_dict` (as pandas's) or `to_dicts` (as polars's).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import TypedDict

from ...objects import EmergeObject, Pointer, object_path

TABLE = "application/vnd.emerge.table+json"

ROWS = 10_000
COLUMNS = 60
CELLS = 200_000
LONGEST = 400  # characters of a value

CellValue = str | int | float | bool | None
SAFE = 1 << 53  # larger integers are no numbers in JavaScript
BASE = {field.name for field in dataclasses.fields(EmergeObject)} | {"data"}
OF_POINTER = ("path", "class_name", "version", "date", "size", "owner", "node")


class RowTable(TypedDict):
    """`total` counts the rows that there are, `dropped` the columns left out. `links` are, for each row that is an
    object, its path and the node that has it, otherwise None."""

    columns: list[str]
    rows: list[list[CellValue]]
    total: int
    dropped: int
    links: list[list[str] | None]


def make_table(value: object) -> RowTable | None:
    """The table of a value; None when it is none."""
    if isinstance(value, Pointer):
        value = [value]
    if _is_frame(value):
        return _of_frame(value)
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)) or not len(value):
        return None
    rows = value[:ROWS]
    if all(isinstance(row, Pointer) for row in rows):
        return _of_rows([_of_pointer(row) for row in rows], len(value), [_link(row) for row in rows])
    if all(isinstance(row, Mapping) and row and all(type(key) is str for key in row) for row in rows):
        return _of_rows(rows, len(value))
    if all(dataclasses.is_dataclass(row) and not isinstance(row, type) for row in rows):
        return _of_rows([fields_shown(row) for row in rows], len(value), [_link(row) for row in rows])
    return None


def _is_frame(value: object) -> bool:
    kind = type(value)
    given = (hasattr(kind, "to_dict") or hasattr(kind, "to_dicts")) and hasattr(kind, "head")
    return given and hasattr(value, "columns")


def _of_frame(frame: object) -> RowTable:
    total = len(frame)  # type: ignore[arg-type]  # known by its methods
    head = frame.head(ROWS)  # type: ignore[attr-defined]  # known by its methods
    if hasattr(type(frame), "to_dicts"):
        return _of_rows(head.to_dicts(), total, columns=list(map(str, head.columns)))
    split = head.to_dict("split")
    names = list(map(str, split["columns"]))
    marks = [str(name) for name in getattr(getattr(frame, "index", None), "names", None) or [None] if name is not None]
    index = [*marks, ""][0]
    rows = [[_cell(mark), *map(_cell, row)] for mark, row in zip(split["index"], split["data"], strict=True)]
    return _cut([index, *names], rows, total, [None] * len(rows))


def _of_rows(
    rows: Iterable[Mapping[str, object]],
    total: int,
    links: list[list[str] | None] | None = None,
    columns: list[str] | None = None,
) -> RowTable:
    rows = list(rows)
    names = columns or list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(row.get(name)) for name in names[:COLUMNS]] for row in rows]
    return _cut(names, cells, total, links or [None] * len(rows))


def _cut(names: list[str], rows: list[list[CellValue]], total: int, links: list[list[str] | None]) -> RowTable:
    shown = names[:COLUMNS]
    most = max(CELLS // max(len(shown), 1), 1)
    return {
        "columns": shown,
        "rows": [row[: len(shown)] for row in rows[:most]],
        "total": total,
        "dropped": len(names) - len(shown),
        "links": links[:most],
    }


def _of_pointer(pointer: Pointer) -> dict[str, object]:
    row = {"name": pointer.name or "/", **{name: getattr(pointer, name) for name in OF_POINTER}}
    return {**row, "date": pointer.date[:19].replace("T", " ")}


def fields_shown(row: object) -> dict[str, object]:
    """The fields of a dataclass instance that its repr has; of an object name and path first, and no other metadata."""
    names = [field.name for field in dataclasses.fields(row) if field.repr]  # type: ignore[arg-type]  # an instance of a dataclass
    if not isinstance(row, EmergeObject):
        return {name: getattr(row, name, None) for name in names}
    own = [name for name in names if name not in BASE] + (["data"] if getattr(row, "data", None) is not None else [])
    return {"name": row.name or row.id, "path": row.path, **{name: getattr(row, name, None) for name in own}}


def _link(row: object) -> list[str] | None:
    if isinstance(row, Pointer):
        return [row.full_path, row.node]
    if isinstance(row, EmergeObject) and row.version:
        return [object_path(row), row.node]
    return None


def _cell(value: object) -> CellValue:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -SAFE < value < SAFE else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, str):
        text = str(value)
    elif isinstance(value, (date, datetime, time)):
        text = value.isoformat()
    else:
        try:
            text = repr(value)
        except Exception as error:  # the user's code; the other cells are shown
            text = f"<{type(value).__name__}: {type(error).__name__} in its repr>"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
