"""Keep the rows that arrive, and take them away again when a handover is given up.

An object that was here before has a history here, of which the other filesystem's is the continuation: what is here
already stays as it is, and only the version that says that it left is replaced, and kept aside until all is decided. Of
what was removed here its last version is noted: what comes is what follows upon it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ...bundles import parse as parse_bundle
from ...codec import references_in
from ...errors import Conflict, EmergeError, Invalid
from ...paths import child_path
from ...results import PointerRow
from ...store import Batch, keys_of, prefix_end
from ..commit import Stale, retry
from ..core import Core
from ..indexes.definitions import add_definitions, read_catalogue
from ..indexes.maintain import REFERENCE, reference_key
from ..layout.ancestry import GONE, LEFT, REMOVED
from ..layout.arrival import CLOSING, OPEN, Arrival
from ..layout.catalogue import CATALOGUE, parse
from ..layout.locality import PAGE_ROWS, get_entries, get_versions
from ..layout.record import (
    BROUGHT,
    VERSION_KEY_SIZE,
    Entry,
    VersionRecord,
    entry_key,
    is_directory,
    link_key,
    link_value,
    micros_of,
    version_key,
)
from ..transactions.call_record import is_record, put_record
from ..tree.find import find_place
from ..tree.links import newest_record
from ..tree.load import load_state
from .arrival import find_arrival
from .fence import FencedStore
from .part import CALLS, ELSEWHERE, TOP, StoreRow
from .visitor import VISITOR, read_mark

REPLACED = b"handover/old/"
NOTHING = b""
"""What is set aside of what was not here, a visitor or one that comes removed."""

_SPACES = ("entries", "versions", "states", "links", "receipts")
_MALFORMED = (EmergeError, ValueError, TypeError, LookupError)


# --- keeping
async def take(core: Core, id: bytes, rows: Sequence[StoreRow]) -> None:
    """Keep rows of what arrives.

    Raises:
        Invalid: they are malformed.
        Conflict: an object is here already, or this was given up.
    """
    arrival = await find_arrival(core, id)
    records = _read(rows)
    visitors = await _visitors(core, arrival, rows)
    rows = [row for row in rows if not (row[0] in ("versions", "states") and row[1][:16] in visitors.known)]
    records = {key: record for key, record in records.items() if key[:16] not in visitors.known}
    known = await _known(core, records, visitors.begun)
    left = [record for record in known.values() if record.operation == LEFT]
    replaced = {_key(record) for record in left}
    batch, logged = Batch(), list[bytes]()
    for uuid in visitors.new:
        batch.put("meta", _note(arrival, uuid), NOTHING)
    there = await _there(core, [key for key in records if key[:16] in known and key not in replaced])
    above = await _parent(core, arrival)
    here = {key for key, old in there.items() if _is_same(records[key].parent, old.parent, above)}
    for key in there.keys() - here:  # it was in a directory that held a mount point
        old = there[key]
        batch.delete("links", link_key(old.parent, old.entry.name, key[:16], old.entry.version))
    for key, note in await _removed(core, arrival, known, records):
        batch.put("meta", key, note)
    for record in left:
        _set_aside(arrival, record, batch)
        for key in await _dropped(core, record.raw[:16], records):
            batch.deletes += [("versions", key), ("states", key)]
    most = max(core.store.capabilities.largest_batch - 4, 1)
    for space, key, value in rows:
        if space == VISITOR:
            continue
        known_link = space == "links" and key[:16] == ELSEWHERE and key[-VERSION_KEY_SIZE:] in here
        if known_link or (space == "versions" and key in here):
            continue
        if len(batch) >= most:
            await _commit(core, arrival, batch, logged)
            batch, logged = Batch(), []
        if space == CALLS:
            await put_record(core, batch, key, value)
            continue
        batch.put(space, key, value)
        if space == "versions" and key not in replaced and key not in there:
            logged.append(key)
    await _commit(core, arrival, batch, logged)


class _Visitors(NamedTuple):
    """What is sent of those that moved out: of which there is as much here, which begin here, and all the others."""

    known: set[bytes]
    new: set[bytes]
    begun: set[bytes]


async def _visitors(core: Core, arrival: Arrival, rows: Sequence[StoreRow]) -> _Visitors:
    left = {key: read_mark(value) for space, key, value in rows if space == VISITOR}
    newest = await asyncio.gather(*(newest_record(core, uuid) for uuid in left))
    notes = await core.store.get(keys_of("meta", [_note(arrival, uuid) for uuid in left])) if left else []
    found = _Visitors(set(), set(), set())
    for (uuid, mark), record, note in zip(left.items(), newest, notes, strict=True):
        if note is not None:
            found.begun.add(uuid)
        elif record is None:
            found.new.add(uuid)
        elif record.operation != LEFT or (record.entry.version, micros_of(record.entry.date)) >= mark:
            found.known.add(uuid)
    return found


def _read(rows: Sequence[StoreRow]) -> dict[bytes, VersionRecord]:
    """Check rows; return the versions among them."""
    records: dict[bytes, VersionRecord] = {}
    try:
        for space, key, value in rows:
            if space == "versions":
                record = records[key] = VersionRecord.unpack(value)
                fits = key == _key(record)
            elif space == "entries":
                fits = Entry.unpack(value).name == key[16:].decode()
            elif space == VISITOR:
                fits = len(key) == 16 and len(value) == 16
            elif space == CALLS:
                fits = is_record(key, value)
            elif space == "bundles":
                fits = parse_bundle(value, key.decode()) is not None
            else:
                fits = space in _SPACES or (space == "indexes" and key.startswith(REFERENCE))
            if not fits or type(key) is not bytes or type(value) is not bytes:
                raise ValueError(f"a row of {space}")
    except _MALFORMED as error:
        raise Invalid(f"what another node sends is malformed: {error}", remedy="update that node") from error
    return records


async def _known(core: Core, records: Mapping[bytes, VersionRecord], begun: set[bytes]) -> dict[bytes, VersionRecord]:
    """Return the newest version here of each object that was here before; some have `begun` to come.

    Raises:
        Conflict: one is here now.
    """
    first: dict[bytes, VersionRecord] = {}
    for key, record in records.items():
        first.setdefault(key[:16], record)
    newest = await asyncio.gather(*(newest_record(core, uuid) for uuid in first))
    found: dict[bytes, VersionRecord] = {}
    for (uuid, record), known in zip(first.items(), newest, strict=True):
        if known is None:
            continue
        found[uuid] = known
        goes_on = record.parent_revision == known.entry.revision and record.entry.version == known.entry.version + 1
        same = records.get(_key(known))
        removed = known.operation == REMOVED and same is not None and same.entry.revision == known.entry.revision
        if known.operation != LEFT and not goes_on and not removed and uuid not in begun:
            path = child_path(known.directory, known.entry.name)
            raise Conflict(
                f"{child_path(record.directory, record.entry.name)} is on the other node already, as {path}",
                path=path,
                remedy="copy it (cp) instead",
            )
    return found


async def _dropped(core: Core, uuid: bytes, records: Mapping[bytes, VersionRecord]) -> list[bytes]:
    """Return the versions of an object that are here, and that the other filesystem has kept no longer."""
    last = max(key for key in records if key[:16] == uuid)
    return [key for key, _ in await core.store.scan("versions", uuid, last) if key not in records]


async def _parent(core: Core, arrival: Arrival) -> bytes:
    """Return the directory that holds, or held, what comes back to where it was; b"": there is none."""
    if not arrival.stays:
        return b""
    place = await find_place(core, arrival.names)
    return place.parent if len(place.raws) >= len(place.names) - 1 else b""


def _is_same(parent: bytes, old: bytes, above: bytes) -> bool:
    """Tell whether a directory is that which the other filesystem means; `above` is that of the top, where it stays."""
    return parent in (ELSEWHERE, old) or (parent == TOP and old == above)


async def _there(core: Core, keys: Sequence[bytes]) -> dict[bytes, VersionRecord]:
    """Return those of these versions that are here."""
    raws = await get_versions(core.store, keys)
    return {key: VersionRecord.unpack(raw) for key, raw in zip(keys, raws, strict=True) if raw is not None}


async def _removed(
    core: Core, arrival: Arrival, known: Mapping[bytes, VersionRecord], records: Mapping[bytes, VersionRecord]
) -> list[tuple[bytes, bytes]]:
    """Return notes of what comes removed: how it was removed here before, or that it was never here."""
    notes: dict[bytes, bytes] = {}
    for record in records.values():  # of an object the oldest first
        uuid = record.raw[:16]
        old = known.get(uuid)
        if old is not None and old.operation == REMOVED and _key(old) in records:
            notes[_note(arrival, uuid)] = old.pack()
        elif record.operation == REMOVED and (old is None or old.operation not in GONE):
            notes[_note(arrival, uuid)] = NOTHING
    found = await core.store.get(keys_of("meta", list(notes))) if notes else []
    return [row for row, raw in zip(notes.items(), found, strict=True) if raw is None]


def _set_aside(arrival: Arrival, record: VersionRecord, batch: Batch) -> None:
    entry = record.entry
    batch.put("meta", _note(arrival, entry.uuid), record.pack())
    batch.delete("versions", _key(record))
    if record.origin == child_path(record.directory, entry.name):  # it did not move: a mount point took its place
        batch.delete("links", link_key(record.parent, entry.name, entry.uuid, entry.version))


async def _commit(core: Core, arrival: Arrival, batch: Batch, logged: Sequence[bytes]) -> None:
    if logged:
        batch.append("log", BROUGHT + b"".join(logged))
    batch.expect("meta", arrival.key, arrival._replace(state=OPEN).pack())
    try:
        await core.store.commit(batch)
    except Conflict as error:
        raise Conflict("this move was given up", remedy="move it again") from error


def _note(arrival: Arrival, uuid: bytes) -> bytes:
    """The key of what is set aside of an object."""
    return REPLACED + arrival.id + uuid


def _key(record: VersionRecord) -> bytes:
    return version_key(record.raw[:16], record.entry.version)


# --- giving up
async def give_up(core: Core, id: bytes) -> PointerRow | None:
    """End an arrival, unless it was decided: then the pointer is answered. A second call does nothing."""
    try:
        arrival = await find_arrival(core, id)
    except Conflict:
        return None
    if arrival.state == OPEN:
        closing = arrival._replace(state=CLOSING)
        batch = Batch()
        batch.expect("meta", arrival.key, arrival.pack())
        batch.put("meta", arrival.key, closing.pack())
        try:
            await core.store.commit(batch)
        except Conflict:  # it was decided, or is given up by another call
            return await give_up(core, id)
        arrival = closing
    if arrival.state == CLOSING:
        fenced = FencedStore(core.store, ("meta", arrival.key), arrival.pack())
        try:
            await _take_away(replace(core, store=fenced), arrival)
            await end(core, arrival)
        except Conflict:  # another call has ended it, and the same may be arriving anew
            return await give_up(core, id)
    return arrival.pointer


async def end(core: Core, arrival: Arrival) -> None:
    """Forget an arrival, and what was set aside for it."""
    prefix = REPLACED + arrival.id
    while rows := await core.store.scan("meta", prefix, prefix_end(prefix), limit=PAGE_ROWS):
        most = max(core.store.capabilities.largest_batch, 1)
        await core.store.commit(Batch(deletes=keys_of("meta", [key for key, _ in rows[:most]])))
    await core.store.commit(Batch(deletes=[("meta", arrival.key)]))


async def _take_away(core: Core, arrival: Arrival) -> None:
    """Remove what has arrived, directories after what is in them. What was here already did not come."""
    top = await newest_record(core, arrival.uuid)
    if top is not None and top.operation != LEFT and await _was_here(core, top):
        return
    directories = [arrival.uuid]
    for directory in directories:  # grows
        async for uuid in _named_in(core, directory):
            record = await newest_record(core, uuid)
            if record is not None and is_directory(record.raw) and record.parent == directory:
                directories.append(uuid)
    for directory in reversed(directories):
        for uuid in [each async for each in _named_in(core, directory)]:
            await _take_one(core, arrival, uuid, directory)
        await _take_names(core, directory)
        await _drop_indexes(core, directory)
    await _take_one(core, arrival, arrival.uuid, b"")


async def _was_here(core: Core, top: VersionRecord) -> bool:
    """Tell whether this is not from the other filesystem: what comes is living, and in no directory yet."""
    (raw,) = await core.store.get([("entries", entry_key(top.parent, top.entry.name))])
    return top.operation in GONE or (raw is not None and raw[:16] == top.raw[:16])


async def _named_in(core: Core, directory: bytes) -> AsyncIterator[bytes]:
    start, end = directory, prefix_end(directory)
    while True:
        page = await core.store.scan("links", start, end, limit=PAGE_ROWS)
        for uuid in dict.fromkeys(key[-VERSION_KEY_SIZE:-8] for key, _ in page):
            yield uuid
        if len(page) < PAGE_ROWS:
            return
        start = page[-1][0] + b"\0"


async def _take_one(core: Core, arrival: Arrival, uuid: bytes, directory: bytes) -> None:
    """Remove an object's rows; where it had been here before, those since it left."""
    (held,) = await core.store.get([("meta", _note(arrival, uuid))])
    aside = VersionRecord.unpack(held) if held else None
    newest = await newest_record(core, uuid)
    if newest is None:
        return
    if held is None and (newest.operation in GONE or (directory and newest.parent != directory)):
        return  # nothing of it came
    batch = Batch()
    if newest.entry.refs:
        state = await load_state(core, newest.entry, newest.entry.name)
        batch.deletes += [("indexes", reference_key(target, uuid)) for target in references_in(state)]
    if directory and newest.operation not in GONE:
        batch.delete("entries", entry_key(newest.parent, newest.entry.name))
    since = 0 if aside is None else aside.entry.version + (aside.operation != LEFT)
    before: VersionRecord | None = None
    start = version_key(uuid, max(since - 1, 0))
    while page := await core.store.scan("versions", start, prefix_end(uuid), limit=PAGE_ROWS):
        for key, raw in page:
            record = VersionRecord.unpack(raw)
            if record.entry.version >= since:
                batch.deletes += [("versions", key), ("states", key)]
                for there in (record, before) if before is not None else (record,):
                    for parent in {there.parent, ELSEWHERE}:  # as the other filesystem calls what is not its own
                        place = link_key(parent, there.entry.name, uuid, record.entry.version)
                        batch.delete("links", place)
            before = record
            if len(batch) + 8 > core.store.capabilities.largest_batch:
                await core.store.commit(batch)
                batch = Batch()
        start = page[-1][0] + b"\0"
    if aside is not None and aside.operation == LEFT:
        batch.put("versions", _key(aside), aside.pack())
        if aside.origin:
            gone = link_key(aside.parent, aside.entry.name, uuid, aside.entry.version)
            batch.put("links", gone, link_value(False, aside.entry.date))
    await core.store.commit(batch)


async def _take_names(core: Core, directory: bytes) -> None:
    """Remove what tells of versions that are no more, and names that came before what they lead to."""
    start, end = directory, prefix_end(directory)
    most = max(min(PAGE_ROWS, core.store.capabilities.largest_batch // 2), 1)
    while page := await core.store.scan("links", start, end, limit=most):
        batch = Batch()
        raws = await get_entries(core.store, [key[:-25] for key, _ in page])
        for (key, _), raw in zip(page, raws, strict=True):
            uuid = key[-VERSION_KEY_SIZE:-8]
            newest = await newest_record(core, uuid)
            if newest is None or newest.entry.version < int.from_bytes(key[-8:], "big"):
                batch.delete("links", key)
            if raw is not None and raw[:16] == uuid and (newest is None or newest.operation in GONE):
                batch.delete("entries", key[:-25])
        await core.store.commit(batch)
        start = page[-1][0] + b"\0"


async def _drop_indexes(core: Core, directory: bytes) -> None:
    async def attempt() -> None:
        raw = await read_catalogue(core)
        gone = [each.id for each in parse(raw).definitions if each.directory == directory]
        if not gone:
            return
        batch = Batch()
        batch.expect(*CATALOGUE, raw)
        add_definitions(batch, parse(raw).remove(gone), gone)
        try:
            await core.store.commit(batch)
        except Conflict as error:
            raise Stale from error
        await read_catalogue(core)

    await retry("an index", attempt)
