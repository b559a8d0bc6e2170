"""Directories as the cluster has them: the owner of a directory lists it, and the owners of volumes in it their tops.

A page is sorted by name, and its cursor is the last name it covers. /registry is listed by all, by uuid.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from ..errors import EmergeError, Invalid, NotFound, Unavailable
from ..filesystem.layout.access import mode_of, permits
from ..operations import Arguments, Context, find_operation
from ..paths import child_path, split_path
from ..results import EntryPage, PointerRow
from ..wire.event import Unopened
from .calls import CALLS
from .gather import Gathered, gather
from .locate import Locator, VolumePart, at, is_hidden
from .paths import REGISTRY
from .volumes import INTERNAL
from .way import Ways

PAGE = 1000

T = TypeVar("T")


class DirectoryRoutes:
    """The routes of the operations that list directories."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator

    async def list(self, args: Arguments, context: Context) -> EntryPage | Unopened:
        if self._borders(args.path) or split_path(args.path) == (REGISTRY,):
            return await self._list(args, context)
        page: EntryPage | Unopened = await self._locator.ask(args.path, "list", args, context, unopened=True)
        return page

    async def _list(self, args: Arguments, context: Context) -> EntryPage:
        if split_path(args.path) == (REGISTRY,):
            return await self._merged(await gather(self._locator, "/", "list", args, context, same=True), args, context)
        page: EntryPage = await self._locator.ask(args.path, "list", args, context)
        borders = self._borders(args.path)
        if not borders:
            return page
        entries: list[PointerRow] = []
        missing = [*page.get("missing", [])]
        for row in page["entries"]:
            border = borders.get(child_path(row["path"], row["name"]))
            shown = row if border is None else await self._top(border, row, context, args.as_of)
            if shown is not None:
                entries.append(shown)
                missing += [shown["missing"]] if "missing" in shown else []
        listed: EntryPage = {"entries": entries, "cursor": page["cursor"]}
        return {**listed, "missing": missing} if missing else listed

    def _borders(self, path: str) -> dict[str, VolumePart]:
        return {part.path: part for part in self._locator.parts(path)[1:]}

    async def _top(self, part: VolumePart, row: PointerRow, context: Context, as_of: str) -> PointerRow | None:
        """The pointer of a volume's top; None when the caller may not see it.

        When its owner is away, that of the mount point, with the owner's name as `missing`. What was there before the
        volume is the row itself.
        """
        try:
            holder = self._locator.serving(part.filesystem, part.path)  # the way there was checked when it was listed
            asked = find_operation("get").bind([part.path, 0, as_of])
            who = INTERNAL if as_of else context  # what was there is shown by the rights of then
            pointer: PointerRow = await self._locator.forwarder.ask(holder, "get", asked, who)
            if as_of and not _permits(pointer, context, "r"):
                return None
        except EmergeError as error:
            if as_of and isinstance(error, NotFound):  # it was not there yet: what was is here
                return row
            if names := self._locator.away(error):
                return {**row, "missing": names[0]}
            if is_hidden(error):
                return None
            raise
        return pointer

    async def referrers(self, args: Arguments, context: Context, pointer: PointerRow) -> EntryPage:
        """The page of the objects of all nodes that refer to the one with this pointer."""
        part = CALLS["_back"].bind([pointer["uuid"], args.cursor, args.limit])
        return await self._merged(await gather(self._locator, "/", "_back", part, context, same=True), args, context)

    async def _merged(self, gathered: Gathered, args: Arguments, context: Context) -> EntryPage:
        """One page, by uuid, of what all filesystems answered."""
        ways = Ways(self._locator, context)
        pages = [(await ways.shown(part, page["entries"]), page["cursor"]) for part, page in gathered.answers]
        entries, cursor = merge_pages(pages, _uuid, args.limit)
        page: EntryPage = {"entries": entries, "cursor": cursor}
        told = [each for _, answer in gathered.answers for each in answer.get("missing", ())]
        missing = list(dict.fromkeys([*gathered.missing, *told]))
        return {**page, "missing": missing} if missing else page

    async def dir(self, args: Arguments, context: Context) -> AsyncGenerator[PointerRow, None]:
        asked = find_operation("list").bind([args.path, "", PAGE, args.as_of])
        while True:
            page = await self._list(asked, context)
            for entry in page["entries"]:
                yield entry
            told = {entry["missing"] for entry in page["entries"] if "missing" in entry}
            if left_out := [each for each in page.get("missing", ()) if each not in told]:
                raise Unavailable(
                    f"what of {args.path} node {left_out[0]} has by now is not known",
                    path=args.path,
                    remedy=f"start node {left_out[0]} again, or list what there is",
                    missing=left_out,
                )
            if not page["cursor"]:
                return
            asked = asked._replace(cursor=page["cursor"])

    async def tree(self, args: Arguments, context: Context) -> AsyncGenerator[PointerRow, None]:
        if split_path(args.path) == (REGISTRY,):
            raise Invalid("/registry has no tree", path=args.path, remedy="list it: it holds everything by uuid")
        borders = self._borders(args.path)
        async with aclosing(self._locator.stream(args.path, "tree", args, context)) as rows:
            async for row in rows:
                border = borders.get(child_path(row["path"], row["name"]))
                shown = row if border is None else await self._top(border, row, context, args.as_of)
                if shown is None:
                    continue
                yield shown
                if border is not None and shown is not row and "missing" not in shown and _may_list(shown, context):
                    async with aclosing(self._subtree(at(args, border.path), context)) as inside:
                        async for child in inside:
                            yield child

    async def _subtree(self, args: Arguments, context: Context) -> AsyncGenerator[PointerRow, None]:
        """The tree of a volume whose top was shown; nothing when it may not be listed, or was removed meanwhile."""
        async with aclosing(self.tree(args, context)) as inside:
            try:
                async for child in inside:
                    yield child
            except EmergeError as error:
                if not is_hidden(error):
                    raise


def _may_list(pointer: PointerRow, context: Context) -> bool:
    """Tell whether the caller may go through a directory, as `tree` does: by its pointer."""
    return _permits(pointer, context, "rx")


def _permits(pointer: PointerRow, context: Context, rights: str) -> bool:
    return permits(context, pointer["owner"], pointer["group"], mode_of(pointer["perms"]), rights)


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


def _uuid(pointer: PointerRow) -> str:
    return pointer["uuid"]
