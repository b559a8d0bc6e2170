"""Matches that the keys of an index prove, from the rows that the engine joins straight to what a search returns.

`seek.py` and `judge.py` do this for every plan; most searches by an index need nothing else than this. Awaits the store
only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...codec.msgpack_engine import engine
from ...context import Context
from ...results import ObjectRow
from ...store import JoinedRow
from ..indexes.index_row import PREFIX_SIZE
from ..layout.access import mode_of, permits
from ..layout.join import scan_joined
from ..layout.record import STATE, pointer_in
from ..time_slice import TimeSlice
from ..tree.load import PAGE_BYTES
from .directories import Whereabouts
from .query import Search
from .scan import ScanPlan
from .seek import NO_KEYS, PageSize, SoughtRange, after_row

Mark = Sequence[object]


@dataclass(slots=True)
class ProvenRows:
    """The first matches of a page: `size` bytes of states, up to the one with the mark `last`.

    `seen`: the mark of the last row that was read. The search is `over`, or the page is `full`, or what comes
    next takes more than its key.
    """

    last: Mark
    seen: Mark | None
    rows: list[ObjectRow] = field(default_factory=list)
    size: int = 0
    full: bool = False
    over: bool = False


async def proven_rows(asked: Search, plan: ScanPlan | None, mark: Mark | None, limit: int) -> ProvenRows:
    """Return the matches after a mark up to the first row that does not prove one; none for any other plan."""
    found = ProvenRows(mark or (), mark)
    if plan is None or not plan.scans or plan.scans[0].sure is None:
        return found
    left, page, time_slice = plan.left(mark), PageSize(limit + 1), TimeSlice()
    whereabouts = Whereabouts(asked.core, asked.context, asked.top)
    while left[0].sure != NO_KEYS:
        rows = await scan_joined(asked.core.store, "indexes", [each.rows for each in left], page.rows)
        paths = await whereabouts.paths_of({where[:16] for _, _, where, _ in rows})
        before, count = found.size, len(found.rows)
        whole = _add(found, asked.context, asked.core.node, left, rows, paths, limit)
        asked.judge.scanned += len(found.rows) - count
        found.over = whole and len(rows) < page.rows
        found.full = found.full or len(found.rows) == limit
        if found.over or found.full or not whole:
            break
        await time_slice.share()  # the store may never suspend
        left = after_row(left, rows[-1])
        page.grow(found.size - before)
    return found


def _add(
    found: ProvenRows,
    context: Context,
    node: str,
    ranges: Sequence[SoughtRange],
    rows: Sequence[JoinedRow],
    paths: Mapping[bytes, str | None],
    limit: int,
) -> bool:
    """Add the objects of rows that prove a match and that the caller may read, until the page is full.

    Returns whether all of the rows were seen.
    """
    (low, high), unpack, add = ranges[0].sure, engine.unpackb, found.rows.append
    rights: dict[tuple[str, str, str], bool] | None = None if context.superuser else {}
    size, count, last, seen = found.size, len(found.rows), b"", b""
    whole = False
    for place, key, where, raw in rows:
        if place or count == limit:
            break
        path = paths[where[:16]]
        if path is not None:
            if raw is None or not low <= key < high:
                break
            record = unpack(raw)
            state: bytes | None = record[STATE]
            if state is None:
                break
            pointer = pointer_in(record[0], path, node)
            if rights is None or _readable(context, rights, pointer["owner"], pointer["group"], pointer["perms"]):
                size += len(state)
                if count and size > PAGE_BYTES:
                    found.full = True
                    break
                add({"pointer": pointer, "state": state})
                count += 1
                last = key
        seen = key
    else:
        whole = True
    scan = ranges[0].scan
    if last:
        found.last = [scan, last[PREFIX_SIZE:]]
    if seen:
        found.seen = [scan, seen[PREFIX_SIZE:]]
    found.size = size
    return whole


def _readable(context: Context, rights: dict[tuple[str, str, str], bool], owner: str, group: str, perms: str) -> bool:
    """Whether the caller may read what has these permissions; `rights` keeps what was found."""
    owned = owner, group, perms
    allowed = rights.get(owned)
    if allowed is None:
        allowed = rights[owned] = permits(context, owner, group, mode_of(perms), "r")
    return allowed
