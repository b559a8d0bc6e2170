"""Read objects: get, getobject, objects, cat, and the versions of one object."""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from itertools import accumulate
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from ...bundles import parse
from ...codec import Record, Reference, bundles_in, decode
from ...errors import Invalid, NotFound
from ...operations import Context
from ...paths import child_path, split_path, split_properties
from ...results import ObjectPage, ObjectRow, PointerRow, VersionRows
from ...store import keys_of, prefix_end
from ..core import Core
from ..layout import access
from ..layout.ancestry import LEFT
from ..layout.locality import get_versions
from ..layout.moment import read_moment
from ..layout.record import BLOB_STATE, Entry, VersionRecord, version_key
from ..tree.find import REGISTRY, find, find_place, name, not_found
from ..tree.links import find_at, newest_record
from ..tree.load import PAGE_BYTES, check_limit, load_state, page_of, wire_version


async def get(core: Core, context: Context, path: str, version: int, as_of: str) -> PointerRow:
    found = await find(core, context, path, "r", version, as_of)
    return found.entry.wire(found.directory, core.node)


async def getobject(core: Core, context: Context, path: str, version: int, as_of: str) -> ObjectRow:
    found = await find(core, context, path, "r", version, as_of)
    state = b"" if found.entry.is_directory else await load_state(core, found.entry, path)
    return {"pointer": found.entry.wire(found.directory, core.node), "state": state}


async def objects(core: Core, context: Context, path: str, cursor: str, limit: int, as_of: str) -> ObjectPage:
    page, more = await page_of(core, context, path, cursor, limit, as_of)
    fitting = _fitting(page.entries)
    more = more or len(fitting) < len(page.entries)
    files = [entry for entry in fitting if not entry.is_directory]
    raws = await get_versions(core.store, [version_key(entry.uuid, entry.content) for entry in files])
    states = [VersionRecord.state_in(raw) if raw is not None else None for raw in raws]
    rows: list[ObjectRow] = [
        {
            "pointer": entry.wire(page.directory, core.node),
            "state": state
            if state is not None
            else await load_state(core, entry, child_path(page.directory, entry.name)),
        }
        for entry, state in zip(files, states, strict=True)
    ]
    last = fitting[-1].name if len(fitting) < len(page.entries) else page.last
    return {"objects": rows, "cursor": last if more else ""}


_size_of = attrgetter("size")


def _fitting(entries: list[Entry]) -> list[Entry]:
    """Return the first entries whose states fit into a page, at least one."""
    if sum(map(_size_of, entries)) + BLOB_STATE * len(entries) <= PAGE_BYTES:
        return entries  # as mostly: no state has more than this
    sizes = accumulate(entry.state_size for entry in entries)
    return [entry for entry, size in zip(entries, sizes, strict=True) if size <= PAGE_BYTES] or entries[:1]


async def cat(core: Core, context: Context, path: str, version: int, as_of: str) -> object:
    """Return the state at `path`, or else a property of the object at the longest prefix before a dot that exists."""
    ways = split_properties(path)
    for object_path, properties in ways:
        if len(ways) > 1 and not await _is_there(core, object_path, as_of):
            continue
        found = await find(core, context, object_path, "r", version, as_of)
        state = decode(await load_state(core, found.entry, found.path))
        value = {**found.entry.wire(found.directory, core.node), **state} if properties else state
        return await _reach(core, context, value, properties, found.path, as_of)
    names = split_path(ways[-1][0])
    if names[:1] != (REGISTRY,):
        access.check_way(context, await find_place(core, names))
    raise not_found(path)


async def _is_there(core: Core, path: str, as_of: str) -> bool:
    moment = read_moment(as_of)
    try:
        names = await name(core, path, moment)
    except Invalid:  # not a uuid of the registry
        return False
    return (await (find_at(core, names, moment) if moment else find_place(core, names))).raw is not None


async def _reach(core: Core, context: Context, value: object, properties: list[str], path: str, as_of: str) -> object:
    """Follow properties from a value, through references into other objects."""
    root = value
    for number, property in enumerate(properties):
        if isinstance(value, Reference) and not value.uuid:  # the state leads back to its object
            value = root
        elif isinstance(value, Reference):
            target = f"/{REGISTRY}/{value.uuid}"
            try:
                found = await find(core, context, target, "r", as_of=as_of)
            except NotFound:
                if core.dispatch is None or context.transaction:
                    raise
                onwards: Any = core.dispatch("cat", [".".join([target, *properties[number:]]), 0, as_of], context)
                return await onwards  # on a node, the object may be on another one
            state = decode(await load_state(core, found.entry, found.path))
            root = value = {**found.entry.wire(found.directory, core.node), **state}
        value = _member(value, property, ".".join([path, *properties[:number]]))
    return value


def _member(value: Any, name: str, path: str) -> Any:
    fields = value.fields if isinstance(value, Record) else vars(value) if isinstance(value, SimpleNamespace) else value
    try:
        if isinstance(fields, dict) and name not in fields:  # a defaultdict would make it
            raise KeyError(name)
        return fields[int(name)] if isinstance(fields, (list, tuple, deque)) else fields[name]
    except (LookupError, TypeError, ValueError):
        known = list(fields) if isinstance(fields, dict) else range(len(fields)) if isinstance(fields, list) else []
        remedy = f"it has: {', '.join(map(str, known))}" if known else None
        raise NotFound(f"{path} has no {name!r}", path=path, remedy=remedy) from None


async def versions(core: Core, context: Context, path: str, before: int, limit: int, as_of: str) -> VersionRows:
    return await history(core, (await find(core, context, path, "r", as_of=as_of)).uuid, before, limit)


async def history(core: Core, uuid: bytes, before: int, limit: int) -> VersionRows:
    """Return versions of what this filesystem has, or had when it was removed.

    Raises:
        NotFound: another one has it now; `details["left"]` is its uuid.
    """
    newest = await newest_record(core, uuid)
    if newest is None or newest.operation == LEFT:
        raise NotFound(f"the versions of {uuid.hex()} are on another node now", remedy="ask there", left=uuid.hex())
    last = newest.entry.version
    until = version_key(uuid, before) if 0 < before <= last else prefix_end(uuid)
    rows = await core.store.scan("versions", uuid, until, limit=check_limit(limit), reverse=True)
    return [wire_version(core, VersionRecord.unpack(raw)) for _, raw in rows]


async def load_bundles(core: Core, bundle: str, state: bytes = b"") -> dict[str, bytes]:
    """Load a bundle, those of the values in a state, and all that they require, by hash; absent ones are left out."""
    found: dict[str, bytes] = {}
    wanted = list({bundle, *bundles_in(state)} - {""})
    while wanted:
        raws = await core.store.get(keys_of("bundles", (hash.encode() for hash in wanted)))
        fresh = {hash: raw for hash, raw in zip(wanted, raws, strict=True) if raw is not None}
        found |= fresh
        wanted = [required for hash, raw in fresh.items() for required in _requires(hash, raw) if required not in found]
    return found


def are_whole(found: dict[str, bytes], bundle: str, state: bytes) -> bool:
    """Tell whether `load_bundles` found all that there are to be."""
    wanted = {bundle, *bundles_in(state)} - {""}
    return wanted.union(*(_requires(hash, raw) for hash, raw in found.items())) <= found.keys()


@lru_cache(maxsize=1024)
def _requires(hash: str, raw: bytes) -> tuple[str, ...]:
    """Return the bundles that one requires; cached, as every run asks for them."""
    return tuple(parse(raw, hash).requires)
