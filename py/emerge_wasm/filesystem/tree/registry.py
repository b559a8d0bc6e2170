"""List /registry: every uuid ever assigned, with the path of its object, or its last one when it was removed. What was
purged is left out.
"""

from __future__ import annotations

from ...context import Context
from ...errors import Invalid
from ...paths import DEPTH_LIMIT, child_path
from ...results import EntryPage, PointerRows
from ..core import Core
from ..layout.ancestry import GONE, LEFT, is_purged
from ..layout.locality import PAGE_VERSIONS
from ..layout.record import ROOT, VersionRecord
from .find import REMOVED, may_see
from .links import newest_record
from .load import check_limit, wire_version


async def list_registry(core: Core, context: Context, cursor: str, limit: int) -> EntryPage:
    """List the newest version of each uuid that the caller may read, in the order of the uuids (of creation).

    Entries are pointers with `operation`, `author` and `removed`. The cursor is a uuid.
    """
    check_limit(limit)
    entries: PointerRows = []
    paths: dict[bytes, str | None] = {ROOT: "/"}
    after = _read_cursor(cursor)
    while True:
        found = await _newest_after(core, after)
        for record in found:
            if is_purged(record):
                continue
            removed = record.operation == REMOVED
            path = record.directory if removed else await _path_to(core, record, paths)
            if path is not None and await may_see(core, context, record):
                version = wire_version(core, record._replace(directory=path))
                version["removed"] = removed
                entries.append(version)
                if len(entries) == limit:
                    return {"entries": entries, "cursor": entries[-1]["uuid"]}
        if not found:
            return {"entries": entries, "cursor": ""}
        after = found[-1].raw[:16] + b"\xff" * 8


async def _path_to(core: Core, record: VersionRecord, known: dict[bytes, str | None]) -> str | None:
    """Return the path of an object's directory now, which is added to those known; None when it cannot be reached."""
    below: list[tuple[bytes, str]] = []
    uuid, gone = record.parent, record.operation == LEFT
    while not gone and uuid not in known and len(below) <= DEPTH_LIMIT:
        above = await newest_record(core, uuid)
        if above is None or above.operation in GONE:
            known[uuid] = None
            break
        below.append((uuid, above.entry.name))
        uuid = above.parent
    path = None if gone else known.get(uuid)
    for each, name in reversed(below):
        path = known[each] = child_path(path, name) if path is not None else None
    return path


async def _newest_after(core: Core, after: bytes) -> list[VersionRecord]:
    """Return the newest versions of the next uuids; a uuid whose versions exceed the page takes one more read."""
    rows = await core.store.scan("versions", after + b"\0" if after else b"", limit=PAGE_VERSIONS)
    newest = {key[:16]: raw for key, raw in rows}
    if len(rows) == PAGE_VERSIONS:
        last = rows[-1][0][:16]
        rest = await core.store.scan("versions", rows[-1][0], last + b"\xff" * 9, limit=1, reverse=True)
        newest[last] = rest[0][1]
    return [VersionRecord.unpack(raw) for raw in newest.values()]


def _read_cursor(cursor: str) -> bytes:
    try:
        return bytes.fromhex(cursor) + b"\xff" * 8 if cursor else b""
    except ValueError:
        raise Invalid(f"{cursor[:40]!r} is not a cursor of /registry", remedy="begin with an empty one") from None
