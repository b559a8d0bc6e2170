"""Search in the order of a field: walk an index in that order, or else sort all matches.

Objects are ordered by `query/order.sort_key`, then by uuid; those without a sort key come last, both ascending and
descending. A cursor holds the last object's key and uuid, so it stays valid when the plan changes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import accumulate
from operator import itemgetter
from typing import NamedTuple, TypeVar

from ...query.order import sort_key
from ...store import prefix_end
from ..core import Part
from ..indexes.index import Index, scan_rest
from ..layout.log import newest_position
from ..tree.load import PAGE_BYTES
from .candidate import Candidate, Candidates, load_states
from .column import Columns, check_field
from .cursor import read_cursor, write_cursor
from .judge import Errors
from .plan import Branch, Span, Way
from .query import Search
from .seek import Keys

Placed = tuple[bytes, bytes, Candidate]
"""An object's sort key (b"": none), its uuid, and the object without its state."""

FEW = 512
"""Fewer objects than this are sorted, rather than an index walked in its order, though that may end early."""


KEPT = 20_000
"""Objects of one search that are kept for its next pages."""

FOLLOWING = 2_000
"""Those that are kept after its first page, which most searches end with."""

COUNTED = 1_000_000
"""Most objects whose pages are noted while the first one is made."""

ORDERS = 4
"""Searches whose next pages are kept."""

OrderPlace = tuple[bytes, bytes]
"""A sort key and a uuid."""


class NextPages(NamedTuple):
    """The objects that follow a page, at a position of the log; `begun` is where they begin (None: with the first)."""

    position: int
    begun: OrderPlace | None
    placed: list[Placed]
    ended: bool  # these are all


class Pages(NamedTuple):
    """Where the pages of a search begin, at a position of the log, and what it had looked at then."""

    position: int
    limit: int
    total: int
    cursors: list[str]
    scanned: int
    errors: Errors


_NEXT_PAGES = Part(dict[tuple[object, ...], NextPages])
_PAGES = Part(dict[tuple[object, ...], Pages])


@dataclass(slots=True)
class Best:
    """Keeps the first `limit` of the added objects in order, of those after the (key, uuid) `after`."""

    limit: int
    descending: bool
    after: OrderPlace | None
    order: list[OrderPlace] | None = None
    """Where all objects are to be noted: the places of those added."""
    _placed: list[Placed] = field(default_factory=list)
    _last: list[Placed] = field(default_factory=list)

    def add(self, key: bytes, candidate: Candidate) -> None:
        if not self.is_after(key, candidate.entry.uuid):
            return
        if self.order is not None:
            self.order.append((key, candidate.entry.uuid))
            if len(self.order) > COUNTED:
                self.order = None
        held = self._placed if key else self._last
        held.append((key, candidate.entry.uuid, candidate._replace(state=None)))
        if len(held) > 2 * self.limit + 1000:
            self._cut(held)

    def is_after(self, key: bytes, uuid: bytes) -> bool:
        if self.after is None:
            return True
        if not key or not self.after[0]:
            return not key and (bool(self.after[0]) or uuid > self.after[1])
        return ((key, uuid) < self.after) if self.descending else ((key, uuid) > self.after)

    def _cut(self, held: list[Placed]) -> None:
        held.sort(key=itemgetter(0, 1), reverse=self.descending and held is self._placed)
        del held[self.limit :]

    def first(self) -> list[Placed]:
        self._cut(self._placed)
        self._cut(self._last)
        return (self._placed + self._last)[: self.limit]


@dataclass(frozen=True, slots=True)
class Path:
    """A range of an index whose rows come in the requested order; `prefix` fixes the fields before it."""

    index: Index
    prefix: bytes
    low: bytes
    high: bytes | None
    lacking: bool  # whether objects that lack its first field may match
    branch: Branch | None = None  # the spans that make the range
    sure: Keys | None = None  # keys that prove a match
    rest: bool = False  # whether objects without a sort key in the index may match


async def ordered_page(
    asked: Search, order_by: str, descending: bool, limit: int, cursor: str
) -> tuple[list[Candidate], str]:
    """Return the next objects in the order of a field, and the cursor after them."""
    fingerprint = asked.mark(check_field(order_by), descending)
    after: OrderPlace | None = None
    if cursor:
        key, uuid = read_cursor(cursor, fingerprint, bytes, bytes)
        after = key, uuid
    way, path = await plan_order(asked, order_by)
    if path is not None:
        placed, more = await _along(asked, path, order_by, Best(limit, descending, after))
    else:
        placed, more = await _remembered(asked, way, order_by, fingerprint, Best(limit, descending, after))
        if after is not None:  # the first page looked at all of them
            asked.judge.errors.cut((0, 0))
    found = await _with_states(asked, [candidate for _, _, candidate in placed])
    more = more or len(found) < len(placed)
    return found, write_cursor(fingerprint, *placed[len(found) - 1][:2]) if found and more else ""


async def ordered_cursors(asked: Search, order_by: str, descending: bool, limit: int) -> tuple[int, list[str]]:
    """Return how many objects there are, and the cursor of each page of them in the order of a field."""
    fingerprint = asked.mark(check_field(order_by), descending)
    position = await newest_position(asked.core.store)
    for key in _keys(asked, fingerprint):
        held = _PAGES.of(asked.core).get(key)
        if held is not None and (held.position, held.limit) == (position, limit) and not asked.context.transaction:
            asked.judge.scanned, asked.judge.errors = held.scanned, held.errors
            return held.total, held.cursors
    best = Best(sys.maxsize, descending, None)
    await _add_all(asked, asked.fitting(await asked.plan()), order_by, best)
    placed = best.first()
    return len(placed), _cursors([each[:2] for each in placed], limit, fingerprint)


def _cursors(order: Sequence[OrderPlace], limit: int, fingerprint: bytes) -> list[str]:
    """Return the cursors of all pages of objects in this order."""
    lasts = range(limit - 1, len(order) - 1, limit)
    return ["", *(write_cursor(fingerprint, *order[last]) for last in lasts)]


async def plan_order(asked: Search, order_by: str) -> tuple[Way | None, Path | None]:
    """Return the plan for all matches, and the index range to walk in order, if that is better."""
    way = await asked.plan()
    path = await _find_path(asked, order_by)
    if path is None or way == ():
        return way, None
    if way is not None and {branch.index for branch in way} != {path.index}:
        if await asked.planner.probe(way, FEW) < FEW:
            return way, None
    return way, replace(path, sure=asked.sure_in(path.index, way))


async def _find_path(asked: Search, order_by: str) -> Path | None:
    """Find an index range in the order of a field that holds every possible match."""
    spans = asked.spans()
    for index in asked.indexes:
        if index.state == "ready" and not index.text and index.fields[-1] == order_by:
            path = _path(index, spans)
            if path is None:
                continue
            rest = len(await scan_rest(asked.core, index, limit=FEW, lacking=path.lacking))
            if rest < FEW:
                return replace(path, rest=bool(rest))
    return None


def _path(index: Index, spans: dict[str, Span]) -> Path | None:
    *above, last = index.fields
    if not all(name in spans and spans[name].exact for name in above):
        return None
    prefix = b"".join(spans[name].low for name in above)
    used = tuple(spans[name] for name in index.fields if name in spans)
    branch = Branch(index, used, "") if used else None
    if last in spans:
        return Path(index, prefix, prefix + spans[last].low, prefix + spans[last].high, False, branch)
    return Path(index, prefix, prefix, prefix_end(prefix) if prefix else None, not above, branch)


async def _along(asked: Search, path: Path, order_by: str, best: Best) -> tuple[list[Placed], bool]:
    """Return the next matches of an index range and of the index's rest, and whether there may be more."""
    walked, more = await _walk(asked, path, best)
    if not path.rest:
        await _end(asked, path, more)
        return walked, more
    for key, _, candidate in walked:
        best.add(key, candidate)
    before = asked.judge.errors.mark()
    await _add_all(asked, asked.judge.fitting(asked.scanner.rest(path.index, path.lacking)), order_by, best)
    placed = best.first()
    if more:  # objects after the last one walked may follow one not walked yet
        beyond = replace(best, after=walked[-1][:2])
        placed = [each for each in placed if not beyond.is_after(each[0], each[1])]
    more = more or len(placed) == best.limit
    if more:
        asked.judge.errors.cut(before)  # the last page looks at the rest again
    await _end(asked, path, more)
    return placed, more


async def _end(asked: Search, path: Path, more: bool) -> None:
    """Count, with the last page, the errors on objects that the range leaves out."""
    if path.branch is not None and not more:
        async with aclosing(asked.judge.fitting(asked.scanner.excluded(path.branch, asked.needed))) as pages:
            async for _ in pages:
                pass


async def _walk(asked: Search, path: Path, best: Best) -> tuple[list[Placed], bool]:
    after, placed, size = best.after, list[Placed](), 0
    if after is not None and not after[0]:
        return [], False  # only objects without a sort key are left
    start = path.prefix + b"".join(after) if after is not None else b""
    pages = asked.scanner.ordered(path.index, (path.low, path.high), best.descending, start, best.limit, path.sure)
    skip = len(path.prefix)
    async with aclosing(asked.judge.fitting(pages)) as fitting:
        async for page in fitting:
            for each in page:
                placed.append((each.mark[1][skip:-16], each.entry.uuid, each))
                size += each.entry.state_size
                if len(placed) == best.limit or size > PAGE_BYTES:
                    asked.judge.stop_after(each)
                    return placed, True
    return placed, False


async def _remembered(
    asked: Search, way: Way | None, order_by: str, fingerprint: bytes, best: Best
) -> tuple[list[Placed], bool]:
    """Sort all matches and return the next ones; keep those that follow for the next pages while nothing changes.

    Otherwise each page of an order without an index would read everything again.
    """
    kept = _NEXT_PAGES.of(asked.core)
    if asked.context.transaction:
        return await _best_of(asked, way, order_by, best)
    position = await newest_position(asked.core.store)
    if best.after is None:
        return await _first_of(asked, way, order_by, fingerprint, best, position)
    for key in _keys(asked, fingerprint):
        held = kept.pop(key, None)
        if held is not None and held.position == position:
            left = [each for each in held.placed if best.is_after(each[0], each[1])]
            if _goes_on(best, held.begun) and (held.ended or len(left) > best.limit):
                kept[key] = held
                return left[: best.limit], len(left) > best.limit
    placed, more = await _best_of(asked, way, order_by, replace(best, limit=max(best.limit, KEPT)))
    if len(placed) > best.limit:
        _keep(kept, _keys(asked, fingerprint)[asked.evaluation.ran], NextPages(position, best.after, placed, not more))
    return placed[: best.limit], more or len(placed) > best.limit


async def _first_of(
    asked: Search, way: Way | None, order_by: str, fingerprint: bytes, best: Best, position: int
) -> tuple[list[Placed], bool]:
    """Sort all matches for the first page, and keep what else is asked then: the objects after it, and its pages."""
    many = replace(best, limit=max(best.limit, FOLLOWING), order=[])
    placed, more = await _best_of(asked, way, order_by, many)
    key = _keys(asked, fingerprint)[asked.evaluation.ran]
    if len(placed) > best.limit:
        _keep(_NEXT_PAGES.of(asked.core), key, NextPages(position, None, placed, not more))
        if many.order is not None:
            last = sorted(each for each in many.order if not each[0])
            order = sorted((each for each in many.order if each[0]), reverse=best.descending) + last
            cursors, errors = _cursors(order, best.limit, fingerprint), asked.judge.errors.copy()
            pages = Pages(position, best.limit, len(order), cursors, asked.judge.scanned, errors)
            _keep(_PAGES.of(asked.core), key, pages)
    return placed[: best.limit], len(placed) > best.limit or (more and len(placed) == best.limit)


def _keys(asked: Search, fingerprint: bytes) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Return what the answers of a search are kept under: without and with what time it is, of which code may ask."""
    context, timed = asked.evaluation.caller, asked.predicate.timed
    caller = (context.principal, context.groups, context.superuser, context.owners)
    return (fingerprint, context.clock if timed else None, *caller), (fingerprint, context.clock, *caller)


T = TypeVar("T")


def _keep(kept: dict[tuple[object, ...], T], key: tuple[object, ...], answer: T) -> None:
    kept.pop(key, None)
    kept[key] = answer
    while len(kept) > ORDERS:
        del kept[next(iter(kept))]


def _goes_on(best: Best, begun: OrderPlace | None) -> bool:
    """Whether the objects kept after `begun` include all those after `best.after`."""
    if begun is None or best.after == begun:
        return True
    return best.after is not None and replace(best, after=begun).is_after(*best.after)


async def _best_of(asked: Search, way: Way | None, order_by: str, best: Best) -> tuple[list[Placed], bool]:
    await _add_all(asked, asked.fitting(way), order_by, best)
    placed = best.first()
    return placed, len(placed) == best.limit


async def _add_all(asked: Search, fitting: Candidates, order_by: str, best: Best) -> None:
    columns = Columns(asked.core, asked.evaluation, asked.judge.errors, [order_by])
    async with aclosing(fitting) as pages:
        async for page in pages:
            (values,) = await columns.of(page)
            for candidate, value in zip(page, values, strict=True):
                best.add(sort_key(value) or b"", candidate)


async def _with_states(asked: Search, found: list[Candidate]) -> list[Candidate]:
    """Return the first objects whose states fit into a page, with their states."""
    sizes = accumulate(each.entry.state_size for each in found)
    fitting = [each for each, size in zip(found, sizes, strict=True) if size <= PAGE_BYTES] or found[:1]
    states = iter(await load_states(asked.core, [each.entry for each in fitting if each.state is None]))
    return [each if each.state is not None else each._replace(state=next(states)) for each in fitting]
