"""Find the directories above a directory from its uuid, by their newest versions. Awaits a store and nothing else.

Must not import `core.py`, which is above it.
"""

from __future__ import annotations

from ...paths import DEPTH_LIMIT
from ...store import Store, prefix_end
from .record import ROOT, VersionRecord

REMOVED = "rm"
"""The operation of the version that records a removal."""

LEFT = "left"
"""The operation of the last version that a filesystem has of what another one has now; no caller sees it."""

GONE = frozenset((REMOVED, LEFT))


PURGED = "purged"
"""What the last version of something purged has in place of the path of the tree that it was removed with."""


def is_purged(record: VersionRecord) -> bool:
    """Whether a version says that what was removed is purged: it belongs to no tree that could be restored."""
    return record.operation == REMOVED and record.origin == PURGED


class DirectoryGone(Exception):
    """A directory, or one above it, was removed."""


async def ancestry(store: Store, uuid: bytes) -> list[tuple[bytes, str]]:
    """Return (uuid, name) of every directory from the root's child down to this one; none for the root.

    Raises:
        DirectoryGone: one of them was removed.
    """
    found: list[tuple[bytes, str]] = []
    while uuid != ROOT:
        rows = await store.scan("versions", uuid, prefix_end(uuid), limit=1, reverse=True)
        record = VersionRecord.unpack(rows[0][1]) if rows else None
        if record is None or record.operation in GONE or len(found) > DEPTH_LIMIT:
            raise DirectoryGone
        found.append((uuid, record.entry.name))
        uuid = record.parent
    return found[::-1]
