"""Carrying out a plan: its scans one after the other, page by page, from where an earlier page ended.

Gives each object that can fit once, now or at a moment, with its state; whether it does fit is looked at elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from ..context import Context
from ..errors import Invalid
from ..paths import DEPTH_LIMIT
from ..query.shape import Shape
from .candidate import Candidate, Candidates, Spots, with_states
from .class_shape import shapes_of
from .core import PAGE, Core
from .cursor import AGAIN
from .find import Found
from .index import Hit, Index, scan_index, scan_rest
from .index_row import read_state
from .place import Names
from .planning import Way
from .seek import seek
from .walk import walk_objects
from .whereabouts import Whereabouts


@dataclass(frozen=True, slots=True)
class Scan:
    """A range of an index, or (`bounds` None) its rest. An object is given by the first branch that admits it: this
    scan gives those of `owners` (None: all that it comes upon)."""

    index: Index
    bounds: tuple[bytes, bytes] | None
    owners: frozenset[int] | None = None


def scans_of(way: Way) -> list[Scan]:
    """The scans of a union: its ranges, and then the rest of each of its indexes."""
    indexes = list({branch.index: None for branch in way})
    if len(indexes) == 1:
        ranges = [Scan(indexes[0], bounds) for bounds in _joined([branch.bounds for branch in way])]
        return [*ranges, Scan(indexes[0], None)]
    ranges = [Scan(branch.index, branch.bounds, frozenset((number,))) for number, branch in enumerate(way)]
    owners = {index: frozenset(n for n, branch in enumerate(way) if branch.index == index) for index in indexes}
    return [*ranges, *(Scan(index, None, owners[index]) for index in indexes)]


def _joined(bounds: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same ranges, in order, those that overlap made one."""
    joined: list[tuple[bytes, bytes]] = []
    for low, high in sorted(bounds):
        if joined and low <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], high)
        elif low < high:
            joined.append((low, high))
    return joined


@dataclass(frozen=True, slots=True)
class Scanner:
    """All scans of one call, for one caller, at or below one path."""

    core: Core
    context: Context
    top: Found
    moment: str = ""

    async def scan(self, way: Way | None, mark: Any = None, first: int = PAGE) -> Candidates:
        """What the plan gives (None: a walk over everything), after a mark; in pages that grow from `first`."""
        if way is None:
            async for page in self.walk(mark, first):
                yield page
            return
        scans = scans_of(way)
        number, key = _read_mark(mark, len(scans)) if mark is not None else (0, b"")
        whereabouts = Whereabouts(self.core, self.context, self.top)
        for each in range(number, len(scans)):
            spots = self._spots(scans[each], each, whereabouts, key if each == number else b"", first)
            async for page in with_states(self.core, spots, near=False):
                yield await self._owned(way, scans[each].owners, page)

    async def _owned(self, way: Way, owners: frozenset[int] | None, page: list[Candidate]) -> list[Candidate]:
        """Those of a page that no other scan gives."""
        if owners is None:
            return page
        shapes = await shapes_of(self.core.store, (each.entry.bundle for each in page))
        return [each for each in page if _owner(way, each, shapes[each.entry.bundle]) in owners]

    async def walk(self, mark: Any = None, first: int = PAGE) -> Candidates:
        names = _read_names(mark) if mark is not None else ()
        spots = walk_objects(self.core, self.context, self.top, self.moment, names)
        async for page in with_states(self.core, spots, first):
            yield page

    async def count(self, most: int | None = None) -> int:
        """How many objects a walk comes upon; counted up to `most`."""
        total = 0
        async with aclosing(walk_objects(self.core, self.context, self.top, self.moment)) as pages:
            async for page in pages:
                total += len(page)
                if most is not None and total >= most:
                    return most
                await asyncio.sleep(0)
        return total

    async def _spots(self, scan: Scan, number: int, whereabouts: Whereabouts, key: bytes, first: int) -> Spots:
        async for hits in hits_of(self.core, scan.index, scan.bounds, after=key, first=first):
            yield await seek(self.core, self.context, whereabouts, hits, number)

    async def ordered(
        self, index: Index, bounds: tuple[bytes, bytes | None], reverse: bool, after: bytes, first: int
    ) -> Candidates:
        """The objects in a range of an index, in its order; the marks are the keys of its rows."""
        whereabouts = Whereabouts(self.core, self.context, self.top)

        async def spots() -> Spots:
            async for hits in hits_of(self.core, index, bounds, after=after, first=first, reverse=reverse):
                yield await seek(self.core, self.context, whereabouts, hits)

        async for page in with_states(self.core, spots(), near=False):
            yield page

    async def rest(self, index: Index) -> Candidates:
        """The objects without a place in an index."""
        spots = self._spots(Scan(index, None), 0, Whereabouts(self.core, self.context, self.top), b"", PAGE)
        async for page in with_states(self.core, spots, near=False):
            yield page


async def hits_of(
    core: Core,
    index: Index,
    bounds: tuple[bytes, bytes | None] | None,
    *,
    after: bytes = b"",
    first: int = PAGE,
    reverse: bool = False,
) -> AsyncGenerator[list[Hit], None]:
    """The rows of a range of an index, or of its rest, in pages that grow from `first`."""
    size = min(max(first, 16), PAGE)
    while True:
        if bounds is None:
            hits = await scan_rest(core, index, after=after, limit=size)
        else:
            hits = await scan_index(core, index, *bounds, after=after, limit=size, reverse=reverse)
        if hits:
            yield hits
        if len(hits) < size:
            return
        after, size = hits[-1].key, min(size * 4, PAGE)


def _owner(way: Way, candidate: Candidate, shape: Shape) -> int:
    """The first branch that admits an object; -1 when none does any more."""
    state = read_state(candidate.state)
    admitted = (n for n, branch in enumerate(way) if branch.admits(shape, candidate.entry, state))
    return next(admitted, -1)


def _read_names(mark: Any) -> Names:
    if type(mark) is not list or not 0 < len(mark) <= DEPTH_LIMIT or not all(type(name) is str for name in mark):
        raise Invalid("this cursor is of another plan", remedy=AGAIN)
    return tuple(mark)


def _read_mark(mark: Any, scans: int) -> tuple[int, bytes]:
    if type(mark) is not list or [type(part) for part in mark] != [int, bytes] or not 0 <= mark[0] < scans:
        raise Invalid("this cursor is of another plan", remedy=AGAIN)
    return mark[0], mark[1]
