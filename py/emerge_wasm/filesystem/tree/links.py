"""Resolve paths at a past moment, from the links that say when a name appeared in a directory and left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby

from ...errors import NotFound
from ...store import prefix_end
from ..core import Core
from ..layout.locality import PAGE_ROWS, get_entries
from ..layout.place import ROOT_RAW, PathNames, Place
from ..layout.record import (
    ROOT,
    Entry,
    KeyValue,
    VersionRecord,
    date_of,
    entry_key,
    is_directory,
    micros_of,
    version_key,
)

_TAIL = 24  # bytes of a link's key after its name and the zero: uuid and version


async def newest_record(core: Core, uuid: bytes) -> VersionRecord | None:
    """Return the newest version of a uuid, None when nothing ever had it."""
    rows = await core.store.scan("versions", uuid, prefix_end(uuid), limit=1, reverse=True)
    return VersionRecord.unpack(rows[0][1]) if rows else None


async def record_at(core: Core, uuid: bytes, moment: str) -> VersionRecord | None:
    """Return the newest version at a moment ("": now); None when there was none or it is no longer kept."""
    newest = await newest_record(core, uuid)
    if newest is None or not moment or newest.entry.date <= moment:
        return newest
    low, high = 1, newest.entry.version - 1
    found = None
    while low <= high:
        middle = (low + high) // 2
        raw = (await core.store.get([("versions", version_key(uuid, middle))]))[0]
        record = None if raw is None else VersionRecord.unpack(raw)
        if record is not None and record.entry.date > moment:
            high = middle - 1
        else:  # an absent version was pruned, so the one sought comes after it
            low, found = middle + 1, record or found
    return found


async def there_since(core: Core, place: Place) -> str:
    """Return the moment since when a path has led to what is there: it, and all directories above it, came before."""
    since = 0
    for above, name, raw in zip(place.chain, place.names, place.raws, strict=False):
        start = entry_key(above[:16], name) + b"\0" + raw[:16]
        rows = await core.store.scan("links", start, prefix_end(start), limit=1, reverse=True)
        since = max([since, *(int.from_bytes(value[1:], "big") for _, value in rows)])
    return date_of(since)


async def find_at(core: Core, names: PathNames, moment: str) -> Place:
    """Resolve a path at a moment."""
    root = (await core.store.get([("entries", b"")]))[0]
    place = Place(names, [], root or ROOT_RAW)
    parent = ROOT
    for name in names:
        start = entry_key(parent, name) + b"\0"
        rows = await _scan_all(core, start, prefix_end(start))
        uuid = _present(rows, micros_of(moment))
        if uuid is None:
            break
        place.raws.append(await _raw_at(core, uuid, moment, name))
        parent = uuid
        if not is_directory(place.raws[-1]):
            break
    return place


async def children_at(core: Core, parent: bytes, moment: str, after: str = "", limit: int = PAGE_ROWS) -> list[bytes]:
    """Return at most `limit` packed entries of a directory at a moment, by name, after the name `after`."""
    found: list[tuple[str, bytes]] = []
    start = entry_key(parent, after) + b"\1" if after else parent
    micros, end = micros_of(moment), prefix_end(parent)
    while len(found) < limit:
        rows = await core.store.scan("links", start, end, limit=PAGE_ROWS)
        more = len(rows) == PAGE_ROWS
        if more:  # the last name may go on in the next page
            last = rows[-1][0][:-_TAIL]
            whole = [row for row in rows if row[0][:-_TAIL] != last]
            rows = whole or await _scan_all(core, last, prefix_end(last))
        for name, group in groupby(rows, lambda row: row[0][16 : -_TAIL - 1]):
            if (uuid := _present(group, micros)) is not None:
                found.append((name.decode(), uuid))
        if not more:
            break
        start = rows[-1][0][: -_TAIL - 1] + b"\1"
    return await _entries_at(core, parent, found[:limit], moment)


async def _scan_all(core: Core, start: bytes, end: bytes | None) -> list[KeyValue]:
    rows: list[KeyValue] = []
    while True:
        page = await core.store.scan("links", start, end, limit=PAGE_ROWS)
        rows += page
        if len(page) < PAGE_ROWS:
            return rows
        start = page[-1][0] + b"\0"


def _present(rows: Iterable[KeyValue], micros: int) -> bytes | None:
    """Return the uuid of a name at a moment, from all links of that name; None when it was absent.

    Of two that overlap, such as a volume and the mount point in its place, the later counts.
    """
    found: tuple[bytes, bytes] | None = None
    for uuid, group in groupby(rows, _uuid_of):
        before = [value for _, value in group if int.from_bytes(value[1:], "big") <= micros]
        if before and before[-1][:1] == b"+":
            found = max(found or (b"", b""), (before[-1], uuid))
    return found and found[1]


def _uuid_of(row: KeyValue) -> bytes:
    return row[0][-_TAIL:-8]


async def _entries_at(core: Core, parent: bytes, found: Sequence[tuple[str, bytes]], moment: str) -> list[bytes]:
    """Return the packed entries as of a moment; those unchanged since are read in one batch."""
    raws = await get_entries(core.store, [entry_key(parent, name) for name, _ in found])

    async def entry(name: str, uuid: bytes, raw: bytes | None) -> bytes:
        if raw is not None and raw[:16] == uuid and Entry.unpack(raw).date <= moment:
            return raw
        return await _raw_at(core, uuid, moment, name)

    return await asyncio.gather(*(entry(name, uuid, raw) for (name, uuid), raw in zip(found, raws, strict=True)))


async def _raw_at(core: Core, uuid: bytes, moment: str, name: str) -> bytes:
    record = await record_at(core, uuid, moment)
    if record is None:
        raise NotFound(
            f"{name} was there at {moment}, but its version of then is kept no more",
            remedy="the retention of its directory says how long versions are kept (retain)",
            uuid=uuid.hex(),
        )
    return record.raw
