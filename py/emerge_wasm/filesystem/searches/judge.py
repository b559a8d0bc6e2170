"""Test a predicate on the objects of a scan: here for plain comparisons, by the runner if shipped code is needed.

The runner works on several pages at a time; results keep the order of the scan.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from operator import attrgetter

from ...operations import Wire
from ...paths import child_path
from ...query.nested import NeedsCode
from ...query.predicate import Predicate
from ...query.row import HIDDEN, Row
from ...query.shape import Shape
from ...results import SearchError, SearchErrors
from ..core import Core
from ..indexes.index_row import read_state
from ..runs.inside.failure import describe
from ..time_slice import TimeSlice
from .candidate import Candidate, Candidates
from .evaluation import Evaluation
from .plan import is_ruled_out

AT_ONCE = 4
"""Pages whose code runs at the same time."""

TOLD = 10
"""Errors that are reported; all are counted."""

_UNREAD: Wire = {}
_sure = attrgetter("sure")


@dataclass(slots=True)
class Errors:
    """Errors on single objects: all are counted, the first are reported.

    An object counts whichever way a search takes, so only where no comparison with a fixed value rules it out: an index
    leaves those out.
    """

    count: int = 0
    first: list[SearchError] = field(default_factory=list)

    def add(self, candidate: Candidate, error: str) -> None:
        self.count += 1
        if len(self.first) < TOLD:
            path = child_path(candidate.directory, candidate.entry.name)
            self.first.append({"path": path, "error": error})

    def mark(self) -> tuple[int, int]:
        """Return how many there are, for `cut`."""
        return self.count, len(self.first)

    def cut(self, mark: tuple[int, int]) -> None:
        """Drop those that were added since."""
        self.count = mark[0]
        del self.first[mark[1] :]

    def copy(self) -> Errors:
        return Errors(self.count, [*self.first])

    def wire(self) -> SearchErrors:
        return {"count": self.count, "first": self.first}


@dataclass(slots=True)
class _Page:
    """A page being tested: whether each of its objects matches, as far as that is known."""

    candidates: list[Candidate]
    verdicts: list[bool] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)  # which of them need code
    why: str = ""
    shapes: dict[tuple[str, str], Shape] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    work: asyncio.Task[None] | None = None


class Judge:
    """Tests a predicate on candidates; counts the objects tested and their errors."""

    def __init__(self, core: Core, predicate: Predicate, expression: Wire, evaluation: Evaluation) -> None:
        self._core = core
        self._predicate = predicate
        self._expression = expression
        self._evaluation = evaluation
        self._reads_pointer = not HIDDEN.isdisjoint(predicate.fields)
        self.scanned = 0
        self.errors = Errors()
        self._told: deque[tuple[_Page, tuple[int, int]]] = deque(maxlen=2)  # pages with matches, and the errors before

    async def fitting(self, pages: Candidates) -> Candidates:
        """Yield the matches of each page."""
        waiting: deque[_Page] = deque()
        time_slice = TimeSlice()
        try:
            async with aclosing(pages) as candidates:
                async for each in candidates:
                    if not waiting and all(map(_sure, each)):
                        self.scanned += len(each)
                        self._told.append((_Page(each), self.errors.mark()))
                        yield each
                    else:
                        waiting.append(await self._look(each))
                    while waiting and (waiting[0].work is None or len(waiting) >= AT_ONCE):
                        yield await self._fits(waiting.popleft())
                    await time_slice.share()  # the store may never suspend
            while waiting:
                yield await self._fits(waiting.popleft())
        finally:
            if waiting:
                await _end(page.work for page in waiting if page.work is not None)

    async def _look(self, candidates: list[Candidate]) -> _Page:
        page = await self._compare(candidates)
        self.scanned += sum(not each.lacks for each in candidates)
        if page.asked:
            page.work = asyncio.create_task(self._run(page))
        return page

    async def needs_code(self, candidates: list[Candidate]) -> bool:
        """Whether some of these can be tested by shipped code only; runs none."""
        return bool((await self._compare(candidates)).asked)

    async def _compare(self, candidates: list[Candidate]) -> _Page:
        page = _Page(candidates)
        page.shapes = await self._evaluation.shapes({each.kind for each in candidates if not each.sure})
        time_slice = TimeSlice()
        for number, candidate in enumerate(candidates):
            await time_slice.share()
            fits = candidate.sure or self._test(page, number, candidate)
            page.verdicts.append(fits)
        return page

    def _test(self, page: _Page, number: int, candidate: Candidate) -> bool:
        """Whether a candidate matches; also False if only code can tell."""
        shape = page.shapes[candidate.kind]
        if candidate.lacks:
            page.errors[number] = f"AttributeError: {shape.name!r} object has no attribute {candidate.lacks!r}"
            return False
        if candidate.state is None:
            page.errors[number] = "NotFound: its state is gone from the store"
            return False
        if not self._expression:
            return True
        try:
            pointer = candidate.entry.wire(candidate.directory, self._core.node) if self._reads_pointer else _UNREAD
            return self._predicate.test(Row(pointer, candidate.state, shape))
        except NeedsCode as error:
            page.asked.append(number)
            page.why = page.why or str(error)
        except Exception as error:  # whatever the comparison raises on this object
            self._note(page, number, describe(error))
        return False

    def _note(self, page: _Page, number: int, error: str) -> None:
        candidate = page.candidates[number]
        shape, state = page.shapes[candidate.kind], read_state(candidate.state)
        if not is_ruled_out(self._predicate.ranges(), shape, candidate.entry, state):
            page.errors[number] = error

    async def _run(self, page: _Page) -> None:
        rows = [page.candidates[number] for number in page.asked]
        outcome = await self._evaluation.values(self._expression, rows, page.why)
        for row, (number, value) in enumerate(zip(page.asked, outcome.values, strict=True)):
            page.verdicts[number] = row not in outcome.errors and bool(value)
        for row, error in outcome.errors.items():
            self._note(page, page.asked[row], error)

    async def _fits(self, page: _Page) -> list[Candidate]:
        if page.work is not None:
            await page.work
        found = [each for each, fits in zip(page.candidates, page.verdicts, strict=True) if fits]
        if found:
            self._told.append((page, self.errors.mark()))
        self._tell(page, len(page.candidates))
        return found

    def _tell(self, page: _Page, end: int) -> None:
        for number in sorted(page.errors):
            if number < end:
                self.errors.add(page.candidates[number], page.errors[number])

    def stop_after(self, candidate: Candidate | None) -> None:
        """Forget the errors after this match, on objects at which the next page looks again; all, if it is None."""
        if candidate is None:
            self.errors.cut((0, 0))
            return
        for page, before in self._told:
            for number, each in enumerate(page.candidates):
                if each is candidate:
                    self.errors.cut(before)
                    self._tell(page, number + 1)
                    return


async def _end(works: Iterable[asyncio.Task[None]]) -> None:
    """Cancel running tasks, and retrieve the results of all."""
    left = list(works)
    for work in left:
        work.cancel()
    await asyncio.gather(*left, return_exceptions=True)
