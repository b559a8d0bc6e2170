"""Copy objects and trees (cp), also what another filesystem sends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import NamedTuple

from ...codec import bundles_in
from ...context import Context
from ...errors import Conflict, Invalid
from ...paths import child_path
from ...results import PointerRow
from ..change import Change
from ..commit import commit, is_full, retry
from ..core import Core
from ..layout import access
from ..layout.place import Place
from ..layout.record import Entry
from ..tree.directory import walk_tree
from ..tree.find import find, name
from ..tree.load import load_state
from ..tree.move import landing
from .write import check_bundles


class CopySource(NamedTuple):
    """One object or directory that is copied: its entry, the path of its directory, its state (None: a directory)."""

    entry: Entry
    directory: str
    state: bytes | None

    @property
    def path(self) -> str:
        return child_path(self.directory, self.entry.name) if self.entry.name else "/"


Sources = AsyncGenerator[CopySource, None]
"""What is at a path, then all that is below it, parents first."""

ClassesOf = Callable[[set[str]], Awaitable[dict[str, bytes]]]
"""Finds the class bundles with these hashes, and all that they require."""


async def cp(core: Core, context: Context, source: str, target: str, recursive: bool) -> PointerRow:
    return await copy(core, context, target, recursive, lambda: sources_at(core, context, source, recursive))


async def sources_at(core: Core, context: Context, path: str, recursive: bool) -> Sources:
    """Yield what the caller may read at a path and (`recursive`) below it."""
    found = await find(core, context, path, "r")
    yield await _load(core, found.entry, found.directory)
    if recursive and found.entry.is_directory:
        async for child, directory in walk_tree(core, context, found.path):
            yield await _load(core, child, directory)


async def _load(core: Core, entry: Entry, directory: str) -> CopySource:
    path = child_path(directory, entry.name)
    return CopySource(entry, directory, None if entry.is_directory else await load_state(core, entry, path))


async def copy(
    core: Core,
    context: Context,
    target: str,
    recursive: bool,
    sources: Callable[[], Sources],
    classes: ClassesOf | None = None,
) -> PointerRow:
    """Copy to a path or into a directory. `classes` finds what this filesystem may lack."""

    async def attempt() -> PointerRow:
        async with aclosing(sources()) as items:
            top = await anext(items)
            place = await landing(core, top.entry.name, await name(core, target))
            if not top.entry.is_directory:
                return await _copy_object(core, context, top, place, classes)
            if not recursive:
                raise Invalid(f"{top.path} is a directory", path=top.path, remedy="copy it recursively (cp -r)")
            return await _copy_tree(core, context, top, items, place, classes)

    return await retry(target, attempt)


async def _copy_object(
    core: Core, context: Context, source: CopySource, place: Place, classes: ClassesOf | None
) -> PointerRow:
    entry, old = source.entry, place.entry
    if old is not None and old.is_directory:
        raise Invalid(f"{place.path} is a directory", path=place.path)
    if old is None:
        access.check_inside(context, place)
    else:
        access.check(context, place, "w")
    change = Change(dates=core.dates, context=context)
    base = old or change.make_entry(place.names[-1], entry.type, entry.perms)
    base = base._replace(type=entry.type, class_name=entry.class_name, bundle=entry.bundle)
    raw = place.raw
    place = change.make_directories(place)
    await _add_classes(core, change, source, classes)
    copy = change.record(base, place.parent, place.directory, "cp", state=source.state, origin=source.path)
    change.link(place.above, copy, raw)
    await commit(core, change)
    return copy.wire(place.directory, core.node)


async def _copy_tree(
    core: Core, context: Context, source: CopySource, below: Sources, place: Place, classes: ClassesOf | None
) -> PointerRow:
    """Copy a directory and what comes, parents first, in commits of at most the store's largest batch."""
    access.check_way(context, place)
    if place.raw is not None:
        raise Conflict(f"{place.path} is there already", path=place.path, remedy="choose another target")
    if place.path.startswith(source.path.rstrip("/") + "/"):
        raise Invalid(f"{source.path} cannot be copied into itself", path=source.path)
    access.check_inside(context, place)
    change = Change(dates=core.dates, context=context)
    place = change.make_directories(place)
    top = change.make_entry(place.names[-1], "directory", source.entry.perms)._replace(keep=source.entry.keep)
    top = change.record(top, place.parent, place.directory, "cp", origin=source.path)
    change.link(place.above, top, None)
    copies = {source.path: (place.above.inside(top.uuid), place.path)}
    async for each in below:
        child = each.entry
        above, path = copies[each.directory]
        await _add_classes(core, change, each, classes)
        copy = change.make_entry(child.name, child.type, child.perms)
        copy = copy._replace(class_name=child.class_name, bundle=child.bundle, keep=child.keep)
        copy = change.record(copy, above.parent, path, "cp", state=each.state, origin=each.path)
        change.link(above, copy, None)
        if child.is_directory:
            copies[each.path] = (above.inside(copy.uuid), child_path(path, child.name))
        if await is_full(core, change, min(core.store.capabilities.largest_batch, 1000)):
            await commit(core, change)
            change = Change(dates=core.dates, context=context)
    await commit(core, change)
    return top.wire(place.directory, core.node)


async def _add_classes(core: Core, change: Change, source: CopySource, classes: ClassesOf | None) -> None:
    """Add the classes that another filesystem's object needs, and this one lacks."""
    if classes is None or source.state is None:
        return
    needed = {source.entry.bundle, *bundles_in(source.state)} - {"", *core.known_bundles}
    if needed:
        change.puts += await check_bundles(core, needed, await classes(needed), source.path)
