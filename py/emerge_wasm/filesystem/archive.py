"""A tree as records that make it again, here or in another filesystem: `export` streams them, `load` takes them back.

A record is a map: {"path" (relative to what was exported), "uuid" (hex), "bundles" (hashes its states need),
"versions": [{"version", "name", "type", "class_name", "bundle", "perms", "owner", "group", "revision", "date", "keep",
"author", "operation", "parent_revision", "content", "state"}…]}, oldest first. `state` is None for a directory, and
where a version only moved the object: `content` names the version that has it. An object whose versions are too large
for one record goes on in the next one with the same path. Directories come before what is in them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ..codec import bundles_in
from ..context import Context
from ..errors import Conflict, EmergeError, Invalid
from ..operations import Values, Wire
from ..paths import child_path, join_path, split_path
from ..store import prefix_end
from . import access
from .core import Change, Core, retry
from .directory import walk_tree
from .find import REMOVED, find, name
from .links import newest_record
from .place import Place
from .read import PAGE_BYTES, load_state
from .record import INLINE_LIMIT, Entry, VersionRecord, link_key, link_value, version_key
from .reference import refer
from .write import check_bundles

PAGE = 50
_OF_ENTRY = ("version", "name", "type", "class_name", "bundle", "perms", "owner", "group", "revision", "date", "keep")
_OF_RECORD = ("author", "operation", "parent_revision")
_TEXT = {*_OF_ENTRY, *_OF_RECORD} - {"version"}


async def export(core: Core, context: Context, path: str, versions: bool) -> AsyncIterator[Wire]:
    found = await find(core, context, path, "r")
    top = found.path
    if not found.entry.is_directory:
        async for record in _records(core, found.entry, "/" + found.entry.name, versions):
            yield record
        return
    if found.place.names:
        async for record in _records(core, found.entry, "/", versions):
            yield record
    async for child, directory in walk_tree(core, context, top):
        relative = child_path(directory, child.name)[len(top.rstrip("/")) :]
        async for record in _records(core, child, relative, versions):
            yield record


async def _records(core: Core, entry: Entry, path: str, versions: bool) -> AsyncIterator[Wire]:
    rows: list[Wire] = []
    bundles: set[str] = set()
    size = 0
    async for row, state in _versions(core, entry, path, versions):
        if rows and size + len(state) > PAGE_BYTES:
            yield {"path": path, "uuid": entry.uuid.hex(), "bundles": sorted(bundles), "versions": rows}
            rows, bundles, size = [], set(), 0
        rows.append(row)
        size += len(state)
        bundles |= bundles_in(state) | ({row["bundle"]} if row["bundle"] else set())
    yield {"path": path, "uuid": entry.uuid.hex(), "bundles": sorted(bundles), "versions": rows}


async def _versions(core: Core, entry: Entry, path: str, versions: bool) -> AsyncIterator[tuple[Wire, bytes]]:
    """(the row, its state) of every version of an object, or of the newest only, which then has its state."""
    start = version_key(entry.uuid, 0 if versions else entry.version)
    seen: set[int] = set()
    while True:
        page = await core.store.scan("versions", start, prefix_end(entry.uuid), limit=PAGE)
        for _, raw in page:
            record = VersionRecord.unpack(raw)
            then = record.entry
            state = b""
            if not then.is_directory and then.content not in seen and record.operation != REMOVED:
                state = await load_state(core, then, path)
                seen.add(then.content)
            row: Wire = {key: getattr(then, key) for key in _OF_ENTRY}
            row |= {key: getattr(record, key) for key in _OF_RECORD}
            yield {**row, "content": then.content, "state": state or None}, state
        if len(page) < PAGE:
            return
        start = page[-1][0] + b"\0"


async def load(core: Core, context: Context, path: str, records: Values, bundles: dict[str, bytes] | None) -> int:
    target = await name(core, path)
    parsed = [_parse(record) for record in records]
    hashes = {hash for record in parsed for hash in record.bundles}
    puts = await check_bundles(core, hashes, bundles or {}, "these objects")

    async def attempt() -> int:
        change = Change(puts=list(puts))
        made: dict[tuple[str, ...], Entry] = {}
        for record in parsed:
            names = (*target, *record.names)
            if names:
                await _load_one(core, context, change, names, record, made)
        await core.commit(change)
        return len(made)

    return await retry(path, attempt)


@dataclass(frozen=True, slots=True)
class _Record:
    names: tuple[str, ...]
    uuid: bytes
    bundles: list[str]
    versions: list[Wire]


def _parse(record: Any) -> _Record:
    """A checked record; Invalid, naming its path, for anything else."""
    path = record.get("path") if isinstance(record, dict) else None
    try:
        names = split_path(path)
        uuid = bytes.fromhex(record["uuid"])
        bundles, versions = list(record["bundles"]), list(record["versions"])
        numbers = [row["version"] for row in versions]
        fits = len(uuid) == 16 and versions and all(type(hash) is str for hash in bundles)
        fits = (
            fits and all(type(number) is int and number > 0 for number in numbers) and numbers == sorted(set(numbers))
        )
        for row in versions:
            fits = fits and all(type(row[key]) is str for key in _TEXT) and type(row["content"]) is int
            fits = fits and (row["state"] is None or type(row["state"]) is bytes)
            access.mode_of(row["perms"])
            link_value(True, row["date"])
        if not fits:
            raise ValueError
    except (EmergeError, ValueError, TypeError, LookupError) as error:
        said = f": {error}" if str(error) else ""
        raise Invalid(f"the record of {str(path)[:200]!r} in this archive is malformed{said}", path=path) from None
    return _Record(names, uuid, bundles, versions)


async def _load_one(
    core: Core, context: Context, change: Change, names: tuple[str, ...], record: _Record, made: dict[Any, Entry]
) -> None:
    """Add one object to a change: its versions as they were, or, where it was removed, its newest as one more."""
    place = await _place(core, names, made)
    path = join_path(*names)
    before = made.get(names) or place.entry
    directory = record.versions[-1]["type"] == "directory"
    if before is not None:
        if directory and before.is_directory:
            made.setdefault(names, before)
            return
        if before.uuid != record.uuid or record.versions[0]["version"] != before.version + 1:
            raise Conflict(f"{path} is there already", path=path, remedy="load it into another directory")
    elif names[:-1] not in made:
        access.check_inside(context, place)
        place = core.make_directories(change, place, context)
    parent = made[names[:-1]].uuid if names[:-1] in made else place.parent
    known = None if before is not None else await newest_record(core, record.uuid)
    if known is not None and known.operation != REMOVED:
        raise Conflict(
            f"{path} is here already, as {child_path(known.directory, known.entry.name)}",
            path=path,
            remedy="copy it there (cp), or load into another filesystem",
        )
    newest = record.versions[-1]
    state = next((row["state"] for row in reversed(record.versions) if row["state"] is not None), None)
    entry = _entry(context, record.uuid, names[-1], newest)
    if known is not None:
        entry = entry._replace(version=known.entry.version, revision=known.entry.revision, date=known.entry.date)
        entry = await refer(core, change, entry._replace(refs=0), state) if state is not None else entry
        entry = core.record(change, entry, parent, join_path(*names[:-1]), "load", context, state=state)
    else:
        if state is not None:
            entry = await refer(core, change, before or entry._replace(refs=0), state)
            entry = _entry(context, record.uuid, names[-1], newest)._replace(refs=entry.refs)
        entry = _put_versions(change, context, entry, parent, join_path(*names[:-1]), record.versions)
    if before is None:
        core.link(change, parent, entry, None)
        if known is None:  # it has been here since its first version
            first = record.versions[0]
            _relink(change, parent, entry, first["version"], first["date"])
    else:
        change.puts = [put for put in change.puts if put[:2] != ("entries", place.key)]
        change.put("entries", place.key, entry.pack())
    made[names] = entry


async def _place(core: Core, names: tuple[str, ...], made: dict[Any, Entry]) -> Place:
    if names[:-1] in made:  # made in this very commit
        return Place(names, [made[names[:depth]].pack() for depth in range(1, len(names)) if names[:depth] in made])
    return await core.find(names)


def _entry(context: Context, uuid: bytes, name: str, row: Wire) -> Entry:
    """The entry that a row tells of; its owner is whoever loads it, unless that is a superuser."""
    values = {key: row[key] for key in _OF_ENTRY} | {"name": name}
    if not context.superuser:
        values |= {"owner": context.principal, "group": ""}
    return Entry(uuid=uuid, size=len(row["state"] or b""), content=row["content"], **values)


def _put_versions(
    change: Change, context: Context, newest: Entry, parent: bytes, directory: str, rows: list[Wire]
) -> Entry:
    sizes: dict[int, int] = {}
    entry = newest
    for row in rows:
        state, key = row["state"], version_key(newest.uuid, row["version"])
        content = row["version"] if state is not None else row["content"]
        sizes[content] = len(state) if state is not None else sizes.get(content, 0)
        entry = _entry(context, newest.uuid, newest.name, row)._replace(
            content=content, size=sizes[content], refs=newest.refs
        )
        inline = state if state is not None and len(state) <= INLINE_LIMIT else None
        if state is not None and inline is None:
            change.put("states", key, state)
        version = VersionRecord(
            entry.pack(),
            parent,
            directory,
            row["author"] if context.superuser else context.principal,
            row["operation"],
            row["parent_revision"],
            "",
            inline,
        )
        change.put("versions", key, version.pack())
        change.log.append(key)
    return entry


def _relink(change: Change, parent: bytes, entry: Entry, version: int, date: str) -> None:
    late = link_key(parent, entry.name, entry.uuid, entry.version)
    change.puts = [put for put in change.puts if put[:2] != ("links", late)]
    change.put("links", link_key(parent, entry.name, entry.uuid, version), link_value(True, date))
