"""Directories: mkdir, list, dir, tree."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..errors import Invalid
from ..objects import DIRECTORY
from ..operations import Context, Wire
from ..paths import child_path, join_path, split_path
from .core import PAGE, ROOT_ENTRY, Change, Core, children, retry
from .read import check_limit
from .record import Entry


async def mkdir(core: Core, context: Context, path: str) -> Wire:
    names = split_path(path)
    if not names:
        return ROOT_ENTRY.wire("/", core.node)

    async def attempt() -> Wire:
        place = await core.find(names)
        if place.raw is not None:
            entry = Entry.unpack(place.raw)
            if not entry.is_directory:
                raise Invalid(f"{path} is there and is not a directory", path=path)
            return entry.wire(place.directory, core.node)
        change = Change()
        place = core.make_directories(change, place, context)
        entry = core.make_entry(names[-1], DIRECTORY, context)
        entry = core.record(change, entry, place.parent, place.directory, "mkdir", context)
        core.link(change, place.parent, entry, None)
        await core.commit(change)
        return entry.wire(place.directory, core.node)

    return await retry(path, attempt)


async def list_page(core: Core, context: Context, path: str, cursor: str, limit: int) -> Wire:
    names = split_path(path)
    entry = await core.need_directory(names)
    found = await children(core, entry.uuid, cursor, check_limit(limit))
    directory = join_path(*names)
    more = found[-1].name if len(found) == limit else ""
    return {"entries": [child.wire(directory, core.node) for child in found], "cursor": more}


async def walk(core: Core, parent: bytes, directory: str) -> AsyncIterator[tuple[Entry, str]]:
    """Every entry directly in a directory, with the directory's path, page by page."""
    after = ""
    while True:
        found = await children(core, parent, after)
        for child in found:
            yield child, directory
        if len(found) < PAGE:
            return
        after = found[-1].name


async def walk_tree(core: Core, parent: bytes, directory: str) -> AsyncIterator[tuple[Entry, str]]:
    """Every entry below a directory, depth first, a directory before what is in it."""
    pending = [walk(core, parent, directory)]
    while pending:
        async for child, inside in pending[-1]:
            yield child, inside
            if child.is_directory:
                pending.append(walk(core, child.uuid, child_path(inside, child.name)))
                break
        else:
            pending.pop()


async def stream_dir(core: Core, context: Context, path: str) -> AsyncIterator[Wire]:
    names = split_path(path)
    entry = await core.need_directory(names)
    async for child, directory in walk(core, entry.uuid, join_path(*names)):
        yield child.wire(directory, core.node)


async def stream_tree(core: Core, context: Context, path: str) -> AsyncIterator[Wire]:
    names = split_path(path)
    entry = await core.need_directory(names)
    async for child, directory in walk_tree(core, entry.uuid, join_path(*names)):
        yield child.wire(directory, core.node)
