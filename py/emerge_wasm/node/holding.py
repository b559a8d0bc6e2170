"""What this node's own filesystem holds: which of some paths and uuids. Reads the filesystem, asks no other node."""

from __future__ import annotations

from ..errors import Invalid, NotFound
from ..filesystem import Filesystem
from ..filesystem.tree.find import find_place, find_places, locate, name

Names = tuple[str, ...]


async def held(filesystem: Filesystem, paths: list[str], uuids: list[str]) -> tuple[list[str], list[str]]:
    """Those of the paths (objects and directories, also by uuid) and of the uuids (32 hex digits) that are here now.

    What is no path or no uuid is not here.
    """
    valid = {path: names for path in paths if (names := await _names(filesystem, path)) is not None}
    there = await _existing(filesystem, list(valid.values()))
    here = [uuid for uuid in uuids if await _is_here(filesystem, uuid)]
    return [path for path, names in valid.items() if names in there], here


async def _existing(filesystem: Filesystem, many: list[Names]) -> set[Names]:
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


async def _names(filesystem: Filesystem, path: str) -> Names | None:
    try:
        return await name(filesystem.core, path)
    except (Invalid, NotFound):
        return None
