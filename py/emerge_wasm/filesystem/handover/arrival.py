"""The side of a handover that takes: rows that nobody reads yet, then the one commit that puts the top into its place.

What has arrived lies below the uuid of the top, which is in no directory until then, so no path leads to it. Each
commit expects the row of the arrival, so one that was given up is never completed later, whoever asks late.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...context import Context
from ...errors import Conflict
from ...paths import child_path, join_path, split_path
from ...results import PointerRow
from ...store import Batch, prefix_end
from ..change import Change
from ..commit import Stale, commit, retry, until_thawed
from ..core import Core
from ..indexes.definitions import add_definitions, read_catalogue
from ..layout import access
from ..layout.ancestry import GONE, LEFT
from ..layout.arrival import ARRIVAL, OPEN, TAKEN, Arrival, read_arrivals
from ..layout.catalogue import CATALOGUE, parse
from ..layout.place import Above, Place
from ..layout.record import ROOT, Entry, VersionRecord, entry_key, link_key, link_value, version_key
from ..layout.touched import Touched
from ..tree.directory import walk_tree
from ..tree.find import find_place, name
from ..tree.links import newest_record
from ..tree.mount import open_directory
from ..tree.move import landing
from .part import ELSEWHERE, LAST, TOP


async def arrivals(core: Core) -> list[Arrival]:
    """Read what is under way."""
    return await read_arrivals(core.store)


async def find_arrival(core: Core, id: bytes) -> Arrival:
    """Read one.

    Raises:
        Conflict: it was given up.
    """
    raw = (await core.store.get([("meta", ARRIVAL + id)]))[0]
    if raw is None:
        raise Conflict("this move was given up", remedy="move it again")
    return Arrival.unpack(raw)


async def open_arrival(
    core: Core,
    context: Context,
    id: bytes,
    filesystem: str,
    uuid: bytes,
    source: str,
    target: str,
    *,
    stays: bool,
    since: str = "",
) -> str:
    """Begin to take something, which the caller may put at a path or into a directory; the path that it will have.

    What comes back waits until all is noted of how it went: what is noted later would be noted of what has come.

    Raises:
        Conflict: something is there.
        Unavailable: it is on its way from here still.
    """
    await until_thawed(core, uuid)
    names = await name(core, target)
    place = await (find_place(core, names) if stays else landing(core, source.rpartition("/")[2], names))
    if not stays:
        access.check_way(context, place)
        _check_vacant(place)
        access.check_inside(context, place)
    Change(dates=core.dates, context=context).make_directories(place)  # raises what it would raise
    arrival = Arrival(id, OPEN, uuid, filesystem, source, place.names, stays, since=since)
    batch = Batch()
    batch.expect("meta", arrival.key, None)
    batch.put("meta", arrival.key, arrival.pack())
    await core.store.commit(batch)
    return place.path


def _check_vacant(place: Place) -> None:
    if place.raw is not None:
        raise Conflict(f"{place.path} is there already", path=place.path, remedy="remove it, or choose another")


async def adopt(core: Core, id: bytes, new: bytes, filesystem: str, uuid: bytes, source: str) -> PointerRow:
    """Have another filesystem finish what was given: it may have it, too. `new` is its own name for it; the pointer.

    Raises:
        Conflict: nothing of this name was decided (b"": there is no name), or it is gone from here.
    """
    known = await find_arrival(core, id) if id else None
    record = await newest_record(core, uuid)
    if known is not None:
        pointer = known.pointer
    else:
        here = record is not None and record.operation not in GONE
        pointer = record.entry.wire(record.directory, core.node) if record is not None and here else None
    if pointer is None:
        raise Conflict("this was not moved here", remedy="see where it is")
    names = (*split_path(pointer["path"]), pointer["name"])
    adopted = Arrival(new, TAKEN, uuid, filesystem, source, names, False, pointer)
    batch = Batch(puts=[("meta", adopted.key, adopted.pack())])
    if known is not None:
        batch.expect("meta", known.key, known.pack())
        batch.delete("meta", known.key)
    await core.store.commit(batch)
    return pointer


async def define(core: Core, id: bytes, definitions: Sequence[tuple[bytes, tuple[str, ...], bool, bool]]) -> None:
    """Define indexes on directories that have arrived: (directory, fields, unique, text)."""

    async def attempt() -> None:
        raw = await read_catalogue(core)
        catalogue = parse(raw)
        known = {(each.directory, each.fields, each.text) for each in catalogue.definitions}
        for directory, fields, unique, text in definitions:
            if (directory, fields, text) not in known:
                catalogue = catalogue.add(directory, fields, unique, text)
        batch = Batch()
        batch.expect("meta", ARRIVAL + id, (await find_arrival(core, id)).pack())
        batch.expect(*CATALOGUE, raw or None)
        add_definitions(batch, catalogue, [])
        try:
            await core.store.commit(batch)
        except Conflict as error:
            raise Stale from error
        await read_catalogue(core)

    if definitions:
        await retry("an index", attempt)


async def attach(core: Core, context: Context, id: bytes) -> PointerRow:
    """Put what has arrived into its place: the decision. Once that is made, the same pointer is answered again.

    Raises:
        Conflict: something is there now, or a unique index has its values, or this was given up. Nothing is done then.
    """

    async def attempt() -> PointerRow:
        arrival = await find_arrival(core, id)
        if arrival.pointer is not None:
            return arrival.pointer
        if arrival.stays:
            await _make_room(core, context, join_path(*arrival.names))
        place = await find_place(core, arrival.names)
        record = await newest_record(core, arrival.uuid)
        assert record is not None
        change = Change(dates=core.dates, context=context)
        put = _put_back if arrival.stays else _put_new
        entry, place = await put(core, change, arrival, record, place)
        pointer = entry.wire(place.directory, core.node)
        change.expect("meta", arrival.key, arrival.pack())
        change.put("meta", arrival.key, arrival._replace(state=TAKEN, pointer=pointer).pack())
        change.put("meta", LAST + core.node.encode(), id)
        await commit(core, change)
        return pointer

    return await retry("/", attempt)


async def _put_new(
    core: Core, change: Change, arrival: Arrival, record: VersionRecord, place: Place
) -> tuple[Entry, Place]:
    """Put it there as one more version, as a move does."""
    _check_vacant(place)
    access.check_inside(change.context, place)
    parent = ROOT
    for step, raw in zip(place.names, place.raws, strict=False):  # no directory above the target may move meanwhile
        change.expect("entries", entry_key(parent, step), raw)
        parent = raw[:16]
    place = change.make_directories(place)
    entry = record.entry._replace(name=place.names[-1])
    entry = change.record(entry, place.parent, place.directory, "mv", origin=arrival.source)
    change.link(place.above, entry, None)
    left = link_key(record.parent, record.entry.name, entry.uuid, entry.version)
    change.put("links", left, link_value(False, entry.date))
    if entry.is_directory:  # indexes above it are built anew, as after a move into them
        raw = entry.pack()
        change.touched[entry.uuid] = Touched((raw, Above((ELSEWHERE,), place.catalogue)), (raw, place.above))
    return entry, place


async def has_room(core: Core, path: str) -> bool:
    """Tell whether nothing is at a path but mount points, which are left from others, and what they are in."""
    place = await find_place(core, await name(core, path))
    if place.entry is None or not place.entry.is_directory:
        return place.entry is None
    mounts = parse(await read_catalogue(core)).mounts
    closed = {*mounts, *(uuid for above in mounts.values() for uuid in above)}
    everything = Context(superuser=True)
    return not [child async for child, _ in walk_tree(core, everything, path) if child.uuid not in closed]


async def _make_room(core: Core, context: Context, path: str) -> None:
    """Remove the mount points at and below a path, and the directories that held them."""
    names = await name(core, path)
    for depth in range(1, len(names)):
        await open_directory(core, join_path(*names[:depth]))
    if not await has_room(core, path) or (await find_place(core, names)).raw is None:
        return
    below = [child_path(directory, child.name) async for child, directory in walk_tree(core, context, path)]
    for each in reversed(below):
        await open_directory(core, each)
        change = Change(dates=core.dates, context=context, brought=True)
        place = await find_place(core, await name(core, each))
        if place.entry is not None:
            _leave_empty(change, place, place.entry)
            await commit(core, change)
    await open_directory(core, path)


def _leave_empty(change: Change, place: Place, entry: Entry) -> None:
    change.expect_count("entries", entry.uuid, prefix_end(entry.uuid), 0)
    left = change.record(entry, place.parent, place.directory, LEFT, origin=place.path)
    change.unlink(place.above, entry.name, place.chain[-1], left)


async def _put_back(
    core: Core, change: Change, arrival: Arrival, record: VersionRecord, place: Place
) -> tuple[Entry, Place]:
    """Put it where it was in the other filesystem, as it was, in place of an empty directory."""
    rows = await core.store.scan("versions", arrival.uuid, prefix_end(arrival.uuid))
    history = [VersionRecord.unpack(raw) for _, raw in rows]
    change.brought = True
    change.date = arrival.since or history[0].entry.date  # what is made above it was there, for those who look back
    old = place.entry
    place = change.make_directories(place)
    key = entry_key(place.parent, place.names[-1])
    if old is None:
        change.expect("entries", key, None)
    else:
        _leave_empty(change, place, old)
    change.put("entries", key, record.raw)
    here = False
    for then in history:
        was, here = here, then.parent in (TOP, place.parent) and then.entry.name == place.names[-1]
        if then.parent == TOP:
            row = version_key(arrival.uuid, then.entry.version)
            change.put("versions", row, then._replace(parent=place.parent).pack())
        link = link_key(place.parent, place.names[-1], arrival.uuid, then.entry.version)
        if here != was:
            change.put("links", link, link_value(here, then.entry.date))
        else:
            change.delete("links", link)
    gone = link_key(place.parent, place.names[-1], arrival.uuid, record.entry.version + 1)
    change.delete("links", gone)  # that of when it left here
    entry = record.entry
    change.touched[entry.uuid] = Touched((record.raw, Above((ELSEWHERE,), place.catalogue)), (record.raw, place.above))
    return entry, place
