"""One node's part of a search or of back references that span several nodes, in a form that can be merged.

Only nodes call these, so they are not in the operation table. Awaits the store and the runner.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from ...context import Context
from ...operations import Answer, Wire
from ...paths import child_path
from ...query.order import sort_key
from ...results import EntryPage, VersionRows
from ..core import Core
from ..indexes.index_row import ABSENT
from ..objects.copy import sources_at
from ..objects.read import history
from ..objects.reference import back_references
from ..runs.for_others import evaluate_part, run_part
from ..tree.load import check_limit
from ..tree.mount import check_way
from .column import Columns, check_field
from .cursor import read_cursor, write_cursor
from .judge import Errors
from .ordered import ordered_page
from .query import open_search
from .searchtext import read_words, searchtext
from .suggestion import note_search

Position = tuple[Any, bytes]
"""An object's position in an order: the sort key of its value (b"": none) or its score, and its uuid."""


async def ordered_part(
    core: Core,
    context: Context,
    path: str,
    predicate: Wire | None,
    order_by: str,
    descending: bool,
    limit: int,
    after: Position | None,
    as_of: str,
    bundles: dict[str, bytes] | None,
) -> Wire:
    """Search in the order of a field, after a position: {"rows": [{"position", "row"}…], "next", "scanned", "errors"}.

    "next" is the position to continue after; None means that there are no more.
    """
    check_limit(limit)
    began = time.perf_counter()
    asked = await open_search(core, context, path, predicate, as_of, bundles)
    mark = asked.mark(check_field(order_by), descending)
    found, cursor = await ordered_page(asked, order_by, descending, limit, write_cursor(mark, *after) if after else "")
    note_search(asked, order_by, time.perf_counter() - began)
    (values,) = await Columns(core, asked.evaluation, Errors(), [order_by]).of(found)
    return {
        "rows": [
            {
                "position": [sort_key(value) or b"", each.entry.uuid],
                "row": {"pointer": each.entry.wire(each.directory, core.node), "state": each.state},
            }
            for each, value in zip(found, values, strict=True)
        ],
        "next": read_cursor(cursor, mark, bytes, bytes) if cursor else None,
        "scanned": asked.judge.scanned,
        "errors": asked.judge.errors.wire(),
    }


async def text_part(
    core: Core, context: Context, path: str, field: str, words: str, limit: int, after: Position | None
) -> Wire:
    """Run `searchtext` after a position: {"rows": [{"position", "row"}…], "next"}."""
    wanted = [[word.text, word.prefix] for word in read_words(words)]
    mark = (await open_search(core, context, path, None, "", None)).mark(check_field(field), wanted)
    page = await searchtext(core, context, path, field, words, limit, write_cursor(mark, *after) if after else "")
    return {
        "rows": [
            {"position": [row["score"], bytes.fromhex(row["pointer"]["uuid"])], "row": row} for row in page["objects"]
        ],
        "next": read_cursor(page["cursor"], mark, float, bytes) if page["cursor"] else None,
    }


async def columns_part(
    core: Core,
    context: Context,
    path: str,
    fields: list[str],
    predicate: Wire | None,
    as_of: str,
    bundles: dict[str, bytes] | None,
) -> AsyncGenerator[Wire, None]:
    """Yield some fields of all matches, page by page: {"paths", "columns"}, and at the end {"scanned", "errors"}.

    "columns" holds the values of each field, None where an object has none.
    """
    asked = await open_search(core, context, path, predicate, as_of, bundles)
    columns = Columns(core, asked.evaluation, asked.judge.errors, fields)
    async with aclosing(asked.fitting(await asked.plan())) as pages:
        async for page in pages:
            values = await columns.of(page)
            yield {
                "paths": [child_path(each.directory, each.entry.name) for each in page],
                "columns": [[None if value is ABSENT else value for value in column] for column in values],
            }
    yield {"scanned": asked.judge.scanned, "errors": asked.judge.errors.wire()}


async def back_part(core: Core, context: Context, uuid: str, cursor: str, limit: int) -> EntryPage:
    """List the references to the object with this uuid, which may be on another node: {"entries", "cursor"}."""
    return await back_references(core, context, bytes.fromhex(uuid), cursor, limit)


async def history_part(core: Core, context: Context, uuid: str, before: int, limit: int) -> VersionRows:
    """List the versions of an object, whose place at another moment was on another node, where its rights are known."""
    return await history(core, bytes.fromhex(uuid), before, limit)


async def copied_part(core: Core, context: Context, path: str, recursive: bool) -> AsyncGenerator[Wire, None]:
    """Yield what is to be copied of this filesystem, the top first: {"entry", "directory", "state"}."""
    async with aclosing(sources_at(core, context, path, recursive)) as sources:
        async for each in sources:
            yield {"entry": each.entry.pack(), "directory": each.directory, "state": each.state}


PARTS: dict[str, Callable[..., Answer]] = {
    "_ordered": ordered_part,
    "_text": text_part,
    "_columns": columns_part,
    "_back": back_part,
    "_history": history_part,
    "_copied": copied_part,
    "_way": check_way,
    "_run_part": run_part,
    "_evaluate_part": evaluate_part,
}
