"""Directory operations: mkdir, list, dir and tree. Listing /registry answers every uuid ever assigned."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...errors import Invalid, PermissionDenied
from ...objects import DIRECTORY
from ...operations import Context
from ...paths import child_path, split_path
from ...results import EntryPage, PageTable, PointerRow
from ..change import Change
from ..commit import commit, retry
from ..core import Core
from ..layout import access
from ..layout.locality import PAGE_ROWS
from ..layout.record import Entry
from .find import REGISTRY, find_directory, find_place, name
from .load import PAGE_LIMIT, check_limit, page_of, raws_of
from .registry import list_registry


async def mkdir(core: Core, context: Context, path: str) -> PointerRow:
    names = await name(core, path)

    async def attempt() -> PointerRow:
        place = await find_place(core, names)
        entry = place.entry
        if entry is not None:
            access.check(context, place, "")
            if not entry.is_directory:
                raise Invalid(f"{path} is there and is not a directory", path=path)
            return entry.wire(place.directory, core.node)
        access.check_inside(context, place)
        change = Change(dates=core.dates, context=context)
        place = change.make_directories(place)
        entry = change.make_entry(names[-1], DIRECTORY)
        entry = change.record(entry, place.parent, place.directory, "mkdir")
        change.link(place.above, entry, None)
        await commit(core, change)
        return entry.wire(place.directory, core.node)

    return await retry(path, attempt)


async def list_page(core: Core, context: Context, path: str, cursor: str, limit: int, as_of: str) -> EntryPage:
    if split_path(path) == (REGISTRY,):
        return await list_registry(core, context, cursor, limit)
    page, more = await page_of(core, context, path, cursor, limit, as_of)
    entries = [child.wire(page.directory, core.node) for child in page.entries]
    return {"entries": entries, "cursor": page.last if more else ""}


async def pages(core: Core, context: Context, path: str, limit: int, as_of: str) -> PageTable:
    """Count the entries that the caller may see, and note the cursor after each page of them."""
    check_limit(limit)
    if split_path(path) == (REGISTRY,):
        raise Invalid("the registry is not counted", path=path, remedy="list it page by page")
    found = await find_directory(core, context, path, "r", as_of)
    count, cursors, cursor, last = 0, [""], "", ""
    while True:
        raws = await raws_of(core, found, cursor, PAGE_LIMIT, as_of)
        for raw in raws:
            if access.may(context, raw, "r"):
                if count and count % limit == 0:
                    cursors.append(last)
                count += 1
                if count % limit == 0:
                    last = Entry.unpack(raw).name
        if len(raws) < PAGE_LIMIT:
            return {"count": count, "cursors": cursors}
        cursor = Entry.unpack(raws[-1]).name


async def walk(core: Core, context: Context, path: str, as_of: str = "") -> AsyncIterator[tuple[Entry, str]]:
    """Yield each entry of a directory that the caller may see, with the directory's path, page by page."""
    cursor = ""
    while True:
        page, more = await page_of(core, context, path, cursor, PAGE_ROWS, as_of)
        for child in page.entries:
            yield child, page.directory
        if not more:
            return
        cursor = page.last


async def walk_tree(core: Core, context: Context, path: str, as_of: str = "") -> AsyncIterator[tuple[Entry, str]]:
    """Yield each entry below a directory that the caller may see, depth first, parents before children.

    Below a directory that they may list and not pass through, they see no more than its entries; of a past one that
    they may not list today, no more than itself.
    """
    top = await find_directory(core, context, path, as_of=as_of)
    open = access.may(context, top.entry.pack(), "x")
    pending = [walk(core, context, path, as_of)]
    while pending:
        try:
            async for child, inside in pending[-1]:
                yield child, inside
                if open and child.is_directory and access.may(context, child.pack(), "rx"):
                    pending.append(walk(core, context, child_path(inside, child.name), as_of))
                    break
            else:
                pending.pop()
        except PermissionDenied:
            if not as_of or len(pending) == 1:
                raise
            pending.pop()


async def stream_dir(core: Core, context: Context, path: str, as_of: str) -> AsyncIterator[PointerRow]:
    async for child, directory in walk(core, context, path, as_of):
        yield child.wire(directory, core.node)


async def stream_tree(core: Core, context: Context, path: str, as_of: str) -> AsyncIterator[PointerRow]:
    await find_directory(core, context, path, "r", as_of)
    async for child, directory in walk_tree(core, context, path, as_of):
        yield child.wire(directory, core.node)
