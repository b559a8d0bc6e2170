"""Which of the objects that a scan gives does a predicate hold for: looked at here where it is plain, by the runner
where shipped code is needed, several pages at a time, always in the order of the scan.
"""

from __future__ import annotations

import asyncio
import time
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
from ..runs.inside.failure import describe
from .candidate import Candidate, Candidates
from .evaluation import Evaluation

AT_ONCE = 4
"""Pages whose code runs at the same time."""

TURN = 0.01
"""Seconds of looking at objects after which others have a turn: one may take long, a page of them must not."""

TOLD = 10
"""Errors that are told, of all that are counted."""

_UNREAD: Wire = {}
_sure = attrgetter("sure")


@dataclass(slots=True)
class Errors:
    """What went wrong on single objects: all counted, the first told."""

    count: int = 0
    first: list[SearchError] = field(default_factory=list)

    def add(self, candidate: Candidate, error: str) -> None:
        self.count += 1
        if len(self.first) < TOLD:
            path = child_path(candidate.directory, candidate.entry.name)
            self.first.append({"path": path, "error": error})

    def wire(self) -> SearchErrors:
        return {"count": self.count, "first": self.first}


@dataclass(slots=True)
class _Page:
    """A page being looked at: whether each of its objects fits, as far as that is known."""

    candidates: list[Candidate]
    verdicts: list[bool] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)  # which of them need code
    why: str = ""
    work: asyncio.Task[None] | None = None


class Judge:
    """A predicate over what scans give; counts what it looked at and what went wrong."""

    def __init__(self, core: Core, predicate: Predicate, expression: Wire, evaluation: Evaluation) -> None:
        self._core = core
        self._predicate = predicate
        self._expression = expression
        self._evaluation = evaluation
        self._reads_pointer = not HIDDEN.isdisjoint(predicate.fields)
        self.scanned = 0
        self.errors = Errors()

    async def fitting(self, pages: Candidates) -> Candidates:
        """Those of each page that fit."""
        waiting: deque[_Page] = deque()
        due = time.perf_counter() + TURN
        try:
            async with aclosing(pages) as candidates:
                async for each in candidates:
                    waiting.append(await self._look(each))
                    while waiting and (waiting[0].work is None or len(waiting) >= AT_ONCE):
                        yield await self._fits(waiting.popleft())
                    if time.perf_counter() > due:
                        await asyncio.sleep(0)  # others have a turn, whatever the store
                        due = time.perf_counter() + TURN
            while waiting:
                yield await self._fits(waiting.popleft())
        finally:
            await _end(page.work for page in waiting if page.work is not None)

    async def _look(self, candidates: list[Candidate]) -> _Page:
        page = await self._compare(candidates)
        self.scanned += len(candidates)
        if page.asked:
            page.work = asyncio.create_task(self._run(page))
        return page

    async def needs_code(self, candidates: list[Candidate]) -> bool:
        """Whether only shipped code can tell of some of these; none is run."""
        return bool((await self._compare(candidates)).asked)

    async def _compare(self, candidates: list[Candidate]) -> _Page:
        page = _Page(candidates)
        if all(map(_sure, candidates)):
            page.verdicts = [True] * len(candidates)
            return page
        shapes = await self._evaluation.shapes({each.kind for each in candidates if not each.sure})
        due = time.perf_counter() + TURN
        for number, candidate in enumerate(candidates):
            if time.perf_counter() > due:
                await asyncio.sleep(0)
                due = time.perf_counter() + TURN
            fits = candidate.sure or self._test(page, number, candidate, shapes[candidate.kind])
            page.verdicts.append(fits)
        return page

    def _test(self, page: _Page, number: int, candidate: Candidate, shape: Shape) -> bool:
        """Whether it fits; False also where that is not known yet."""
        if candidate.state is None:
            self.errors.add(candidate, "NotFound: its state is gone from the store")
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
            self.errors.add(candidate, describe(error))
        return False

    async def _run(self, page: _Page) -> None:
        rows = [page.candidates[number] for number in page.asked]
        outcome = await self._evaluation.values(self._expression, rows, page.why)
        for row, (number, value) in enumerate(zip(page.asked, outcome.values, strict=True)):
            page.verdicts[number] = row not in outcome.errors and bool(value)
        for row, error in sorted(outcome.errors.items()):
            self.errors.add(rows[row], error)

    async def _fits(self, page: _Page) -> list[Candidate]:
        if page.work is not None:
            await page.work
        return [each for each, fits in zip(page.candidates, page.verdicts, strict=True) if fits]


async def _end(works: Iterable[asyncio.Task[None]]) -> None:
    """Cancel what is still running, and hear what came of the rest."""
    left = list(works)
    for work in left:
        work.cancel()
    await asyncio.gather(*left, return_exceptions=True)
