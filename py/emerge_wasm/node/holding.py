"""What this node's own filesystem holds: which of some paths and uuids. Reads the filesystem, asks no other node."""

from __future__ import annotations

from ..errors import Invalid
from ..filesystem import Filesystem
from ..filesystem.record import VersionRecord
from ..paths import child_path, join_path, split_path
from ..store import prefix_end


async def held(filesystem: Filesystem, paths: list[str], uuids: list[str]) -> tuple[list[str], list[str]]:
    """Those of the paths (objects and directories) and of the uuids (32 hex digits) that are here now.

    What is no path or no uuid is not here.
    """
    valid = {path: names for path in paths if (names := _names(path)) is not None}
    there = await _existing(filesystem, list(valid.values()))
    places = {uuid: await _place_of(filesystem, uuid) for uuid in uuids}
    return [path for path, names in valid.items() if names in there], [uuid for uuid in uuids if places[uuid]]


async def _existing(filesystem: Filesystem, many: list[tuple[str, ...]]) -> set[tuple[str, ...]]:
    below = [names for names in many if names]
    found = await filesystem.core.find_all(below) if below else []
    return {(), *(place.names for place in found if place.raw is not None)}


async def _place_of(filesystem: Filesystem, uuid: str) -> str:
    """The path at which an object is now, by its newest version; "" when it is not here."""
    try:
        key = bytes.fromhex(uuid)
    except ValueError:
        return ""
    if len(key) != 16:
        return ""
    rows = await filesystem.core.store.scan("versions", key, prefix_end(key), limit=1, reverse=True)
    if not rows:
        return ""
    record = VersionRecord.unpack(rows[0][1])
    names = (*split_path(record.directory), record.entry.name)
    raw = (await filesystem.core.find(names)).raw
    if raw is None or raw[:16] != key:
        return ""
    return child_path(join_path(*names[:-1]), names[-1])


def _names(path: str) -> tuple[str, ...] | None:
    try:
        return split_path(path)
    except Invalid:
        return None
