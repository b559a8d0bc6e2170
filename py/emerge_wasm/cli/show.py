"""How results are printed: tables and values for people, JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..objects import Pointer

UNITS = "BKMGTP"


def print_json(value: object, *, err: bool = False) -> None:
    """One line of JSON; what JSON has no word for is written as `codec.plain` says."""
    from ..codec import plain

    click.echo(json.dumps(plain(value), ensure_ascii=False), err=err)


def print_value(value: object) -> None:
    """A result as Python would show it; text as it is."""
    click.echo(value if isinstance(value, str) else show_value(value))


def show_value(value: object) -> str:
    """A value as Python would write it, on one line."""
    from ..codec import show  # as long as all else that a command needs which only lists

    return show(value)


def print_fields(fields: Mapping[str, object]) -> None:
    """A state, one field a line, names aligned."""
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        text = (
            show_value(value)
            if not isinstance(value, str) or "\n" not in value
            else value.replace("\n", "\n" + " " * (width + 2))
        )
        click.echo(f"{name.ljust(width)}  {text}")


def print_table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Rows in aligned columns; those in `right` are right-aligned, the last is not padded."""
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if n in right else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def size_text(size: int) -> str:
    """A size in bytes as `512B`, `5.6K`, `1.2M`."""
    amount = float(size)
    for unit in UNITS:
        if amount < 1000 or unit == UNITS[-1]:
            break
        amount /= 1024
    return f"{size}B" if unit == "B" else f"{amount:.1f}{unit}"


def date_text(date: str) -> str:
    """An ISO date in the local time zone, to the second."""
    return datetime.fromisoformat(date).astimezone().strftime("%Y-%m-%d %H:%M:%S") if date else "-"


def counted(number: int, what: str, many: str = "") -> str:
    """So many of something: `1 change`, `2 changes`, `3 entries`."""
    return f"{number} {what if number == 1 else many or what + 's'}"


def path_text(pointer: Pointer) -> str:
    """Where it is; a directory's ends in a slash."""
    path = pointer.full_path
    return path + "/" if pointer.is_directory and path != "/" else path


def pointer_row(pointer: Pointer, name: str) -> list[str]:
    """The columns of `ls -l`, with this name."""
    kind = "d" if pointer.is_directory else "-"
    owner = (pointer.owner or "-") + (f":{pointer.group}" if pointer.group else "")
    size = "-" if pointer.is_directory else size_text(pointer.size)
    cells = [kind + pointer.perms, owner, size, f"v{pointer.version}", date_text(pointer.date)]
    return [*cells, pointer.node, pointer.class_name or "-", name]
