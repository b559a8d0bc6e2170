"""Suggest an index that would help a search, or would have helped repeated slow searches. In memory."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from ...context import Context
from ...errors import EmergeError
from ...query.key_range import ABSENT, Both, Either, Range, RangeSet
from ...results import IndexRows
from ..core import Core, Part
from ..indexes.index import FAILED, indexes_over
from ..tree.find import find
from .plan import flatten

if TYPE_CHECKING:
    from .query import Search

NEVER = ("path", "node")
"""Fields that are in no index: where an object is comes from its directory."""

SLOW = 0.1
"""Seconds from which a search counts as slow."""

OFTEN = 3
"""Slow searches after which an index is suggested."""

KEPT = 1000
"""Possible indexes remembered for one filesystem."""


_SLOW_SEARCHES = Part(dict[tuple[str, str], int])
"""Number of slow searches, by path and by the field whose index would have helped."""


class Help(NamedTuple):
    """How far a comparison narrows a search, from 0 (not at all) to 3 (equality); whether its field has an index."""

    rank: int
    served: bool
    field: str


_NONE = Help(0, False, "")


def suggest(asked: Search, order_by: str = "") -> str:
    """Return the field whose index would help a search most; "" if none would, or if it has one."""
    if asked.moment or not asked.top.entry.is_directory:
        return ""
    there = {index.fields[0] for index in asked.indexes if not index.text and index.state != FAILED}
    best = help_for(asked.predicate.ranges(), there)
    if not best.rank and order_by and order_by not in there and "." not in order_by and order_by not in NEVER:
        return order_by
    return "" if best.served else best.field


def help_for(want: RangeSet, there: Collection[str]) -> Help:
    """Find the comparison that an index would help most; `there` are the fields that have one."""
    if isinstance(want, Range):
        if want.field.split(".")[0] in NEVER:
            return _NONE
        ends = (want.low is not ABSENT) + (want.high is not ABSENT)
        rank = 3 if ends == 2 and want.low == want.high else ends
        return Help(rank, want.field in there, want.field)
    if isinstance(want, Both):
        return max((help_for(part, there) for part in flatten(want)), default=_NONE, key=lambda help: help[:2])
    if isinstance(want, Either):
        parts = [help_for(part, there) for part in want.parts]
        weakest = min(parts, default=_NONE, key=lambda help: (help.served, help.rank))
        return weakest if all(part.rank for part in parts) else _NONE
    return _NONE


def note_search(asked: Search, order_by: str, seconds: float) -> None:
    """Count a slow search that an index would have helped."""
    field = suggest(asked, order_by) if seconds >= SLOW else ""
    if field:
        slow = _SLOW_SEARCHES.of(asked.core)
        key = asked.top.path, field
        slow[key] = slow.pop(key, 0) + 1  # the newest last
        if len(slow) > KEPT:
            del slow[next(iter(slow))]


async def suggestions(core: Core, context: Context, path: str) -> IndexRows:
    """List the indexes that would have helped slow searches at or below a path, as rows of the operation `index`."""
    top = path.rstrip("/") + "/"
    rows: IndexRows = []
    for (directory, field), count in list(_SLOW_SEARCHES.of(core).items()):
        if count < OFTEN or not f"{directory}/".startswith(top):
            continue
        if await _is_missing(core, context, directory, field):
            rows.append(
                {
                    "path": directory,
                    "fields": [field],
                    "unique": False,
                    "text": False,
                    "state": "suggested",
                    "done": 0,
                    "total": 0,
                    "error": "",
                }
            )
    return rows


async def _is_missing(core: Core, context: Context, directory: str, field: str) -> bool:
    """Whether the caller may read the directory and no index there serves the field yet."""
    try:
        found = await find(core, context, directory, "r")
    except EmergeError:
        return False
    indexes = await indexes_over(core, found.place.chain)
    return not any(index.fields[0] == field and not index.text and index.state != FAILED for index in indexes)
