"""A checked search request with its plan and its counters, shared by all operations that search.

Awaits the store and the runner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from ...context import Context
from ...operations import Wire
from ...query.local_time import LocalTime
from ...query.predicate import Predicate, read_predicate
from ..core import Core
from ..indexes.index import Index, indexes_over
from ..layout.moment import read_moment
from ..tree.find import Found, find
from .candidate import Candidates
from .cursor import fingerprint
from .evaluation import Evaluation
from .judge import Judge
from .plan import Choices, Planner, Span, Way, directory_of, spans_of
from .scan import Scanner, ScanPlan, scan_plan
from .seek import Keys

SMALL = 4096
"""Largest predicate that is cached, in bytes."""

_PARTS = ("text", "values", "bundle")


@dataclass(slots=True)
class Reading:
    """A predicate as it was read, and the last plan of a search by it for which there was one way only.

    A small predicate is kept, so the same search, asked again, is not planned again while its indexes are the same.
    """

    predicate: Predicate
    directory: str  # the one in which a match must be, "" for any
    indexes: list[Index] = field(default_factory=list)
    way: Way | None = None
    scans: ScanPlan | None = None


@dataclass
class Search:
    """A search at or below a path. `indexes` are the current ones that cover it; a search of the past has none."""

    core: Core
    context: Context
    top: Found
    moment: str
    reading: Reading
    expression: Wire | None
    indexes: list[Index]
    evaluation: Evaluation
    scanner: Scanner
    judge: Judge
    choices: Choices = field(default_factory=Choices)

    @property
    def predicate(self) -> Predicate:
        return self.reading.predicate

    def mark(self, *parts: object) -> bytes:
        """Return the fingerprint that binds a cursor to this search."""
        asked = self.expression or {}
        asks = [asked.get(part) for part in _PARTS]
        return fingerprint(self.top.path, asks, self.moment, *parts)

    def mark_of_plan(self) -> bytes:
        return self.mark([index.id for index in self.indexes if index.state == "ready"])

    @property
    def planner(self) -> Planner:
        return Planner(self.core, self.indexes, self.choices, self.scanner.count if self._is_below() else None)

    def _is_below(self) -> bool:
        """Whether an index covers more than this search, so that a walk may read less."""
        return any(index.directory != self.top.entry.uuid for index in self.indexes)

    def spans(self) -> dict[str, Span]:
        """Map each field to the range of sort keys that a match can have in it."""
        return {name: span for name, (span, _) in spans_of(self.predicate.ranges()).items()}

    async def plan(self) -> Way | None:
        """Choose the index ranges that hold every possible match; None means a walk."""
        if not self.indexes:
            return None
        if self._is_below():
            return await self.planner.plan(self.predicate.ranges())
        known, chosen = self.reading, len(self.choices.made)
        if known.indexes != self.indexes:
            way = await self.planner.plan(self.predicate.ranges())
            if len(self.choices.made) > chosen:
                return way
            known.indexes, known.way, known.scans = self.indexes, way, None
        return known.way

    def scans(self, way: Way | None) -> ScanPlan | None:
        """Return how the objects of a plan are read; None for a walk."""
        known = self.reading.scans
        if way is None or (known is not None and known.way is way):
            return known if way is not None else None
        scans = scan_plan(way, self.predicate.exact_ranges() if way and self.expression else None, self.needed)
        if way is self.reading.way:
            self.reading.scans = scans
        return scans

    def sure_in(self, index: Index, way: Way | None) -> Keys | None:
        """Return the keys in a plan's only index that alone prove the predicate."""
        if not way or len(way) > 1 or way[0].index != index or not self.expression:
            return None
        sure = way[0].sure(self.predicate.exact_ranges())
        return None if sure is None else (sure.low, sure.high)

    def fitting(self, way: Way | None, mark: object = None, first: int = 500) -> Candidates:
        """Yield the matches among the objects of a plan, page by page."""
        return self.judge.fitting(self.scanner.scan(self.scans(way), mark, first))

    @property
    def needed(self) -> str:
        """The field without which the predicate raises; "" if it is not plain to see."""
        return self.predicate.surely_read() if self.expression else ""

    async def counted(self, way: Way | None) -> tuple[int, Candidates]:
        """Count the matches that index keys prove, and return the remaining matches as pages."""
        if not way or not self.context.superuser or not self.expression:
            return 0, self.fitting(way)
        sure, others = await self.scanner.count_sure(way, self.predicate.exact_ranges(), self.needed)
        self.judge.scanned += sure
        return sure, self.judge.fitting(others)


@lru_cache(maxsize=256)
def _read_again(text: object, values: object, bundle: str) -> Reading:
    return _reading(read_predicate({"text": text, "values": values, "bundle": bundle}))


def _reading(predicate: Predicate) -> Reading:
    return Reading(predicate, directory_of(predicate.ranges()))


def _read(wire: Wire | None, bundles: dict[str, bytes] | None, evaluation: Evaluation) -> Reading:
    """Parse the predicate; small ones are cached, unless they ask what time it is."""
    if wire is None:
        return _read_again("lambda o: True", b"\x80", "")
    text, values, bundle = (wire.get(part) for part in _PARTS)
    small = isinstance(text, str) and isinstance(values, bytes) and len(text) + len(values) <= SMALL
    if small and isinstance(bundle, str) and not bundles and len(wire) == len(_PARTS):
        read = _read_again(text, values, bundle)
        if not read.predicate.timed:
            return read
    clock = evaluation.caller.clock
    if clock is not None:
        LocalTime(clock).check()
    return _reading(read_predicate(wire, bundles, clock))


async def open_search(
    core: Core,
    context: Context,
    path: str,
    predicate: Wire | None,
    as_of: str,
    bundles: dict[str, bytes] | None,
) -> Search:
    """Check and open a search at or below a path. Its clock is the caller's, or this process's once it is needed.

    Raises:
        Invalid: the predicate cannot be read.
        NotFound, PermissionDenied: as `find` does.
    """
    evaluation = Evaluation(core, context, bundles)
    read = _read(predicate, bundles, evaluation)
    top = await find(core, context, path, "r", as_of=as_of)
    moment = read_moment(as_of)
    indexes: list[Index] = []
    if top.entry.is_directory:
        if not context.superuser:
            top = await find(core, context, path, "rx", as_of=as_of)
        if not moment:
            indexes = await indexes_over(core, top.place.chain)
    scanner = Scanner(core, context, top, moment, read.directory)
    judge = Judge(core, read.predicate, predicate or {}, evaluation)
    return Search(core, context, top, moment, read, predicate, indexes, evaluation, scanner, judge)
