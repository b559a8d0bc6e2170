"""Export a tree as the records of an archive, and load them into this or another filesystem.

A record is a map: {"path" (relative to what was exported), "uuid" (hex), "bundles" (hashes its states need),
"versions": [{"version", "name", "type", "class_name", "bundle", "perms", "owner", "group", "revision", "date", "keep",
"author", "operation", "parent_revision", "content", "state"}…]}, oldest first. `state` is None for a directory, and
where a version only moved the object: `content` is then that of a version before it in the record. An object whose
versions are too large for one record goes on in the next one with the same path. Directories come before what is in
them; `/` itself is among them once its permissions or the like were changed.

The state of a file in blocks names their map. Whoever exports reads the blocks beside (`getblocks`); whoever loads
sends them before (`putblocks`, for the file's path), in the `upload` that the call names.

The records of one call are loaded in one commit. Existing directories stay as they are; an existing object raises
Conflict.
A caller who is no superuser becomes owner and author of what they load; its dates stay, as with tar.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from ...codec import bundles_in, references_in
from ...context import Context
from ...errors import Conflict, Invalid
from ...operations import Values, Wire
from ...paths import child_path, join_path
from ...store import prefix_end
from ..change import Change
from ..commit import commit, retry
from ..core import Core
from ..files.upload import keep_sent
from ..layout import access
from ..layout.ancestry import LEFT
from ..layout.locality import fresh_uuid
from ..layout.place import ROOT_KEY, ROOT_RAW, PathNames, Place
from ..layout.record import ROOT, Entry, VersionRecord, is_apart, link_key, link_value, size_of, version_key
from ..objects.write import check_bundles
from ..tree.directory import walk_tree
from ..tree.find import REMOVED, find, find_place, may_see, name
from ..tree.links import newest_record
from ..tree.load import PAGE_BYTES, load_state
from .archive_record import OF_ENTRY, OF_VERSION, ArchiveRecord, read_record

VERSIONS_AT_ONCE = 50
"""Versions of an object that are read at a time, with small states in them."""


async def export(core: Core, context: Context, path: str, versions: bool) -> AsyncIterator[Wire]:
    found = await find(core, context, path, "r")
    top = found.path
    if not found.entry.is_directory:
        async for record in _records(core, found.entry, "/" + found.entry.name, versions):
            yield record
        return
    if found.entry.version:
        async for record in _records(core, found.entry, "/", versions):
            yield record
    async for child, directory in walk_tree(core, context, top):
        relative = child_path(directory, child.name)[len(top.rstrip("/")) :]
        async for record in _records(core, child, relative, versions):
            yield record


async def _records(core: Core, entry: Entry, path: str, versions: bool) -> AsyncIterator[Wire]:
    """Yield the records of one object: each has all the states of its versions, and none ends with a removal."""
    rows: list[Wire] = []
    held: set[int] = set()  # contents whose states are in this record
    size = 0
    async for version in _versions(core, entry, versions):
        then = version.entry
        state = None if then.is_directory or then.content in held else await load_state(core, then, path)
        if rows and size + len(state or b"") > PAGE_BYTES and _may_end(rows[-1], then):
            yield _record(entry, path, rows)
            rows, held, size = [], set(), 0
            state = state if state is not None or then.is_directory else await load_state(core, then, path)
        rows.append(_row(version, state))
        held.add(then.content)
        size += len(state or b"")
    yield _record(entry, path, rows)


async def _versions(core: Core, entry: Entry, versions: bool) -> AsyncIterator[VersionRecord]:
    """Yield every version of an object that is kept, or the newest only."""
    start = version_key(entry.uuid, 0 if versions else entry.version)
    while True:
        page = await core.store.scan("versions", start, prefix_end(entry.uuid), limit=VERSIONS_AT_ONCE)
        for _, raw in page:
            yield VersionRecord.unpack(raw)
        if len(page) < VERSIONS_AT_ONCE:
            return
        start = page[-1][0] + b"\0"


def _may_end(row: Wire, after: Entry) -> bool:
    """Whether a record may end with this row, and another go on with the version `after`."""
    return bool(row["operation"] != REMOVED and row["version"] + 1 == after.version)


def _row(version: VersionRecord, state: bytes | None) -> Wire:
    then = version.entry
    row: Wire = {key: getattr(then, key) for key in OF_ENTRY}
    row |= {key: getattr(version, key) for key in OF_VERSION}
    return {**row, "content": then.content, "state": state}


def _record(entry: Entry, path: str, rows: list[Wire]) -> Wire:
    bundles = {row["bundle"] for row in rows}.union(*(bundles_in(row["state"] or b"") for row in rows)) - {""}
    return {"path": path, "uuid": entry.uuid.hex(), "bundles": sorted(bundles), "versions": rows}


async def load(
    core: Core, context: Context, path: str, records: Values, bundles: dict[str, bytes] | None, upload: str
) -> int:
    target = await name(core, path)
    parsed: dict[PathNames, ArchiveRecord] = {}
    for each in records:
        record = _below(target, read_record(each))
        parsed[record.names] = parsed[record.names].joined(record) if record.names in parsed else record
    hashes = {hash for record in parsed.values() for hash in record.bundles}
    puts = await check_bundles(core, hashes, bundles or {}, "these objects")
    for record in parsed.values():
        if record.trees:
            await keep_sent(core, context, join_path(*record.names), record.trees, upload)

    async def attempt() -> int:
        loading = _Loading(core, context, Change(puts=list(puts), dates=core.dates, context=context))
        for record in parsed.values():
            await loading.add(record)
        await commit(core, loading.change)
        return len(parsed) - (() in parsed)

    return await retry(path, attempt)


def _below(target: PathNames, record: ArchiveRecord) -> ArchiveRecord:
    """Place a record below the target. A root loaded into a directory becomes a new directory, without its history."""
    if record.uuid == ROOT and target:
        newest = {**record.newest, "version": 1, "content": 0, "parent_revision": ""}
        record = replace(record, uuid=fresh_uuid(), versions=[newest])
    return replace(record, names=(*target, *record.names))


@dataclass(slots=True)
class _Loading:
    """The change of one commit, to which records are added."""

    core: Core
    context: Context
    change: Change
    made: dict[PathNames, Place] = field(default_factory=dict)  # what is in the change already
    uuids: set[bytes] = field(default_factory=set)

    async def add(self, record: ArchiveRecord) -> None:
        if not record.names:
            return await self._add_root(record)
        place = await self._find(record)
        before = place.entry
        if before is None:
            await self._add_new(record, place)
        elif not (record.is_directory and before.is_directory):
            await self._add_more(record, place, before)

    async def _find(self, record: ArchiveRecord) -> Place:
        """Resolve the path of a record, including the directories that this change makes."""
        names = record.names
        way = [self.made[names[:depth]] for depth in range(1, len(names)) if names[:depth] in self.made]
        wrong = any(place.entry is None or not place.entry.is_directory for place in way)
        if wrong or names in self.change.directories:
            raise Invalid(f"{join_path(*names)} is in the wrong place in this archive", path=join_path(*names))
        above = self.made.get(names[:-1])
        return (
            await find_place(self.core, names) if above is None else replace(above, names=names, raws=list(above.raws))
        )

    async def _add_root(self, record: ArchiveRecord) -> None:
        """Load the entry of `/`, if it was never changed here and the caller owns it."""
        root = (await find_place(self.core, ())).root
        if record.uuid == ROOT and root == ROOT_RAW and access.owns(self.context, root):
            entry = self._put_versions(record, "", ROOT, "/")
            self.change.expect("entries", ROOT_KEY, None)
            self.change.put("entries", ROOT_KEY, entry.pack())

    async def _add_new(self, record: ArchiveRecord, place: Place) -> None:
        """Load an absent object: its versions as they were, or, where it was removed, its newest as one more."""
        change = self.change
        if record.names[:-1] not in self.made:
            access.check_inside(self.context, place)
        known = await self._known(record, place)
        place = change.make_directories(place)
        first = record.versions[0]
        if known is not None:
            then = known.entry
            entry = self._entry(record.uuid, record.names[-1], record.newest)
            entry = entry._replace(version=then.version, revision=then.revision, date=then.date, content=then.content)
            entry = change.record(entry, place.parent, place.directory, "load", state=record.state)
            change.link(place.above, entry, None)
        else:
            entry = self._put_versions(record, record.names[-1], place.parent, place.directory)
            change.expect("entries", place.key, None)
            change.put("entries", place.key, entry.pack())
            since = link_key(place.parent, entry.name, entry.uuid, first["version"])
            change.put("links", since, link_value(True, first["date"]))
            change.touch(place.above, None, entry.pack())
        self._made(place, entry)

    async def _known(self, record: ArchiveRecord, place: Place) -> VersionRecord | None:
        """Return the removal of an object that was here, None if it never was.

        Raises:
            Conflict: it is here, or was and is not the caller's.
        """
        known = await newest_record(self.core, record.uuid)
        if record.uuid in self.uuids:
            raise Conflict(f"{place.path} is twice in this archive", path=place.path)
        if known is None or (known.operation == REMOVED and access.owns(self.context, known.raw)):
            return known
        if known.operation == LEFT:
            where = f", as {known.origin}" if known.origin else ""
            raise Conflict(
                f"{place.path} is on another node{where}, or was removed there: it went there from here",
                path=place.path,
                remedy="copy it there; what was removed there comes back when you load it there, and can be moved",
            )
        where = f"as {child_path(known.directory, known.entry.name)}"
        seen = known.operation != REMOVED and await may_see(self.core, self.context, known)
        raise Conflict(
            f"{place.path} is here already, {where if seen else 'or was, and is not yours'}",
            path=place.path,
            remedy="copy it there (cp), or load into another filesystem",
        )

    async def _add_more(self, record: ArchiveRecord, place: Place, before: Entry) -> None:
        """Load the versions that follow those of the records before this one."""
        first = record.versions[0]
        fits = before.uuid == record.uuid and not (before.is_directory or record.is_directory)
        if not fits or (first["version"], first["parent_revision"]) != (before.version + 1, before.revision):
            raise Conflict(f"{place.path} is there already", path=place.path, remedy="load it into another directory")
        access.check_owner(self.context, place, "versions")
        entry = self._put_versions(record, before.name, place.parent, place.directory)
        self.change.link(place.above, entry, place.raw)

    def _made(self, place: Place, entry: Entry) -> None:
        raws = [*place.raws[: len(place.names) - 1], entry.pack()]
        self.made[place.names] = replace(place, raws=raws)
        self.uuids.add(entry.uuid)
        if entry.is_directory:
            self.change.directories[place.names] = raws[-1]

    def _entry(self, uuid: bytes, name: str, row: Wire) -> Entry:
        """Make the entry of a row; its owner is the caller, unless that is a superuser."""
        values = {key: row[key] for key in OF_ENTRY} | {"name": name, "perms": access.changed_perms("", row["perms"])}
        if not self.context.superuser:
            values |= {"owner": self.context.maker, "group": ""}
        return Entry(uuid=uuid, size=len(row["state"] or b""), content=row["content"], **values)

    def _put_versions(self, record: ArchiveRecord, name: str, parent: bytes, directory: str) -> Entry:
        """Add all versions of a record; return the entry of the newest."""
        change, held = self.change, dict[int, tuple[int, int, int]]()  # content there -> (content here, size, refs)
        for row in record.versions:
            state, key = row["state"], version_key(record.uuid, row["version"])
            if state is not None:
                held[row["content"]] = row["version"], size_of(row["type"], state), len(references_in(state))
                change.states[key] = state
            content, size, refs = held.get(row["content"], (0, 0, 0))
            entry = self._entry(record.uuid, name, row)._replace(content=content, size=size, refs=refs)
            inline = None if state is None or is_apart(state) else state
            if state is not None and inline is None:
                change.put("states", key, state)
            author = row["author"] if self.context.superuser else self.context.principal
            version = VersionRecord(
                entry.pack(), parent, directory, author, row["operation"], row["parent_revision"], "", inline
            )
            change.expect("versions", key, None)
            change.put("versions", key, version.pack())
            change.log.append(key)
        return entry
