"""Which paths an operation names, and which of them this node's filesystem holds. Asks no other node."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import Invalid, NotFound
from ..filesystem import Filesystem
from ..filesystem.searches.node_part import PARTS
from ..filesystem.tree.find import find_place, find_places, locate, name
from ..operations import PATHS, Arguments, find_operation
from ..paths import child_path, join_path, split_path, split_properties
from .calls import CALLS

REGISTRY = "registry"

SUBTREES = frozenset(
    {"search", "searchtext", "searchpages", "count", "aggregate", "tree", "export", "_ordered", "_text", "_columns"}
)
"""What is asked of all who have a part of a subtree."""


def paths_of(operation: str, args: Arguments) -> list[str]:
    """The paths in an operation's arguments; those of new objects, not of the directory they go to."""
    if operation in ("storeall", "load"):
        rows = args.objects if operation == "storeall" else args.records
        return [path_of_row(operation, args, row) for row in rows]
    if operation == "mixin":
        return [args.first, args.second, child_path(args.path, args.name)]
    return [getattr(args, each.name) for each in find_operation(operation).parameters if each.name in PATHS]


def owned_paths(name: str, args: Sequence[object]) -> list[str]:
    """The paths that decide who owns what an operation or a part is about."""
    bound = bound_call(name, args)
    paths = [getattr(bound, each) for each in ("path", "source", "first") if hasattr(bound, each)]
    if name in ("storeall", "load"):
        paths = paths_of(name, bound)
    return [normal(path) for path in paths if not in_registry(path)]


def bound_call(name: str, args: Sequence[object]) -> Arguments:
    """The arguments of an operation or a part, by name."""
    return CALLS[name].bind(args) if name in PARTS else find_operation(name).bind(args)


def path_of_row(operation: str, args: Arguments, row: object) -> str:
    """Where a row of `storeall` or a record of `load` leads; what is malformed leads nowhere in particular."""
    if operation == "storeall":
        first = row[0] if isinstance(row, (list, tuple)) and row else None
        return first if isinstance(first, str) else "/"
    path = row.get("path") if isinstance(row, dict) else None
    return args.path.rstrip("/") + path if isinstance(path, str) and path.startswith("/") else str(args.path)


def readings(path: str, operation: str) -> list[str]:
    """Every object that a path may mean to an operation, the longest first.

    For `cat` a dot may begin a field: `/a/b.field`.
    """
    if operation != "cat":
        return [path]
    return [object_path for object_path, _ in split_properties(path)]


def normal(path: str) -> str:
    """A path as the mount table writes it. What is in the registry is nobody's in particular."""
    return join_path(*split_path(path))


def in_registry(path: str) -> bool:
    """Tell whether a path names an object by its uuid, or all of them."""
    return split_path(path)[:1] == (REGISTRY,)


def mentions_uuid(args: Arguments) -> bool:
    """Tell whether an operation's arguments name an object by its uuid: `/registry/<uuid>`."""
    inside = f"/{REGISTRY}/"
    return any(str(getattr(args, name)).rstrip("/").startswith(inside) for name in PATHS.intersection(args._fields))


async def held(
    filesystem: Filesystem, paths: list[str], uuids: list[str], check: Callable[[str], None]
) -> tuple[list[str], list[str]]:
    """Those of the paths (of objects and directories, also by uuid) and of the uuids (32 hex digits) that are here now.

    What is no path or no uuid is not here. `check` is called with the path of each, and may raise.
    """
    valid = {path: names for path in paths if (names := await _names(filesystem, path)) is not None}
    there = await _existing(filesystem, list(valid.values()))
    found = [path for path, names in valid.items() if names in there]
    here = [uuid for uuid in uuids if await _is_here(filesystem, uuid, check)]
    for path in found:
        check(join_path(*valid[path]))
    return found, here


async def _existing(filesystem: Filesystem, many: list[tuple[str, ...]]) -> set[tuple[str, ...]]:
    below = [names for names in many if names]
    found = await find_places(filesystem.core, below) if below else []
    return {(), *(place.names for place in found if place.raw is not None)}


async def _is_here(filesystem: Filesystem, uuid: str, check: Callable[[str], None]) -> bool:
    try:
        key = bytes.fromhex(uuid)
        if len(key) != 16:
            return False
        names = await locate(filesystem.core, key)
    except (ValueError, NotFound):
        return False
    check(join_path(*names))
    raw = (await find_place(filesystem.core, names)).raw
    return raw is not None and raw[:16] == key


async def _names(filesystem: Filesystem, path: str) -> tuple[str, ...] | None:
    try:
        return await name(filesystem.core, path)
    except (Invalid, NotFound):
        return None
