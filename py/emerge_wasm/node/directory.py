"""Directories as all nodes have them: each node tells its page, and the pages become one.

What the caller may not see on one node is left out, as in any listing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from ..errors import Invalid, NotFound, PermissionDenied
from ..objects import DIRECTORY
from ..operations import Context, Wire
from ..paths import child_path, split_path
from .locate import Reach
from .merge import merge_pages

PAGE = 1000
REGISTRY = ("registry",)


class Merging:
    """The listings of a cluster."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def list_page(self, args: list[Any], context: Context) -> Wire:
        """The page that `list` tells, of all nodes."""
        return await self._page("list", "entries", args, context)

    async def object_page(self, args: list[Any], context: Context) -> Wire:
        return await self._page("objects", "objects", args, context)

    async def references(self, args: list[Any], context: Context, pointer: Wire) -> Wire:
        """The page of the objects of all nodes that refer to the one with this pointer."""
        _, _, cursor, limit = args
        pages = await self._reach.ask_all("_back", [pointer["uuid"], cursor, limit], context)
        return merge_pages([page for _, page in pages], "entries", limit, "uuid")

    async def stream_dir(self, args: list[Any], context: Context) -> AsyncGenerator[Wire, None]:
        path, as_of = args
        cursor = ""
        while True:
            page = await self.list_page([path, cursor, PAGE, as_of], context)
            for entry in page["entries"]:
                yield entry
            cursor = page["cursor"]
            if not cursor:
                return

    async def stream_tree(self, args: list[Any], context: Context) -> AsyncGenerator[Wire, None]:
        path, as_of = args
        if split_path(path) == REGISTRY:
            raise Invalid("/registry has no tree", path=path, remedy="list it: it holds everything by uuid")
        async with aclosing(self.stream_dir(args, context)) as entries:
            async for entry in entries:
                yield entry
                if entry["type"] == DIRECTORY:
                    async with aclosing(self._below(entry, as_of, context)) as inside:
                        async for child in inside:
                            yield child

    async def _below(self, entry: Wire, as_of: str, context: Context) -> AsyncGenerator[Wire, None]:
        """The tree of a directory that was listed; nothing when it may not be seen, or is gone meanwhile."""
        async with aclosing(self.stream_tree([child_path(entry["path"], entry["name"]), as_of], context)) as inside:
            try:
                async for child in inside:
                    yield child
            except (PermissionDenied, NotFound):
                return

    async def is_empty(self, path: str) -> bool:
        """Whether a directory has nothing in it on any node, seen or not; an object has not."""
        everything = Context(superuser=True, via="cluster")
        try:
            page = await self.list_page([path, "", 1, ""], everything)
        except Invalid:
            return True
        return not page["entries"]

    async def _page(self, name: str, key: str, args: list[Any], context: Context) -> Wire:
        pages = [page for _, page in await self._reach.ask_all(name, args, context)]
        return merge_pages(pages, key, args[2], "uuid" if split_path(args[0]) == REGISTRY else "name")
