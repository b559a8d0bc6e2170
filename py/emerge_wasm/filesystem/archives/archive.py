"""A tree as records that make it again, here or in another filesystem: `export` streams them, `loading.py` takes them.

A record is a map: {"path" (relative to what was exported), "uuid" (hex), "bundles" (hashes its states need),
"versions": [{"version", "name", "type", "class_name", "bundle", "perms", "owner", "group", "revision", "date", "keep",
"author", "operation", "parent_revision", "content", "state"}…]}, oldest first. `state` is None for a directory, and
where a version only moved the object: `content` is then that of a version before it in the record. An object whose
versions are too large for one record goes on in the next one with the same path. Directories come before what is in
them; `/` itself is among them once its permissions or the like were changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...codec import bundles_in
from ...context import Context
from ...operations import Wire
from ...paths import child_path
from ...store import prefix_end
from ..core import Core
from ..layout.record import Entry, VersionRecord, version_key
from ..tree.directory import walk_tree
from ..tree.find import REMOVED, find
from ..tree.load import PAGE_BYTES, load_state
from .archive_record import OF_ENTRY, OF_VERSION

PAGE_RECORDS = 50


async def export(core: Core, context: Context, path: str, versions: bool) -> AsyncIterator[Wire]:
    found = await find(core, context, path, "r")
    top = found.path
    if not found.entry.is_directory:
        async for record in _records(core, found.entry, "/" + found.entry.name, versions):
            yield record
        return
    if found.entry.version:
        async for record in _records(core, found.entry, "/", versions):
            yield record
    async for child, directory in walk_tree(core, context, top):
        relative = child_path(directory, child.name)[len(top.rstrip("/")) :]
        async for record in _records(core, child, relative, versions):
            yield record


async def _records(core: Core, entry: Entry, path: str, versions: bool) -> AsyncIterator[Wire]:
    """The records of one object: each has all the states that its versions have, and none ends with a removal."""
    rows: list[Wire] = []
    held: set[int] = set()  # contents whose states are in this record
    size = 0
    async for version in _versions(core, entry, versions):
        then = version.entry
        state = None if then.is_directory or then.content in held else await load_state(core, then, path)
        if rows and size + len(state or b"") > PAGE_BYTES and _may_end(rows[-1], then):
            yield _record(entry, path, rows)
            rows, held, size = [], set(), 0
            state = state if state is not None or then.is_directory else await load_state(core, then, path)
        rows.append(_row(version, state))
        held.add(then.content)
        size += len(state or b"")
    yield _record(entry, path, rows)


async def _versions(core: Core, entry: Entry, versions: bool) -> AsyncIterator[VersionRecord]:
    """Every version of an object that is kept, or the newest only."""
    start = version_key(entry.uuid, 0 if versions else entry.version)
    while True:
        page = await core.store.scan("versions", start, prefix_end(entry.uuid), limit=PAGE_RECORDS)
        for _, raw in page:
            yield VersionRecord.unpack(raw)
        if len(page) < PAGE_RECORDS:
            return
        start = page[-1][0] + b"\0"


def _may_end(row: Wire, after: Entry) -> bool:
    """Whether a record may end here, and another go on with the version after it."""
    return bool(row["operation"] != REMOVED and row["version"] + 1 == after.version)


def _row(version: VersionRecord, state: bytes | None) -> Wire:
    then = version.entry
    row: Wire = {key: getattr(then, key) for key in OF_ENTRY}
    row |= {key: getattr(version, key) for key in OF_VERSION}
    return {**row, "content": then.content, "state": state}


def _record(entry: Entry, path: str, rows: list[Wire]) -> Wire:
    bundles = {row["bundle"] for row in rows}.union(*(bundles_in(row["state"] or b"") for row in rows)) - {""}
    return {"path": path, "uuid": entry.uuid.hex(), "bundles": sorted(bundles), "versions": rows}
