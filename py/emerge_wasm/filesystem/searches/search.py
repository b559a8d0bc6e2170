"""The operations `search` and `count`: find objects by a predicate, or count them. `plan.py` plans how."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import aclosing

from ...context import Context
from ...operations import Wire
from ...results import ObjectRow, SearchCount, Searched, SearchPage, SearchPages
from ..core import Core
from ..tree.load import PAGE_BYTES, check_limit
from .candidate import Candidate
from .cursor import read_cursor, take_clock, with_clock, write_cursor
from .ordered import ordered_cursors, ordered_page
from .proven import proven_rows
from .query import Search, open_search
from .suggestion import note_search


async def search(
    core: Core,
    context: Context,
    path: str,
    predicate: Wire | None,
    order_by: str,
    descending: bool,
    limit: int,
    cursor: str,
    as_of: str,
    bundles: dict[str, bytes] | None,
) -> SearchPage:
    check_limit(limit)
    began = time.perf_counter()
    context, cursor = take_clock(context, cursor)
    asked = await open_search(core, context, path, predicate, as_of, bundles)
    if order_by:
        found, after = await ordered_page(asked, order_by, descending, limit, cursor)
        rows = [_row(asked, each) for each in found]
    else:
        rows, after = await _page(asked, limit, cursor)
    note_search(asked, order_by, time.perf_counter() - began)
    if after:
        after = with_clock(after, asked.evaluation.caller)
    return {"objects": rows, "cursor": after, "scanned": asked.judge.scanned, "errors": asked.judge.errors.wire()}


def _row(asked: Search, found: Candidate) -> ObjectRow:
    return {"pointer": found.entry.wire(found.directory, asked.core.node), "state": found.state or b""}


async def _page(asked: Search, limit: int, cursor: str) -> tuple[list[ObjectRow], str]:
    """Return the next objects in the plan's own order, and the cursor after them."""
    mark = None
    if cursor:
        asked.choices.given, mark = read_cursor(cursor, asked.mark_of_plan(), list, list)
    way = await asked.plan()
    proven = await proven_rows(asked, asked.scans(way), mark, limit)
    found, size, node = proven.rows, proven.size, asked.core.node
    if proven.over:
        return found, ""
    if proven.full:
        return found, _continue(asked, proven.last)
    last: Candidate | None = None
    async with aclosing(asked.fitting(way, proven.seen, limit - len(found))) as pages:
        async for page in pages:
            for candidate in page:
                entry, directory, _, state, _, _ = candidate
                size += len(state or b"")
                if found and (len(found) == limit or size > PAGE_BYTES):
                    asked.judge.stop_after(last)
                    return found, _continue(asked, proven.last if last is None else last.mark)
                found.append({"pointer": entry.wire(directory, node), "state": state or b""})
                last = candidate  # keep no more of them: live objects slow the garbage collector
            if last is not None and len(found) == limit:
                asked.judge.stop_after(last)
                return found, _continue(asked, last.mark)
    return found, ""


def _continue(asked: Search, mark: Iterable[object]) -> str:
    """Return the cursor after the match with that mark."""
    return write_cursor(asked.mark_of_plan(), asked.choices.made, list(mark))


async def searchpages(
    core: Core,
    context: Context,
    path: str,
    predicate: Wire | None,
    order_by: str,
    descending: bool,
    limit: int,
    as_of: str,
    bundles: dict[str, bytes] | None,
) -> SearchPages:
    """Count the matches, and note the cursor after each page of them."""
    check_limit(limit)
    began = time.perf_counter()
    asked = await open_search(core, context, path, predicate, as_of, bundles)
    if order_by:
        total, cursors = await ordered_cursors(asked, order_by, descending, limit)
    else:
        total, cursors = await _cursors(asked, limit)
    note_search(asked, order_by, time.perf_counter() - began)
    if len(cursors) > 1:
        cursors = [with_clock(cursor, asked.evaluation.caller) for cursor in cursors]
    found: Searched = {"scanned": asked.judge.scanned, "errors": asked.judge.errors.wire()}
    return {"count": total, "cursors": cursors, **found}


async def _cursors(asked: Search, limit: int) -> tuple[int, list[str]]:
    total, cursors, last = 0, [""], ""
    mark = asked.mark_of_plan()
    async with aclosing(asked.fitting(await asked.plan())) as pages:
        async for page in pages:
            for candidate in page:
                if total and total % limit == 0:
                    cursors.append(last)
                total += 1
                if total % limit == 0:
                    last = write_cursor(mark, asked.choices.made, list(candidate.mark))
    return total, cursors


async def count(
    core: Core, context: Context, path: str, predicate: Wire | None, as_of: str, bundles: dict[str, bytes] | None
) -> SearchCount:
    began = time.perf_counter()
    asked = await open_search(core, context, path, predicate, as_of, bundles)
    if predicate is None:
        total = asked.judge.scanned = await asked.scanner.count()
    else:
        total, fitting = await asked.counted(await asked.plan())
        async with aclosing(fitting) as pages:
            async for page in pages:
                total += len(page)
        note_search(asked, "", time.perf_counter() - began)
    return {"count": total, "scanned": asked.judge.scanned, "errors": asked.judge.errors.wire()}
