"""Migrate a store of an older format when it is opened. Awaits the store and nothing else.

1 -> 2: derive the links, which say when names appeared in directories and left them, from the versions. It may be
interrupted anywhere: the format is changed last, and the next open begins again.
"""

from __future__ import annotations

from ...errors import Conflict, Invalid
from ...store import Batch, Store
from .locality import PAGE_VERSIONS
from .record import ROOT, VersionRecord, entry_key, link_key, link_value


async def migrate(store: Store) -> None:
    """Migrate a store from format 1 to 2.

    Raises:
        Invalid: an object is at /registry, which format 2 reserves.
    """
    if (await store.get([("entries", entry_key(ROOT, "registry"))]))[0] is not None:
        raise Invalid(
            "this store has an object at /registry, which is the list of all uuids now",
            path="/registry",
            remedy="open it with Emerge of format 1 and move that object",
        )
    start = b""
    here: tuple[bytes, bytes, str] | None = None  # uuid, directory and name of the version before
    most = store.capabilities.largest_batch
    while True:
        rows = await store.scan("versions", start, limit=min(PAGE_VERSIONS, most // 2))
        batch = Batch()
        for _, raw in rows:
            here = _add_links(batch, VersionRecord.unpack(raw), here)
        if batch:
            await store.commit(batch)
        if len(rows) < min(PAGE_VERSIONS, most // 2):
            break
        start = rows[-1][0] + b"\0"
    done = Batch()
    done.expect("meta", b"format", b"1")
    done.put("meta", b"format", b"2")
    try:
        await store.commit(done)
    except Conflict:  # another process finished first
        return


def _add_links(
    batch: Batch, record: VersionRecord, before: tuple[bytes, bytes, str] | None
) -> tuple[bytes, bytes, str] | None:
    """Add the links of one version; return where its object is, for the next version (None: removed)."""
    entry = record.entry
    here = (entry.uuid, record.parent, entry.name)
    moved_from = before if before is not None and before[0] == entry.uuid and before != here else None
    for place, appeared in ((moved_from, False), (here, True)):
        if place is not None and (place is moved_from or before != here or record.operation == "rm"):
            there = appeared and record.operation != "rm"
            key = link_key(place[1], place[2], entry.uuid, entry.version)
            batch.put("links", key, link_value(there, entry.date))
    return None if record.operation == "rm" else here
