"""Mount points: directories of this filesystem below which another one owns everything.

A mount point is an empty directory that the catalogue names. Each commit expects the catalogue as it was, so no writer,
in whichever process, makes anything below a mount point or takes it away. Beside it stands the version of the mount
table that it was closed for: whoever opens it again for an older one is late, and does nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ...errors import Conflict, Invalid, NotFound, PermissionDenied
from ...operations import Context
from ...paths import join_path
from ...store import Batch, Key, prefix_end
from ..commit import Stale, retry
from ..core import Core
from ..indexes.definitions import read_catalogue
from ..layout import access
from ..layout.catalogue import CATALOGUE, NONE, parse
from ..layout.place import ROOT_KEY
from .directory import mkdir
from .find import find_place, locate, name

NEWEST = 2**63
"""A version of the mount table beyond all."""


class MountPoint(NamedTuple):
    """A closed directory, and the version of the mount table that it was closed for."""

    path: str
    version: int


async def close_directory(core: Core, context: Context, path: str, version: int = 0) -> None:
    """Make a directory, if it is not there, a mount point, for a version of the mount table.

    What is one already stays so, for the newer version.

    Raises:
        Conflict: something is in it.
        Invalid: an object is there.
    """

    async def attempt() -> None:
        if not await is_closed(core, path):
            await mkdir(core, context, path)
        await _change(core, path, version, close=True)

    await retry(path, attempt)


async def open_directory(core: Core, path: str, version: int = NEWEST) -> None:
    """Make a mount point an ordinary directory again, unless it was closed for a newer mount table.

    A second call does nothing.
    """

    async def attempt() -> None:
        if await is_closed(core, path):
            await _change(core, path, version, close=False)

    await retry(path, attempt)


async def mount_points(core: Core) -> list[MountPoint]:
    """Return all mount points of this filesystem."""
    uuids = list(parse(await read_catalogue(core)).mounts)
    versions = await core.store.get([_version_key(uuid) for uuid in uuids])
    return [
        MountPoint(join_path(*await locate(core, uuid)), _version(raw))
        for uuid, raw in zip(uuids, versions, strict=True)
    ]


async def is_closed(core: Core, path: str) -> bool:
    """Tell whether a path is a mount point."""
    raw = await read_catalogue(core)
    place = await find_place(core, await name(core, path))
    return place.raw is not None and place.raw[:16] in parse(raw).mounts


async def is_vacant(core: Core, path: str) -> bool:
    """Tell whether nothing is at a path, or an empty directory; nor an object above it."""
    names = await name(core, path)
    place = await find_place(core, names)
    if place.raw is None:
        above = [await find_place(core, names[:depth]) for depth in range(1, len(names))]
        return all(each.entry is None or each.entry.is_directory for each in above)
    if place.entry is None or not place.entry.is_directory:
        return False
    return not await core.store.scan("entries", place.raw[:16], prefix_end(place.raw[:16]), limit=1)


async def check_way(core: Core, context: Context, mount: str, depth: int) -> None:
    """Check that the caller may come to a mount point, through all that is above it.

    A search from a directory above, which has `depth` names, must be able to list what is between.

    Raises:
        PermissionDenied: they may not.
    """
    place = await find_place(core, await name(core, mount))
    access.check(context, place, "")
    if not all(access.may(context, raw, "rx") for raw in place.chain[depth:-1]):
        raise PermissionDenied(f"{context.principal or 'a guest'} may not list what is above {mount}", path=mount)


def _version_key(uuid: bytes) -> Key:
    return "meta", b"mount/" + uuid


def mount_version(uuid: bytes, version: int) -> tuple[str, bytes, bytes]:
    """The row that says for which version of the mount table a directory is closed."""
    return (*_version_key(uuid), version.to_bytes(8, "big"))


def _version(raw: bytes | None) -> int:
    return int.from_bytes(raw, "big") if raw else 0


async def _change(core: Core, path: str, version: int, *, close: bool) -> None:
    """Commit the catalogue with a mount point more, or less, provided that the directory is where it was, and empty."""
    before = await read_catalogue(core)
    place = await find_place(core, await name(core, path))
    if place.raw is None or not place.names:
        raise NotFound(f"nothing is at {path}", path=path)
    if place.entry is None or not place.entry.is_directory:
        raise Invalid(f"{path} is not a directory", path=path)
    uuid, catalogue = place.raw[:16], parse(before)
    (closed_for,) = await core.store.get([_version_key(uuid)])
    if uuid in catalogue.mounts and (_version(closed_for) >= version if close else _version(closed_for) > version):
        return
    mounts = {each: above for each, above in catalogue.mounts.items() if each != uuid}
    if close:
        mounts[uuid] = place.above.uuids
    batch = Batch()
    batch.expect(*CATALOGUE, None if before == NONE else before)
    batch.put(*CATALOGUE, replace(catalogue, mounts=mounts).pack())
    batch.expect("entries", place.key or ROOT_KEY, place.raw)
    batch.expect(*_version_key(uuid), closed_for)
    if close:
        batch.expect_count("entries", uuid, prefix_end(uuid), 0)
        batch.put(*mount_version(uuid, version))
    else:
        batch.delete(*_version_key(uuid))
    try:
        await core.store.commit(batch)
    except Conflict as error:
        if close and not await is_vacant(core, path):
            raise Conflict(
                f"{path} is not empty", path=path, remedy="a volume begins empty: choose another path, or move it away"
            ) from error
        await read_catalogue(core)
        raise Stale from error
    await read_catalogue(core)
