"""A part of the rows of a subtree that one filesystem sends to another: versions with their states, classes and links.

Rows are those of the store (see `layout/record.py`), so that nothing of a version is lost or written anew. Only what
was in a directory that the other filesystem does not have is told to have been ELSEWHERE.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...codec import bundles_in, references_in
from ...store import prefix_end
from ..core import Core
from ..indexes.maintain import reference_key
from ..layout.ancestry import REMOVED
from ..layout.author import author_rows
from ..layout.locality import PAGE_ROWS
from ..layout.record import (
    ROOT,
    Entry,
    VersionRecord,
    entry_key,
    link_key,
    link_value,
    version_key,
)
from ..objects.read import load_bundles
from ..tree.load import load_state

ELSEWHERE = bytes(15) + b"\x02"
"""The uuid that stands for a directory of another filesystem; no object has it."""

TOP = bytes(15) + b"\x03"
"""The uuid that stands for the directory that holds the top, where the top stays at its path."""

LAST = b"handover/last/"
"""The beginning of keys of `meta`: by each node of a filesystem, which move into or out of it was its last."""

CALLS = "calls"
"""The space under which records of calls with an id are sent: by digest, as `transactions/call_record.py` has them."""

StoreRow = tuple[str, bytes, bytes]
"""(space, key, value)."""

PAGE_VERSIONS = 50
PART_BYTES = 1 << 20


class RowPart:
    """The rows that are to be sent next."""

    def __init__(self, core: Core, top: bytes, above: bytes) -> None:
        self.rows: list[StoreRow] = []
        self._core = core
        self._above = above
        self._top = top
        self._bundles: set[str] = {""}
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        return self._bytes >= PART_BYTES or len(self.rows) >= PAGE_ROWS

    def take(self) -> list[StoreRow]:
        rows, self.rows, self._bytes = self.rows, [], 0
        return rows

    def add(self, row: StoreRow) -> None:
        """Add a row that stands for itself."""
        self.rows.append(row)
        self._bytes += len(row[2])

    async def add_object(self, uuid: bytes, *, living: bool) -> AsyncIterator[None]:
        """Add all that belongs to a uuid; yield whenever enough has come together."""
        store = self._core.store
        start, end = version_key(uuid, 0), prefix_end(uuid)
        before: VersionRecord | None = None
        while True:
            page = await store.scan("versions", start, end, limit=PAGE_VERSIONS)
            for key, raw in page:
                before = await self.add_version(key, VersionRecord.unpack(raw), before)
                if self.is_full:
                    yield
            if len(page) < PAGE_VERSIONS:
                break
            start = page[-1][0] + b"\0"
        if living and before is not None and before.entry.refs:
            state = await load_state(self._core, before.entry, before.entry.name)
            self.rows += [("indexes", reference_key(target, uuid), b"") for target in references_in(state)]
        self.rows += [("receipts", key, raw) for key, raw in await store.scan("receipts", uuid, end)]

    async def add_version(self, key: bytes, record: VersionRecord, before: VersionRecord | None) -> VersionRecord:
        entry, state = record.entry, record.state
        if self._above and (record.parent, entry.uuid) == (self._above, self._top):
            record = record._replace(parent=TOP)
        elif record.parent == ROOT:
            record = record._replace(parent=ELSEWHERE)
        self.rows.append(("versions", key, record.pack()))
        if state is None and entry.content == entry.version and not entry.is_directory:
            state = await load_state(self._core, entry, entry.name)
            self.rows.append(("states", key, state))
        self._bytes += len(state or b"")
        for hash in {entry.bundle, *bundles_in(state or b"")} - self._bundles:
            found = await load_bundles(self._core, hash)
            self.rows += [("bundles", each.encode(), raw) for each, raw in found.items() if each not in self._bundles]
            self.rows += await author_rows(self._core.store, [each for each in found if each not in self._bundles])
            self._bytes += sum(map(len, found.values()))
            self._bundles |= {hash, *found}
        self._add_links(entry, record, before if before is None or before.entry.version + 1 == entry.version else None)
        return record

    def _add_links(self, entry: Entry, record: VersionRecord, before: VersionRecord | None) -> None:
        """Add what says when the object was in directories that are not sent themselves."""
        here = entry_key(record.parent, entry.name)
        there = b"" if before is None or before.operation == REMOVED else entry_key(before.parent, before.entry.name)
        if before is not None and there not in (b"", here):
            self._add_link(before, entry, appeared=False)
        if record.operation == REMOVED:
            self._add_link(record, entry, appeared=False)
        elif there != here and (before is not None or entry.version == 1):
            self._add_link(record, entry, appeared=True)

    def _add_link(self, record: VersionRecord, entry: Entry, *, appeared: bool) -> None:
        if record.parent == TOP:
            return  # the other filesystem adds it, with its own directory
        key = link_key(record.parent, record.entry.name, entry.uuid, entry.version)
        self.rows.append(("links", key, link_value(appeared, entry.date)))
