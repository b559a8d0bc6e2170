"""A checked search request with its plan and its counters, shared by all operations that search.

Awaits the store and the runner.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

from ...context import Clock, Context
from ...operations import Wire
from ...query.local_time import LocalTime, clock_here
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
from .scan import Scanner
from .seek import Keys

SMALL = 4096
"""Largest predicate that is cached, in bytes."""

_PARTS = ("text", "values", "bundle")


@dataclass
class Search:
    """A search at or below a path. `indexes` are the current ones that cover it; a search of the past has none."""

    core: Core
    context: Context
    top: Found
    moment: str
    predicate: Predicate
    expression: Wire | None
    indexes: list[Index]
    evaluation: Evaluation
    scanner: Scanner
    judge: Judge
    choices: Choices = field(default_factory=Choices)

    def mark(self, *parts: object) -> bytes:
        """Return the fingerprint that binds a cursor to this search."""
        asked = self.expression or {}
        asks = [asked.get(part) for part in _PARTS]
        return fingerprint(self.top.path, asks, self.moment, *parts)

    def mark_of_plan(self) -> bytes:
        return self.mark([index.id for index in self.indexes if index.state == "ready"])

    @property
    def planner(self) -> Planner:
        elsewhere = any(index.directory != self.top.uuid for index in self.indexes)
        return Planner(self.core, self.indexes, self.choices, self.scanner.count if elsewhere else None)

    def spans(self) -> dict[str, Span]:
        """Map each field to the range of sort keys that a match can have in it."""
        return {name: span for name, (span, _) in spans_of(self.predicate.ranges()).items()}

    async def plan(self) -> Way | None:
        """Choose the index ranges that hold every possible match; None means a walk."""
        return await self.planner.plan(self.predicate.ranges()) if self.indexes else None

    def sure_in(self, index: Index, way: Way | None) -> Keys | None:
        """Return the keys in a plan's only index that alone prove the predicate."""
        if not way or len(way) > 1 or way[0].index != index or not self.expression:
            return None
        sure = way[0].sure(self.predicate.exact_ranges())
        return None if sure is None else (sure.low, sure.high)

    def fitting(self, way: Way | None, mark: object = None, first: int = 500) -> Candidates:
        """Yield the matches among the objects of a plan, page by page."""
        certain = self.predicate.exact_ranges() if way and self.expression else None
        return self.judge.fitting(self.scanner.scan(way, mark, first, certain, self.needed))

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
def _read_again(text: object, values: object, bundle: str) -> Predicate:
    return read_predicate({"text": text, "values": values, "bundle": bundle})


def _read(wire: Wire | None, bundles: dict[str, bytes] | None, clock: Clock) -> Predicate:
    """Parse the predicate; small ones are cached, unless they ask what time it is."""
    if wire is None:
        return _read_again("lambda o: True", b"\x80", "")
    text, values, bundle = (wire.get(part) for part in _PARTS)
    small = isinstance(text, str) and isinstance(values, bytes) and len(text) + len(values) <= SMALL
    if small and isinstance(bundle, str) and not bundles and len(wire) == len(_PARTS):
        read = _read_again(text, values, bundle)
        if not read.timed:
            return read
    LocalTime(clock).check()
    return read_predicate(wire, bundles, clock)


async def open_search(
    core: Core,
    context: Context,
    path: str,
    predicate: Wire | None,
    as_of: str,
    bundles: dict[str, bytes] | None,
) -> Search:
    """Check and open a search at or below a path. Its clock is the caller's, or this process's now.

    Raises:
        Invalid: the predicate cannot be read.
        NotFound, PermissionDenied: as `find` does.
    """
    clock = context.clock or clock_here()
    context = replace(context, clock=clock)
    evaluation = Evaluation(core, context, bundles)
    read = _read(predicate, bundles, clock)
    top = await find(core, context, path, "r", as_of=as_of)
    moment = read_moment(as_of)
    indexes: list[Index] = []
    if top.entry.is_directory:
        if not context.superuser:
            top = await find(core, context, path, "rx", as_of=as_of)
        if not moment:
            indexes = await indexes_over(core, top.place.chain)
    scanner = Scanner(core, context, top, moment, directory_of(read.ranges()))
    judge = Judge(core, read, predicate or {}, evaluation)
    return Search(core, context, top, moment, read, predicate, indexes, evaluation, scanner, judge)
