"""The rows of a subtree, as one filesystem reads them for another: histories, names and references, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import groupby
from typing import NamedTuple

from ...store import prefix_end
from ..core import Core
from ..layout.ancestry import REMOVED
from ..layout.locality import PAGE_ROWS, get_entries
from ..layout.record import Entry, is_directory
from ..transactions.call_record import records_at
from ..tree.links import newest_record
from .part import CALLS, RowPart, StoreRow
from .visitor import Inside, Visitors


async def rows_of(core: Core, top: Entry, above: bytes, source: str = "") -> AsyncIterator[list[StoreRow]]:
    """Yield the rows of an object, or of a directory and all below it, removed objects too, in parts.

    A directory's names come before what they lead to, so what came of an unfinished handover can be found and removed.
    `above` is the directory whose uuid the other filesystem replaces by that of its own, where the path stays (b"": it
    does not); then what was moved out of the subtree comes too, as far as it was there. So do the records of calls for
    what is at the path `source`, which are repeated there (those of what moves elsewhere are repeated here).
    """
    part, inside = RowPart(core, top.uuid, above), Inside(core, top.uuid)
    visitors = Visitors(core, inside)
    async for _ in part.add_object(top.uuid, living=True):
        yield part.take()
    pending = [top.uuid] if top.is_directory else []
    while pending:
        directory = pending.pop()
        async for child in _children(core, directory):
            if child.moved:
                if await inside.has(child.uuid):
                    part.rows += child.rows
                elif above and await visitors.note(child.uuid, child.rows):
                    part.rows += child.rows
                continue
            part.rows += child.rows
            async for _ in part.add_object(child.uuid, living=child.living):
                yield part.take()
            if child.is_directory:
                pending.append(child.uuid)
    async for _ in visitors.add_to(part):
        yield part.take()
    if above and source:
        async for digest, raw in records_at(core, source):
            part.add((CALLS, digest, raw))
            if part.is_full:
                yield part.take()
    yield part.take()


class _Child(NamedTuple):
    """What is in a directory, was removed from it, or moved on, with the rows of its name."""

    uuid: bytes
    living: bool
    is_directory: bool
    rows: list[StoreRow]
    moved: bool = False


async def _children(core: Core, directory: bytes) -> AsyncIterator[_Child]:
    """Yield what is or was in a directory."""
    start, end = directory, prefix_end(directory)
    while True:
        page = await core.store.scan("links", start, end, limit=PAGE_ROWS)
        names = list(dict.fromkeys(key[:-25] for key, _ in page))
        entries = dict(zip(names, await get_entries(core.store, names), strict=True))
        for (key, uuid), group in groupby(page, lambda row: (row[0][:-25], row[0][-24:-8])):
            raw = entries[key]
            rows: list[StoreRow] = [("links", *row) for row in group]
            if raw is not None and raw[:16] == uuid:
                yield _Child(uuid, True, is_directory(raw), [("entries", key, raw), *rows])
                continue
            record = await newest_record(core, uuid)
            if record is None:
                continue
            removed = record.operation == REMOVED and record.parent == directory
            yield _Child(uuid, False, is_directory(record.raw), rows, moved=not removed)
        if len(page) < PAGE_ROWS:
            return
        start = page[-1][0] + b"\0"
