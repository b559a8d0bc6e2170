"""Compare two versions (diff), and make an older one the newest (restore)."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from ...codec import decode, encode, references_in
from ...context import Context
from ...errors import Conflict, Invalid, NotFound
from ...paths import child_path
from ...results import FieldDifference, PointerRow, VersionDiff
from ...store import prefix_end
from ..change import Change
from ..commit import commit, is_full, retry
from ..core import Core
from ..layout import access
from ..layout.ancestry import is_purged
from ..layout.locality import PAGE_ROWS
from ..layout.moment import read_moment
from ..layout.place import Above, PathNames, Place
from ..layout.record import ROOT, Entry, VersionRecord, entry_key, version_key
from ..objects.write import Write, change_objects
from ..time_slice import TimeSlice
from ..tree.find import REMOVED, find, find_place, find_version, name
from ..tree.links import newest_record
from ..tree.load import load_state


async def diff(core: Core, context: Context, path: str, before: int, after: int) -> VersionDiff:
    found = [await find(core, context, path, "r", version) for version in (before, after)]
    states: list[dict[str, object]] = [decode(await load_state(core, each.entry, each.path)) for each in found]
    old, new = states
    rows: list[FieldDifference] = []
    for field in {**old, **new}:
        if field in old and field in new and encode(old[field]) == encode(new[field]):
            continue
        row: FieldDifference = {"field": field}
        if field in old:
            row["before"] = old[field]
        if field in new:
            row["after"] = new[field]
        rows.append(row)
    pointers = [each.entry.wire(each.directory, core.node) for each in found]
    return {"before": pointers[0], "after": pointers[1], "fields": rows}


async def restore(core: Core, context: Context, path: str, version: int, as_of: str) -> PointerRow:
    moment = read_moment(as_of)
    if version and moment:
        raise Invalid("restore takes a version or a moment, not both", path=path)
    names = await name(core, path, moment if path.startswith("/registry/") else "")
    place = await find_place(core, names)
    if place.entry is None:
        return await retry(path, lambda: _bring_back(core, context, names, version, moment))
    access.check_way(context, place)
    if not (version or moment):
        raise Invalid(f"{path} is there", path=path, remedy="say which version, or a moment")
    found = await find(core, context, path, "r", version, as_of)
    if found.entry.uuid != place.entry.uuid:
        raise Conflict(f"another object is at {path} than at {as_of}", path=path, remedy="move it away first")
    state = await load_state(core, found.entry, path)

    def edit(entry: Entry, old: bytes | None) -> tuple[Entry, bytes]:
        old_class = found.entry
        return entry._replace(class_name=old_class.class_name, bundle=old_class.bundle, type=old_class.type), state

    write = Write(names, edit, 0, state, uuid=place.entry.uuid)
    return (await change_objects(core, context, [write], "restore"))[0]


async def _bring_back(core: Core, context: Context, names: PathNames, version: int, moment: str) -> PointerRow:
    """Restore what was last at a path (or was at a moment), all that was removed with it, and the removed
    directories above it.
    """
    place = await find_place(core, names)
    if place.raw is not None:
        raise Conflict(f"{place.path} is there again", path=place.path)
    access.check_inside(context, place)
    *above, gone = await _find_gone(core, context, place, moment)
    if version and not gone.entry.is_directory:
        entry = (await find_version(core, place, gone.entry, version)).entry
        older = {key: getattr(entry, key) for key in ("type", "class_name", "bundle", "size", "content")}
        gone = gone._replace(raw=gone.entry._replace(**older).pack())
    change = Change(dates=core.dates, context=context)
    place = change.make_directories(replace(place, names=names[: len(place.raws) + 1]))
    at, directory = place.above, place.directory
    for record in above:
        entry = await _link_again(core, context, change, record, at, directory)
        at, directory = at.inside(entry.uuid), child_path(directory, entry.name)
    pointer: PointerRow | None = None
    pending, time_slice = deque([(gone, at, directory)]), TimeSlice()
    since = await _last_removed(core, gone.entry) if gone.entry.is_directory else ""
    while pending:  # parents first, in as many commits as the store's largest batch requires
        await time_slice.share()
        if await is_full(core, change, core.store.capabilities.largest_batch):
            await commit(core, change)
            change = Change(dates=core.dates, context=context)
        record, at, directory = pending.popleft()
        entry = await _link_again(core, context, change, record, at, directory)
        pointer = pointer or entry.wire(directory, core.node)
        if entry.is_directory:
            inside = child_path(directory, entry.name)
            pending += [
                (child, at.inside(entry.uuid), inside)
                for child in await _left_with(core, entry.uuid, gone.origin, since)
            ]
    await commit(core, change)
    assert pointer is not None
    return pointer


async def _link_again(
    core: Core, context: Context, change: Change, gone: VersionRecord, above: Above, directory: str
) -> Entry:
    entry = gone.entry
    if not entry.is_directory:
        entry = entry._replace(refs=len(references_in(await load_state(core, entry, entry.name))))
    change.expect("versions", version_key(entry.uuid, entry.version + 1), None)  # it is not purged meanwhile
    entry = change.record(entry, above.parent, directory, "restore")
    change.link(above, entry, None)
    return entry


async def _find_gone(core: Core, context: Context, place: Place, moment: str) -> list[VersionRecord]:
    """Return the removals of a path's missing names, top first.

    Raises:
        NotFound: a name was moved rather than removed, or the caller may not see it.
    """
    there = len(place.raws)
    parent = place.raws[-1][:16] if there else ROOT
    found: list[VersionRecord] = []
    for number, missing in enumerate(place.names[there:], there + 1):
        gone = await _last_there(core, parent, missing, moment)
        if gone is None or not access.may(context, gone.raw, "r"):
            raise NotFound(
                f"nothing was removed from {place.path}", path=place.path, remedy="/registry lists what was, and where"
            )
        if number < len(place.names):
            access.check_inside(context, Place(place.names, [*place.raws, *(each.raw for each in found), gone.raw]))
        found.append(gone)
        parent = gone.raw[:16]
    return found


async def _last_there(core: Core, parent: bytes, name: str, moment: str) -> VersionRecord | None:
    """Return the removal of the last entry of that name, or of the one at a moment; None when it was moved."""
    start = entry_key(parent, name) + b"\0"
    rows = await core.store.scan("links", start, prefix_end(start))
    last: dict[bytes, VersionRecord] = {}
    for uuid in dict.fromkeys(key[-24:-8] for key, _ in rows):
        record = await newest_record(core, uuid)
        if record is not None and record.operation == REMOVED and record.parent == parent and not is_purged(record):
            last[uuid] = record
    found = [record for record in last.values() if not moment or record.entry.date > moment]
    return (min if moment else max)(found, key=lambda record: record.entry.date, default=None)


async def _last_removed(core: Core, gone: Entry) -> str:
    """Return the date at which something that is removed was removed the time before; "" when it never was."""
    before = version_key(gone.uuid, gone.version)
    while rows := await core.store.scan("versions", gone.uuid, before, limit=PAGE_ROWS, reverse=True):
        for _, raw in rows:
            record = VersionRecord.unpack(raw)
            if record.operation == REMOVED:
                return record.entry.date
        before = rows[-1][0]
    return ""


async def _left_with(core: Core, parent: bytes, top: str, since: str) -> list[VersionRecord]:
    """Return the removals of a directory's entries that were removed with the tree at the path `top` after a date.

    Of several of one name, it is the last: a removal that broke off has left the others.
    """
    found: dict[str, VersionRecord] = {}
    start, end = parent, prefix_end(parent)
    time_slice = TimeSlice()
    while True:
        rows = await core.store.scan("links", start, end, limit=PAGE_ROWS)
        for key, value in rows:
            await time_slice.share()
            if value[:1] == b"-" and (raw := (await core.store.get([("versions", key[-24:])]))[0]) is not None:
                record = VersionRecord.unpack(raw)
                entry = record.entry
                if record.operation != REMOVED or record.origin != top or entry.date <= since:
                    continue
                other = found.get(entry.name)
                if (other is None or other.entry.date < entry.date) and await newest_record(core, entry.uuid) == record:
                    found[entry.name] = record
        if len(rows) < PAGE_ROWS:
            return list(found.values())
        start = rows[-1][0] + b"\0"
