"""Which paths an operation names, and which of them this node's filesystem holds. Asks no other node."""

from __future__ import annotations

from ..errors import Invalid, NotFound
from ..filesystem import Filesystem
from ..filesystem.tree.find import find_place, find_places, locate, name
from ..objects import DIRECTORY
from ..operations import Arguments, find_operation
from ..paths import child_path, split_properties

PATHS = frozenset({"path", "source", "target", "first", "second"})
"""The names of parameters that are paths."""

_STORE = find_operation("store")


def paths_of(operation: str, args: Arguments) -> list[str]:
    """The paths in an operation's arguments; those of new objects, not of the directory they go to."""
    if operation == "storeall":
        rows = [row for row in args.objects if isinstance(row, (list, tuple)) and row]
        return [row[0] for row in rows if isinstance(row[0], str)]
    if operation == "load":
        return [args.path.rstrip("/") + path for path in map(_path_of_object, args.records) if path]
    if operation == "mixin":
        return [args.first, args.second, child_path(args.path, args.name)]
    return [getattr(args, each.name) for each in find_operation(operation).parameters if each.name in PATHS]


def read_on(operation: str, args: Arguments) -> dict[str, str]:
    """The nodes that the objects to store were read on, by path; without those that were not read."""
    rows = {"store": [args], "storeall": args.objects if operation == "storeall" else []}.get(operation, [])
    whole = [_STORE.make(*row) for row in rows if isinstance(row, (list, tuple)) and len(row) == len(_STORE.parameters)]
    return {row.path: row.node for row in whole if row.version and row.uuid and isinstance(row.path, str)}


def readings(path: str, operation: str) -> list[str]:
    """Every object that a path may mean to an operation, the longest first.

    For `cat` a dot may begin a field: `/a/b.field`.
    """
    if operation != "cat":
        return [path]
    return [object_path for object_path, _ in split_properties(path)]


async def held(filesystem: Filesystem, paths: list[str], uuids: list[str]) -> tuple[list[str], list[str]]:
    """Those of the paths (of objects and directories, also by uuid) and of the uuids (32 hex digits) that are here now.

    What is no path or no uuid is not here.
    """
    valid = {path: names for path in paths if (names := await _names(filesystem, path)) is not None}
    there = await _existing(filesystem, list(valid.values()))
    here = [uuid for uuid in uuids if await _is_here(filesystem, uuid)]
    return [path for path, names in valid.items() if names in there], here


async def _existing(filesystem: Filesystem, many: list[tuple[str, ...]]) -> set[tuple[str, ...]]:
    below = [names for names in many if names]
    found = await find_places(filesystem.core, below) if below else []
    return {(), *(place.names for place in found if place.raw is not None)}


async def _is_here(filesystem: Filesystem, uuid: str) -> bool:
    try:
        key = bytes.fromhex(uuid)
        if len(key) != 16:
            return False
        names = await locate(filesystem.core, key)
    except (ValueError, NotFound):
        return False
    raw = (await find_place(filesystem.core, names)).raw
    return raw is not None and raw[:16] == key


async def _names(filesystem: Filesystem, path: str) -> tuple[str, ...] | None:
    try:
        return await name(filesystem.core, path)
    except (Invalid, NotFound):
        return None


def _path_of_object(record: object) -> str:
    """Where a record of `export` leads.

    "" for a directory, and for what is malformed: the filesystem refuses it.
    """
    try:
        path, kind = record["path"], record["versions"][-1]["type"]  # type: ignore[index]  # malformed: TypeError
    except (LookupError, TypeError):
        return ""
    return path if isinstance(path, str) and path.startswith("/") and kind != DIRECTORY else ""
