"""Reading objects: get, getobject, cat, and the versions of one object."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from ..codec import Record, decode
from ..errors import Invalid, NotFound
from ..operations import Context, Rows, Wire
from ..paths import child_path, join_path, split_path
from ..store import keys_of
from .core import Core, Names, children, not_found
from .locality import get_versions
from .record import Entry, VersionRecord, version_key

PAGE_LIMIT = 10_000
PAGE_BYTES = 4 << 20
"""Bytes of states at which a page of objects ends, so that it fits into any transport's message."""


def check_limit(limit: int) -> int:
    if not 1 <= limit <= PAGE_LIMIT:
        raise Invalid(f"a limit of {limit} is not between 1 and {PAGE_LIMIT}", remedy="ask page by page")
    return limit


async def find_version(core: Core, names: Names, version: int) -> tuple[Entry, str]:
    """The entry at a path, as of a version (0: now), and the path of its directory then."""
    directory = join_path(*names[:-1])
    entry = await core.need(names)
    if version in (0, entry.version):
        return entry, directory
    path = join_path(*names)
    raw = None
    if 0 < version < entry.version:
        raw = (await core.store.get([("versions", version_key(entry.uuid, version))]))[0]
    if raw is None:
        raise NotFound(f"{path} has no version {version}", path=path, remedy=f"it is at version {entry.version}")
    record = VersionRecord.unpack(raw)
    return record.entry, record.directory


async def load_state(core: Core, entry: Entry, path: str) -> bytes:
    """The encoded state of an entry; Invalid for a directory, which has none."""
    if entry.is_directory:
        raise Invalid(f"{path} is a directory and has no state", path=path, remedy="list it, or name an object in it")
    key = version_key(entry.uuid, entry.content)
    raw = (await core.store.get([("versions", key)]))[0]
    state = VersionRecord.unpack(raw).state if raw is not None else None
    if state is None:
        state = (await core.store.get([("states", key)]))[0]
    if state is None:
        raise NotFound(f"the state of {path} at version {entry.version} is gone from the store", path=path)
    return state


async def get(core: Core, context: Context, path: str, version: int) -> Wire:
    entry, directory = await find_version(core, split_path(path), version)
    return entry.wire(directory, core.node)


async def getobject(core: Core, context: Context, path: str, version: int) -> Wire:
    entry, directory = await find_version(core, split_path(path), version)
    return {"pointer": entry.wire(directory, core.node), "state": await load_state(core, entry, path)}


async def objects(core: Core, context: Context, path: str, cursor: str, limit: int) -> Wire:
    names = split_path(path)
    parent = await core.need_directory(names)
    listed = await children(core, parent.uuid, cursor, check_limit(limit))
    found = _fitting(listed)
    directory = join_path(*names)
    files = [entry for entry in found if not entry.is_directory]
    keys = [version_key(entry.uuid, entry.content) for entry in files]
    raws = await get_versions(core.store, keys)
    states = [VersionRecord.unpack(raw).state if raw is not None else None for raw in raws]
    rows = [
        {
            "pointer": entry.wire(directory, core.node),
            "state": state if state is not None else await load_state(core, entry, child_path(directory, entry.name)),
        }
        for entry, state in zip(files, states, strict=True)
    ]
    more = len(found) < len(listed) or len(listed) == limit
    return {"objects": rows, "cursor": found[-1].name if more else ""}


def _fitting(entries: list[Entry]) -> list[Entry]:
    """The first of these whose states fit into a page; one at least."""
    sizes = accumulate(entry.size for entry in entries)
    return [entry for entry, size in zip(entries, sizes, strict=True) if size <= PAGE_BYTES] or entries[:1]


async def cat(core: Core, context: Context, path: str, version: int) -> Any:
    """The state at `path`; when nothing is there, the longest prefix before a dot that exists, and a property of it."""
    names = split_path(path)
    for name, properties in _readings(names):
        place = await core.find(name)
        if place.raw is not None:
            entry, directory = await find_version(core, name, version)
            value: Any = decode(await load_state(core, entry, place.path))
            if not properties:
                return value
            return _reach({**entry.wire(directory, core.node), **value}, properties, place.path)
    if not names:
        await load_state(core, await core.need(names), path)
    raise not_found(path)


def _readings(names: Names) -> list[tuple[Names, list[str]]]:
    """Every way to read a path as object and properties, the longest object name first: names may hold dots."""
    if not names:
        return []
    parts = names[-1].split(".")
    cuts = range(len(parts), 0, -1)
    readings = [((*names[:-1], ".".join(parts[:cut])), parts[cut:]) for cut in cuts]
    return [(name, properties) for name, properties in readings if name[-1] and all(properties)]


def _reach(value: Any, properties: list[str], path: str) -> Any:
    for number, name in enumerate(properties):
        fields = value.fields if isinstance(value, Record) else value
        try:
            value = fields[int(name)] if isinstance(fields, (list, tuple)) else fields[name]
        except (LookupError, TypeError, ValueError):
            known = list(fields) if isinstance(fields, dict) else range(len(fields)) if isinstance(fields, list) else []
            raise NotFound(
                f"{'.'.join([path, *properties[:number]])} has no {name!r}",
                path=path,
                remedy=f"it has: {', '.join(map(str, known))}" if known else None,
            ) from None
    return value


async def versions(core: Core, context: Context, path: str, before: int, limit: int) -> Rows:
    entry = await core.need(split_path(path))
    newest = min(before - 1, entry.version) if before > 0 else entry.version
    wanted = range(newest, max(newest - check_limit(limit), 0), -1)
    raws = await core.store.get(keys_of("versions", (version_key(entry.uuid, version) for version in wanted)))
    return [wire_version(core, VersionRecord.unpack(raw)) for raw in raws if raw is not None]


def wire_version(core: Core, record: VersionRecord) -> Wire:
    """A version as operations return it: its pointer, author and operation."""
    pointer = record.entry.wire(record.directory, core.node)
    return {**pointer, "author": record.author, "operation": record.operation}
