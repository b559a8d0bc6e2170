"""List /registry: every uuid ever assigned, with the path of its object, or its last one when it was removed."""

from __future__ import annotations

from ...context import Context
from ...errors import Invalid
from ...results import EntryPage, PointerRows
from ..core import Core
from ..layout.locality import PAGE_VERSIONS
from ..layout.record import VersionRecord
from .find import REMOVED, may_see
from .load import check_limit, wire_version


async def list_registry(core: Core, context: Context, cursor: str, limit: int) -> EntryPage:
    """List the newest version of each uuid that the caller may read, in the order of the uuids (of creation).

    Entries are pointers with `operation`, `author` and `removed`. The cursor is a uuid.
    """
    check_limit(limit)
    entries: PointerRows = []
    after = _read_cursor(cursor)
    while True:
        found = await _newest_after(core, after)
        for record in found:
            if await may_see(core, context, record):
                version = wire_version(core, record)
                version["removed"] = record.operation == REMOVED
                entries.append(version)
                if len(entries) == limit:
                    return {"entries": entries, "cursor": entries[-1]["uuid"]}
        if not found:
            return {"entries": entries, "cursor": ""}
        after = found[-1].raw[:16] + b"\xff" * 8


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
