"""Execute a plan: run its scans one after the other, page by page, from where an earlier page ended.

Yields each possible match once, now or at a moment, with its state; `judge.py` tests whether it does match.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple

from ...context import Context
from ...errors import Invalid
from ...paths import DEPTH_LIMIT
from ...query.exact_range import ExactRange
from ...query.shape import Shape
from ..core import Core
from ..indexes.class_shape import shapes_of
from ..indexes.index import Hit, Index, scan_index, scan_rest
from ..indexes.index_row import NOWHERE, REST, index_prefix, read_state
from ..layout.locality import PAGE_ROWS
from ..layout.place import PathNames
from ..time_slice import TimeSlice
from ..tree.find import Found
from .candidate import Candidate, Candidates, with_states
from .cursor import AGAIN
from .directories import Whereabouts
from .plan import Branch, Way
from .seek import Keys, SoughtRange, read_ranges
from .walk import walk_objects


@dataclass(frozen=True, slots=True)
class Scan:
    """A range of an index, or with `bounds` None its rest.

    The first branch that admits an object owns it, else the first that may raise on it; a scan yields only objects
    owned by `owners` (None: all).

    `lacking`: with the rest, also the objects that lack the index's first field.
    """

    index: Index
    bounds: Keys | None
    owners: frozenset[int] | None = None
    sure: Keys | None = None  # keys that prove a match
    lacking: bool = False

    def ranges(self, number: int, needed: str = "") -> list[SoughtRange]:
        """Return the rows that it reads, as scan of that number.

        `needed`: as in `scan_plan`. The objects that lack the index's first field are a range, the rest after them too.
        """
        if self.bounds is not None:
            low, high = self.bounds
            return [SoughtRange.of(self.index.id, low, min(high, NOWHERE), number, self.sure)]
        rest = SoughtRange.of(self.index.id, REST, REST + b"\xff" * 17, number)
        if not self.lacking:
            return [rest]
        lacks = needed if self.owners is None and needed == self.index.fields[0] else ""
        return [SoughtRange.of(self.index.id, NOWHERE, REST, number, lacks=lacks), rest]


class ScanPlan(NamedTuple):
    """The scans of a plan, and the rows that they read, in order."""

    way: Way
    scans: list[Scan]
    ranges: list[SoughtRange]

    def left(self, mark: object = None) -> list[SoughtRange]:
        """Return the rows that follow a mark, all if it is None. Raises Invalid for the mark of another plan."""
        if mark is None:
            return self.ranges
        number, key = _read_mark(mark, len(self.scans))
        after = index_prefix(self.scans[number].index.id) + key
        return [each.after(after) if each.scan == number else each for each in self.ranges if each.scan >= number]


def scan_plan(way: Way, certain: dict[str, ExactRange] | None = None, needed: str = "") -> ScanPlan:
    """Return how a plan's objects are read.

    `certain`: keys that prove the predicate; their objects are marked as sure. `needed`: the field without which
    the predicate raises; objects that lack it are marked so, where an index tells.
    """
    return _planned(way, scans_of(way, certain), needed)


def _planned(way: Way, scans: list[Scan], needed: str) -> ScanPlan:
    return ScanPlan(way, scans, [each for number, scan in enumerate(scans) for each in scan.ranges(number, needed)])


def scans_of(way: Way, certain: dict[str, ExactRange] | None = None) -> list[Scan]:
    """Return the scans of a union: its ranges, then the rest of each index, and where the predicate may raise.

    `certain`: keys that prove a match.
    """
    if len(way) == 1 and (sure := way[0].sure(certain)) is not None:
        keys = sure.low, sure.high
        first = Scan(way[0].index, keys if sure.whole else way[0].bounds, sure=keys)
        return [first, *excluded_by(way[0]), Scan(way[0].index, None, lacking=way[0].lacking)]
    indexes = list({branch.index: None for branch in way})
    if len(indexes) == 1:
        bounds = [each for branch in way for each in (branch.bounds, *branch.around)]
        ranges = [Scan(indexes[0], each) for each in _joined(bounds)]
        return [*ranges, Scan(indexes[0], None, lacking=any(branch.lacking for branch in way))]
    ranges = [
        Scan(branch.index, bounds, frozenset((number,)))
        for number, branch in enumerate(way)
        for bounds in (branch.bounds, *branch.around)
    ]
    owners = {index: frozenset(n for n, branch in enumerate(way) if branch.index == index) for index in indexes}
    lacking = {branch.index for branch in way if branch.lacking}
    return [*ranges, *(Scan(index, None, owners[index], lacking=index in lacking) for index in indexes)]


def excluded_by(branch: Branch) -> list[Scan]:
    """Return the scans of what a branch excludes, and its predicate may raise on; without its rest."""
    return [Scan(branch.index, bounds) for bounds in branch.around]


def _joined(bounds: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Sort the ranges and merge those that overlap."""
    joined: list[tuple[bytes, bytes]] = []
    for low, high in sorted(bounds):
        if joined and low <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], high)
        elif low < high:
            joined.append((low, high))
    return joined


@dataclass(slots=True)
class Scanner:
    """Runs the scans of one call, for one caller, at or below one path."""

    core: Core
    context: Context
    top: Found
    moment: str = ""
    only: str = ""  # the path of the one directory in which a match must be

    def scan(self, plan: ScanPlan | None, mark: object = None, first: int = PAGE_ROWS) -> Candidates:
        """Yield the candidates of a plan (None: a walk) after a mark, in pages that grow from `first`."""
        if plan is None:
            return self.walk(mark, first)
        pages = self._read(plan.left(mark), first)
        whole = all(scan.owners is None for scan in plan.scans)
        return pages if whole else self._owned(plan.way, plan.scans, pages)

    def _read(self, ranges: Sequence[SoughtRange], first: int = PAGE_ROWS, *, reverse: bool = False) -> Candidates:
        whereabouts = Whereabouts(self.core, self.context, self.top)
        return read_ranges(self.core, self.context, whereabouts, ranges, first, reverse=reverse)

    async def _owned(self, way: Way, scans: Sequence[Scan], pages: Candidates) -> Candidates:
        """Yield the objects of each page that no other scan yields."""
        async with aclosing(pages) as found:
            async for page in found:
                shapes = await shapes_of(self.core.store, (each.entry.bundle for each in page))
                owns = [(each, scans[each.mark[0]].owners) for each in page]
                yield [
                    each
                    for each, owners in owns
                    if owners is None or _owner(way, each, shapes[each.entry.bundle]) in owners
                ]

    async def count_sure(self, way: Way, certain: dict[str, ExactRange] | None, needed: str) -> tuple[int, Candidates]:
        """Count the matches that keys prove, without reading them, and return the other candidates.

        Checks no rights on the objects it counts: only for a caller who may read everything.
        """
        scan, *rest = scans_of(way, certain)
        if scan.sure is None:
            return 0, self.scan(_planned(way, [scan, *rest], needed))
        whereabouts, total, time_slice = Whereabouts(self.core, self.context, self.top), 0, TimeSlice()
        async for hits in hits_of(self.core, scan.index, scan.sure):
            parents = [where[:16] for _, where in hits]
            paths = await whereabouts.paths_of(set(parents))
            elsewhere = {uuid for uuid, path in paths.items() if path is None}
            total += sum(uuid not in elsewhere for uuid in parents) if elsewhere else len(parents)
            await time_slice.share()  # the store may never suspend
        low, high = scan.bounds or scan.sure
        around = [(low, min(scan.sure[0], high)), (max(scan.sure[1], low), high)]
        beside = [Scan(scan.index, bounds) for bounds in around if bounds[0] < bounds[1]]
        return total, self.scan(_planned(way, [*beside, *rest], needed))

    async def walk(self, mark: object = None, first: int = PAGE_ROWS) -> Candidates:
        names = _read_names(mark) if mark is not None else ()
        spots = walk_objects(self.core, self.context, self.top, self.moment, names, self.only)
        async for page in with_states(self.core, spots, first):
            yield page

    async def count(self, most: int | None = None) -> int:
        """Count the objects of a walk, up to `most`."""
        total = 0
        async with aclosing(walk_objects(self.core, self.context, self.top, self.moment, (), self.only)) as pages:
            async for page in pages:
                total += len(page)
                if most is not None and total >= most:
                    return most
                await asyncio.sleep(0)
        return total

    def ordered(
        self,
        index: Index,
        bounds: tuple[bytes, bytes | None],
        reverse: bool,
        after: bytes,
        first: int,
        sure: Keys | None = None,
    ) -> Candidates:
        """Yield the objects in a range of an index, in its order; the marks are the keys of its rows.

        Objects with keys in `sure` are marked as matches.
        """
        low, high = bounds
        whole = SoughtRange.of(index.id, low, NOWHERE if high is None else min(high, NOWHERE), sure=sure)
        if after:
            whole = whole.after(index_prefix(index.id) + after, reverse=reverse)
        return self._read([whole], first, reverse=reverse)

    def excluded(self, branch: Branch, needed: str) -> Candidates:
        """Yield the objects that an index range excludes, and its predicate may raise on, without the index's rest."""
        rest = Scan(branch.index, None, lacking=True).ranges(0, needed)[:1] if branch.lacking else []
        return self._read([*(part for scan in excluded_by(branch) for part in scan.ranges(0)), *rest])

    def rest(self, index: Index, lacking: bool) -> Candidates:
        """Yield the objects without a sort key in an index; with `lacking`, also those that lack its first field."""
        return self._read(Scan(index, None, lacking=lacking).ranges(0))


async def hits_of(
    core: Core,
    index: Index,
    bounds: tuple[bytes, bytes | None] | None,
    *,
    after: bytes = b"",
    first: int = PAGE_ROWS,
    reverse: bool = False,
    lacking: bool = False,
) -> AsyncGenerator[list[Hit], None]:
    """Yield the rows of a range of an index, or of its rest, in pages that grow from `first`."""
    size = min(max(first, 16), PAGE_ROWS)
    while True:
        if bounds is None:
            hits = await scan_rest(core, index, after=after, limit=size, lacking=lacking)
        else:
            hits = await scan_index(core, index, *bounds, after=after, limit=size, reverse=reverse)
        if hits:
            yield hits
        if len(hits) < size:
            return
        after, size = hits[-1].key, min(size * 4, PAGE_ROWS)


def _owner(way: Way, candidate: Candidate, shape: Shape) -> int:
    """Return the first branch that admits an object, else the first that may raise on it; -1 if none does any more."""
    state = read_state(candidate.state)
    for owns in (Branch.admits, Branch.may_raise):
        for number, branch in enumerate(way):
            if owns(branch, shape, candidate.entry, state):
                return number
    return -1


def _read_names(mark: object) -> PathNames:
    if type(mark) is not list or not 0 < len(mark) <= DEPTH_LIMIT or not all(type(name) is str for name in mark):
        raise Invalid("this cursor is of another plan", remedy=AGAIN)
    return tuple(mark)


def _read_mark(mark: object, scans: int) -> tuple[int, bytes]:
    if type(mark) is not list or [type(part) for part in mark] != [int, bytes] or not 0 <= mark[0] < scans:
        raise Invalid("this cursor is of another plan", remedy=AGAIN)
    return mark[0], mark[1]
