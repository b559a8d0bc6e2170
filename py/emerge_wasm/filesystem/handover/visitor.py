"""What was once in a subtree and moved out of it: as far as it was there, for those who look back.

It goes along with what is handed over, and ends with a version that says that it left, as if it had been moved from
there to where it is now.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from typing import NamedTuple

from ...paths import child_path
from ...store import prefix_end
from ..core import Core
from ..layout.ancestry import LEFT
from ..layout.locality import PAGE_ROWS
from ..layout.moment import before
from ..layout.record import ROOT, VersionRecord, date_of, is_directory, version_key
from ..tree.links import newest_record, record_at
from .part import PAGE_VERSIONS, RowPart, StoreRow

VISITOR = "visitor"
"""In place of a space: the rows of a uuid follow, which left with the version of this number, at this moment."""


def read_mark(value: bytes) -> tuple[int, int]:
    """The version with which a visitor left, and the microseconds since 1970."""
    return int.from_bytes(value[:8], "big"), int.from_bytes(value[8:], "big")


class Inside:
    """Tells what is in a subtree now, or was when it was removed."""

    def __init__(self, core: Core, top: bytes) -> None:
        self._core = core
        self._known = {top: True, ROOT: False}

    async def has(self, uuid: bytes) -> bool:
        way: list[bytes] = []
        while uuid not in self._known:
            way.append(uuid)
            record = await newest_record(self._core, uuid)
            if record is None or record.operation == LEFT or uuid in way[:-1]:
                self._known[uuid] = False
                break
            uuid = record.parent
        found = self._known[uuid]
        self._known.update(dict.fromkeys(way[1:], found))  # directories: others are in them too
        return found


class _Stay(NamedTuple):
    """Where a visitor was last, until when (in microseconds), and a version before which it cannot have left."""

    until: int
    least: int
    parent: bytes
    name: str


class Visitors:
    """What moved out of a subtree."""

    def __init__(self, core: Core, inside: Inside) -> None:
        self._core = core
        self._inside = inside
        self._stays: dict[bytes, _Stay] = {}
        self._pending: list[bytes] = []

    async def note(self, uuid: bytes, rows: Sequence[StoreRow], until: int = 0) -> bool:
        """Note by its links in a directory that something was there; until a moment, where it did not leave before.

        Return False where it was there at no moment.
        """
        dates = [(value[:1] == b"+", int.from_bytes(value[1:], "big")) for _, _, value in rows]
        stayed, date = dates[-1]
        if (stayed and not until) or (not stayed and date == dates[0][1]):
            return False
        _, key, _ = rows[-1]
        version = int.from_bytes(key[-8:], "big")
        stay = _Stay(until if stayed else date, version + stayed, key[:16], key[16:-25].decode())
        known = self._stays.get(uuid)
        if known is None or known.until < stay.until:
            self._stays[uuid] = stay._replace(least=max(stay.least, known.least if known else 0))
            self._pending.append(uuid)
        else:
            self._stays[uuid] = known._replace(least=max(stay.least, known.least))
        return True

    async def add_to(self, part: RowPart) -> AsyncIterator[None]:
        """Add all that was noted, and what was in directories among it; yield whenever enough has come together."""
        while self._pending:
            uuid = self._pending.pop()
            async for rows in self._names_in(uuid):
                part.rows += rows
                if part.is_full:
                    yield
        for uuid, stay in self._stays.items():
            async for _ in self._add_one(part, uuid, stay):
                yield

    async def _names_in(self, directory: bytes) -> AsyncIterator[list[StoreRow]]:
        """Note what was in a directory that moved out, until it did; yield the links that tell of it."""
        record = await newest_record(self._core, directory)
        if record is None or not is_directory(record.raw):
            return
        until = self._stays[directory].until
        start, end = directory, prefix_end(directory)
        while page := await self._core.store.scan("links", start, end, limit=PAGE_ROWS):
            for name, group in groupby(page, lambda row: row[0][:-8]):
                uuid = name[-16:]
                rows: list[StoreRow] = [
                    ("links", key, value) for key, value in group if int.from_bytes(value[1:], "big") < until
                ]
                if rows and (await self._inside.has(uuid) or await self.note(uuid, rows, until)):
                    yield rows
            start = page[-1][0] + b"\0"

    async def _add_one(self, part: RowPart, uuid: bytes, stay: _Stay) -> AsyncIterator[None]:
        """Add the versions until something left, and one that says so."""
        core = self._core
        newest, last = await newest_record(core, uuid), await record_at(core, uuid, before(date_of(stay.until)))
        assert newest is not None
        left = max(stay.least, 1 if last is None else last.entry.version + 1)
        mark: StoreRow = (VISITOR, uuid, left.to_bytes(8, "big") + stay.until.to_bytes(8, "big"))
        part.rows.append(mark)
        older: VersionRecord | None = None
        start, end = version_key(uuid, 0), version_key(uuid, left)
        while page := await core.store.scan("versions", start, end, limit=PAGE_VERSIONS):
            for key, raw in page:
                older = await part.add_version(key, VersionRecord.unpack(raw), older)
                if part.is_full:
                    yield
                    part.rows.append(mark)
            start = page[-1][0] + b"\0"
        part.rows.append(("versions", version_key(uuid, left), await self._left(uuid, left, stay, older or newest)))
        if part.is_full:
            yield

    async def _left(self, uuid: bytes, version: int, stay: _Stay, base: VersionRecord) -> bytes:
        """The version that says that something left, made from the one before it."""
        (raw,) = await self._core.store.get([("versions", version_key(uuid, version))])
        went = None if raw is None else VersionRecord.unpack(raw)
        origin = child_path(went.directory, went.entry.name) if went and went.operation == "mv" else ""
        entry, date = base.entry, date_of(stay.until)
        entry = entry._replace(name=stay.name, version=version, revision=os.urandom(16).hex(), date=date, bundle="")
        author = base.author if went is None else went.author
        return VersionRecord(
            entry.pack(), stay.parent, base.directory, author, LEFT, base.entry.revision, origin, None
        ).pack()
