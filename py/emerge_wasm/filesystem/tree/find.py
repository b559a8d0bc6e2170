"""Resolve a path for a caller, by name or by uuid, now, at a version or at a moment, and check access."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, cast

from ...context import Context
from ...errors import Invalid, NotFound, PermissionDenied
from ...paths import DEPTH_LIMIT, child_path, join_path, split_path
from ...results import PointerRow
from ..core import Core
from ..layout import access
from ..layout.ancestry import LEFT, is_purged
from ..layout.ancestry import REMOVED as REMOVED
from ..layout.locality import get_entries
from ..layout.moment import read_moment
from ..layout.place import ROOT_RAW, WAY_TO_ROOT, PathNames, Place
from ..layout.record import ROOT, Entry, VersionRecord, is_directory, version_key
from .links import find_at, newest_record, record_at

REGISTRY = "registry"
CACHE_LIMIT = 10_000
"""Directories to which the ways are cached."""


# --- where paths lead
async def find_place(core: Core, names: PathNames) -> Place:
    """Resolve a path: in one batch when its directory was seen before, name by name otherwise.

    Cached ways are only hints for which keys to read; the values show whether they still hold.
    """
    way = core.ways.get(names[:-1])
    if way is None or not names:
        return await _find_by_name(core, names)
    catalogue = core.catalogue
    root, *raws = await core.store.get([*way.keys, way.to(names[-1])])
    for uuid, raw in zip(way.uuids, raws, strict=False):
        if raw is None or raw[:16] != uuid:
            core.ways.clear()
            return await _find_by_name(core, names)
    if raws[-1] is None:
        del raws[-1]
    return Place(names, cast("list[bytes]", raws), root or ROOT_RAW, catalogue)


async def _find_by_name(core: Core, names: PathNames) -> Place:
    way, catalogue = WAY_TO_ROOT, core.catalogue
    if not names:
        (held,) = await core.store.get(WAY_TO_ROOT.keys)
        return Place(names, [], held or ROOT_RAW, catalogue)
    raws: list[bytes] = []
    for depth, name in enumerate(names):
        if len(core.ways) > CACHE_LIMIT:
            core.ways.clear()
        core.ways[names[:depth]] = way
        raw, held = await core.store.get([way.to(name), *WAY_TO_ROOT.keys])
        root = held or ROOT_RAW
        if raw is None:
            break
        raws.append(raw)
        if not is_directory(raw):
            break
        way = way.into(name, raw[:16])
    return Place(names, raws, root, catalogue)


async def find_places(core: Core, many: Sequence[PathNames]) -> list[Place]:
    """Resolve many paths: each of their directories once, then all of them in one batch."""
    if len(many) == 1:
        return [await find_place(core, many[0])]
    directories = {names: await find_place(core, names) for names in {names[:-1] for names in many}}
    above = [directories[names[:-1]] for names in many]
    places = [Place(names, list(at.raws), at.root, at.catalogue) for names, at in zip(many, above, strict=True)]
    there = [place for place in places if len(place.raws) == len(place.names) - 1]
    raws = await get_entries(core.store, [place.key for place in there])
    for place, raw in zip(there, raws, strict=True):
        if raw is not None:
            place.raws.append(raw)
    return places


# --- entries for a caller
def not_found(path: str) -> NotFound:
    return NotFound(f"nothing is at {path}", path=path)


class Found(NamedTuple):
    """The entry at a path: `place` is where it is (or was), `entry` has the requested version or moment, and
    `directory` is the path of its directory then.
    """

    place: Place
    entry: Entry
    directory: str

    @property
    def path(self) -> str:
        return self.place.path

    @property
    def uuid(self) -> bytes:
        return self.entry.uuid


async def find(core: Core, context: Context, path: str, rights: str = "r", version: int = 0, as_of: str = "") -> Found:
    """Find the entry at a path for a caller who has these rights ("r", "rx") on it.

    Raises:
        NotFound: nothing is there.
        PermissionDenied: the caller lacks one of the rights.
    """
    moment = read_moment(as_of) if as_of else ""
    names = split_path(path)
    if names[:1] == (REGISTRY,):
        names = await name(core, path, moment)
    place = await (find_at(core, names, moment) if moment else find_place(core, names))
    entry = place.entry
    if entry is None:
        access.check_way(context, await find_place(core, names) if moment else place)
        raise not_found(f"{join_path(*names)} at {as_of}" if moment else join_path(*names))
    if moment and not context.superuser:
        await _check_today(core, context, place, entry, rights)
    else:
        access.check(context, place, rights)
    if version in (0, entry.version):
        return Found(place, entry, place.directory)
    record = await find_version(core, place, entry, version)
    return Found(place, record.entry, record.directory)


async def find_directory(core: Core, context: Context, path: str, rights: str = "r", as_of: str = "") -> Found:
    """Find the directory at a path; raise Invalid when it is something else."""
    found = await find(core, context, path, rights, as_of=as_of)
    if not found.entry.is_directory:
        raise Invalid(f"{found.path} is not a directory", path=found.path)
    return found


async def name(core: Core, path: str, moment: str = "") -> PathNames:
    """Split a path into names; for a path in the registry, return the names of where that object is."""
    names = split_path(path)
    if not names or names[0] != REGISTRY:
        return names
    if len(names) == 1:
        raise Invalid("/registry is not an object", path=path, remedy="list it; /registry/<uuid> is the object itself")
    return (*await locate(core, read_uuid(names[1], path), moment), *names[2:])


def read_uuid(text: str, path: str) -> bytes:
    """Read a uuid given with a path. Raises Invalid for what is none."""
    try:
        uuid = bytes.fromhex(text)
    except ValueError:
        uuid = b""
    if len(uuid) != 16:
        raise Invalid(f"{text[:40]!r} is not a uuid", path=path, remedy="a uuid has 32 hexadecimal digits")
    return uuid


async def locate(core: Core, uuid: bytes, moment: str = "") -> PathNames:
    """Return the names of the path of an object, by its uuid.

    Raises:
        NotFound: it never existed, or was removed; the error says which.
    """
    names: list[str] = []
    sought = uuid
    while sought != ROOT and len(names) <= DEPTH_LIMIT:
        record = await record_at(core, sought, moment)
        if record is None:
            raise NotFound(f"no object has the uuid {uuid.hex()}", path=f"/registry/{uuid.hex()}")
        if record.operation == LEFT:
            raise NotFound(f"the object {uuid.hex()} is on another node now", path=f"/registry/{uuid.hex()}")
        if record.operation == REMOVED:
            path = join_path(*split_path(record.directory), record.entry.name)
            if is_purged(record):
                raise NotFound(f"the object {uuid.hex()} was removed from {path}, and purged", path=path)
            raise NotFound(
                f"the object {uuid.hex()} was removed from {path}", path=path, remedy=f"restore {path} brings it back"
            )
        names.append(record.entry.name)
        sought = record.parent
    return tuple(reversed(names))


async def find_version(core: Core, place: Place, entry: Entry, version: int) -> VersionRecord:
    raw = None
    if 0 < version < entry.version:
        raw = (await core.store.get([("versions", version_key(entry.uuid, version))]))[0]
    if raw is None:
        path, newest = place.path, await newest_record(core, entry.uuid)
        remedy = f"it is at version {entry.version}"
        if newest is not None and newest.operation == LEFT:
            remedy = f"it is on another node now: ask for /{REGISTRY}/{entry.uuid.hex()}"
        raise NotFound(f"{path} has no version {version}", path=path, remedy=remedy)
    return VersionRecord.unpack(raw)


async def _check_today(core: Core, context: Context, then: Place, entry: Entry, rights: str) -> None:
    """Check rights on a past entry at its place today, wherever that is; once it was removed, at the one then."""
    newest = await newest_record(core, entry.uuid)
    place = then
    if newest is not None and newest.operation == LEFT:
        if await _may_elsewhere(core, context, entry.uuid, rights):
            return
    elif newest is not None and newest.operation != REMOVED:
        with suppress(NotFound):  # a directory above it was removed with it
            place = await find_place(core, await locate(core, entry.uuid))
    access.check(context, place, rights)


async def _may_elsewhere(core: Core, context: Context, uuid: bytes, rights: str) -> bool:
    """Tell whether the caller has rights on what another filesystem has now; False when it was removed there.

    Raises:
        PermissionDenied: they have not.
        Unavailable: that cannot be known now.
    """
    if core.dispatch is None:
        return False
    asked = core.dispatch("get", [f"/{REGISTRY}/{uuid.hex()}", 0, ""], replace(context, transaction=""))
    try:
        pointer = await cast(Awaitable[PointerRow], asked)
    except NotFound:
        return False
    if not access.permits(context, pointer["owner"], pointer["group"], access.mode_of(pointer["perms"]), rights):
        path = child_path(pointer["path"], pointer["name"])
        raise PermissionDenied(f"{context.principal or 'a guest'} has no {rights} on {path}", path=path)
    return True


async def may_see(core: Core, context: Context, record: VersionRecord) -> bool:
    """Whether the caller may see a version: they may read the object now, or could before its removal."""
    if context.superuser:
        return True
    if not access.may(context, record.raw, "r"):
        return False
    try:
        access.check(context, await find_place(core, await locate(core, record.raw[:16])), "r")
    except NotFound:  # it was removed since
        return access.passes(context, await find_place(core, split_path(record.directory)))
    except PermissionDenied:
        return False
    return True
