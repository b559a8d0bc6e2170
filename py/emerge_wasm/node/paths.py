"""Which paths the arguments of an operation name. Pure functions."""

from __future__ import annotations

from typing import Any

from ..objects import DIRECTORY
from ..operations import find_operation
from ..paths import child_path

PATHS = frozenset({"path", "source", "target", "first", "second"})
"""The names of parameters that are paths."""


def paths_of(name: str, args: list[Any]) -> list[str]:
    """The paths in an operation's (bound) arguments; those of new objects, not of the directory they go to."""
    if name == "storeall":
        return [row[0] for row in args[0] if isinstance(row, (list, tuple)) and row and isinstance(row[0], str)]
    if name == "load":
        return [args[0].rstrip("/") + path for path in map(_path_of_object, args[1]) if path]
    named = dict(zip((parameter.name for parameter in find_operation(name).parameters), args, strict=True))
    if name == "mixin":
        named["path"] = child_path(named["path"], named["name"])
    return [value for key, value in named.items() if key in PATHS]


def readings(path: str, name: str) -> list[str]:
    """Every object that a path may mean to an operation, the longest first: for `cat` a dot may begin a property
    (`/a/b.field`)."""
    if name != "cat":
        return [path]
    directory, _, last = path.rpartition("/")
    parts = last.split(".")
    names = [".".join(parts[:cut]) for cut in range(len(parts), 0, -1)]
    return [f"{directory}/{each}" for each in names if each]


def _path_of_object(record: Any) -> str:
    """Where a record of `export` leads; "" for a directory, and for what is malformed, which the filesystem refuses."""
    try:
        path, kind = record["path"], record["versions"][-1]["type"]
    except (LookupError, TypeError):
        return ""
    return path if isinstance(path, str) and path.startswith("/") and kind != DIRECTORY else ""
