"""Directories as all nodes have them: each node gives its page, and the pages become one.

A page is sorted by name (that of /registry by uuid), and its cursor is the last name it covers, or "" for the last
page. So the cursor of the merged page is a name too, and nobody keeps state between pages. What the caller may not see
on one node is left out, as in any listing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from ..errors import Invalid, NotFound, PermissionDenied
from ..objects import DIRECTORY
from ..operations import Arguments, Context, find_operation
from ..paths import child_path, split_path
from ..results import EntryPage, ObjectPage, PointerRow
from .calls import CALLS
from .locate import Locator

PAGE = 1000
REGISTRY = ("registry",)

T = TypeVar("T")


class DirectoryRoutes:
    """The routes of the operations that list directories."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator

    async def list(self, args: Arguments, context: Context) -> EntryPage:
        answers = await self._locator.ask_all("list", args, args.path, context)
        pages = [(page["entries"], page["cursor"]) for _, page in answers]
        entries, cursor = merge_pages(pages, _key_in(args.path), args.limit)
        return {"entries": entries, "cursor": cursor}

    async def objects(self, args: Arguments, context: Context) -> ObjectPage:
        key = _key_in(args.path)
        answers = await self._locator.ask_all("objects", args, args.path, context)
        pages = [(page["objects"], page["cursor"]) for _, page in answers]
        objects, cursor = merge_pages(pages, lambda row: key(row["pointer"]), args.limit)
        return {"objects": objects, "cursor": cursor}

    async def referrers(self, args: Arguments, context: Context, pointer: PointerRow) -> EntryPage:
        """The page of the objects of all nodes that refer to the one with this pointer."""
        part = CALLS["_back"].bind([pointer["uuid"], args.cursor, args.limit])
        answers = await self._locator.ask_all("_back", part, args.path, context)
        pages = [(page["entries"], page["cursor"]) for _, page in answers]
        entries, cursor = merge_pages(pages, _uuid, args.limit)
        return {"entries": entries, "cursor": cursor}

    async def dir(self, args: Arguments, context: Context) -> AsyncGenerator[PointerRow, None]:
        asked = find_operation("list").bind([args.path, "", PAGE, args.as_of])
        while True:
            page = await self.list(asked, context)
            for entry in page["entries"]:
                yield entry
            if not page["cursor"]:
                return
            asked = asked._replace(cursor=page["cursor"])

    async def tree(self, args: Arguments, context: Context) -> AsyncGenerator[PointerRow, None]:
        if split_path(args.path) == REGISTRY:
            raise Invalid("/registry has no tree", path=args.path, remedy="list it: it holds everything by uuid")
        async with aclosing(self.dir(args, context)) as entries:
            async for entry in entries:
                yield entry
                if entry["type"] == DIRECTORY:
                    below = args._replace(path=child_path(entry["path"], entry["name"]))
                    async with aclosing(self._subtree(below, context)) as inside:
                        async for child in inside:
                            yield child

    async def _subtree(self, args: Arguments, context: Context) -> AsyncGenerator[PointerRow, None]:
        """The tree of a directory that was listed; nothing when it may not be seen, or was removed meanwhile."""
        async with aclosing(self.tree(args, context)) as inside:
            try:
                async for child in inside:
                    yield child
            except (PermissionDenied, NotFound):
                return

    async def is_empty(self, path: str) -> bool:
        """Tell whether a directory has nothing in it on any node, seen or not; an object counts as empty."""
        everything = Context(superuser=True, via="cluster")
        try:
            page = await self.list(find_operation("list").bind([path, "", 1]), everything)
        except Invalid:
            return True
        return not page["entries"]


def merge_pages(pages: Sequence[tuple[Sequence[T], str]], key: Callable[[T], str], limit: int) -> tuple[list[T], str]:
    """Merge the pages of several nodes, each (rows sorted by their key, cursor), into one of at most `limit` rows.

    Of rows with the same key the earliest page's counts: put the own node first.
    """
    rows: dict[str, T] = {}
    for page, _ in pages:
        for row in page:
            rows.setdefault(key(row), row)
    covered = min((cursor for _, cursor in pages if cursor), default="")  # beyond it rows of some node are missing
    names = [name for name in sorted(rows) if not covered or name <= covered]
    cursor = names[limit - 1] if len(names) > limit else covered
    return [rows[name] for name in names[:limit]], cursor


def _key_in(path: str) -> Callable[[PointerRow], str]:
    """What the listing of a directory is sorted by."""
    return _uuid if split_path(path) == REGISTRY else _name


def _uuid(pointer: PointerRow) -> str:
    return pointer["uuid"]


def _name(pointer: PointerRow) -> str:
    return pointer["name"]
