"""Move and remove entries: mv, rm."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

from ...errors import Conflict, Invalid
from ...operations import Context
from ...paths import child_path, split_path
from ...results import PointerRow
from ...store import prefix_end
from ..change import Change
from ..commit import commit, is_full, retry
from ..core import Core
from ..layout import access
from ..layout.place import Above, PathNames, Place
from ..layout.record import ROOT, Entry, entry_key
from ..time_slice import TimeSlice
from .directory import walk_tree
from .find import REMOVED, find_place, name, not_found


async def landing(core: Core, own: str, target: PathNames) -> Place:
    """Return the place of a target or, when that is a directory, the place in it of the name that something has."""
    place = await find_place(core, target)
    if place.entry is not None and place.entry.is_directory:
        return await find_place(core, (*target, own))
    return place


async def mv(core: Core, context: Context, source: str, target: str) -> PointerRow:
    names = await name(core, source)
    if not names:
        raise Invalid("/ cannot be moved", path="/")

    async def attempt() -> PointerRow:
        origin = await find_place(core, names)
        entry = origin.entry
        access.check_way(context, origin)
        if entry is None:
            raise not_found(source)
        access.check_inside(context, origin)
        place = await landing(core, entry.name, await name(core, target))
        if place.names == names:
            return entry.wire(origin.directory, core.node)
        access.check_way(context, place)
        if place.raw is not None:
            raise Conflict(f"{place.path} is there already", path=place.path, remedy="remove it, or choose another")
        if place.names[: len(names)] == names:
            raise Invalid(f"{source} cannot be moved into itself", path=source)
        access.check_inside(context, place)
        return await _move(core, context, origin, entry, place)

    return await retry(source, attempt)


async def _move(core: Core, context: Context, origin: Place, entry: Entry, place: Place) -> PointerRow:
    change = Change(dates=core.dates, context=context)
    parent = ROOT
    for step, raw in zip(place.names, place.raws, strict=False):  # no directory above the target may move meanwhile
        change.expect("entries", entry_key(parent, step), raw)
        parent = raw[:16]
    place = change.make_directories(place)
    renamed = entry._replace(name=place.names[-1])
    moved = change.record(renamed, place.parent, place.directory, "mv", origin=origin.path)
    change.unlink(origin.above, entry.name, origin.chain[-1], moved)
    change.link(place.above, moved, None)
    await commit(core, change)
    return moved.wire(place.directory, core.node)


_Gone = tuple[Above, Entry, str]
"""An entry to remove: the directories above it, the entry, the path of its directory."""


async def rm(core: Core, context: Context, path: str, recursive: bool) -> int:
    names = await name(core, path)
    if not names:
        raise Invalid("/ cannot be removed", path="/", remedy="remove what is in it")
    removed = 0

    async def attempt() -> int:
        nonlocal removed
        place = await find_place(core, names)
        access.check_way(context, place)
        if place.entry is None:
            raise not_found(path)
        access.check_inside(context, place)
        gone = [(place.above, place.entry, place.directory)]
        if place.entry.is_directory:
            gone += await _gather(core, context, place, recursive)
        async for count in _remove(core, context, gone, place.path):
            removed += count
        return removed

    return await retry(path, attempt)


async def _gather(core: Core, context: Context, place: Place, recursive: bool) -> list[_Gone]:
    """List all that is in a directory, and check that the caller may empty it."""
    gone: list[_Gone] = []
    above = {place.path: place.above.inside(place.chain[-1][:16])}
    checked: set[str] = set()
    time_slice = TimeSlice()
    everything = replace(context, superuser=True)
    async for child, directory in walk_tree(core, everything, place.path):
        await time_slice.share()
        if not recursive:
            raise Invalid(f"{place.path} is not empty", path=place.path, remedy="remove it recursively (rm -r)")
        if directory not in checked:
            access.check(context, await find_place(core, split_path(directory)), "rwx")
            checked.add(directory)
        gone.append((above[directory], child, directory))
        if child.is_directory:
            above[child_path(directory, child.name)] = above[directory].inside(child.uuid)
    return gone


async def _remove(core: Core, context: Context, gone: list[_Gone], top: str) -> AsyncIterator[int]:
    """Remove entries, children first, in as few commits as the store takes; yield the count of each commit.

    Each removal records the path of the tree's top, by which `restore` finds it. A commit is stale when a directory
    holds more than is removed with it.
    """
    most = core.store.capabilities.largest_batch
    change, inside, count = Change(dates=core.dates, context=context), Counter[bytes](), 0
    time_slice = TimeSlice()
    for above, entry, directory in reversed(gone):
        await time_slice.share()
        if await is_full(core, change, most):
            await commit(core, change)
            yield count
            change, inside, count = Change(dates=core.dates, context=context), Counter(), 0
        left = change.record(entry, above.parent, directory, REMOVED, origin=top)
        change.unlink(above, entry.name, entry.pack(), left)
        inside[above.parent] += 1
        count += 1
        if entry.is_directory:
            change.expect_count("entries", entry.uuid, prefix_end(entry.uuid), inside.pop(entry.uuid, 0))
    await commit(core, change)
    yield count
