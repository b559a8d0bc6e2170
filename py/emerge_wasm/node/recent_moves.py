"""What was moved lately from one volume to another, so that a search of both can tell that it may be wrong.

A search that looked at the target before, and at the source after a move misses what was moved; the other way round it
finds it twice. So each part of such a search says what came or went there last, and how long ago; who puts the parts
together knows since when it asks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from time import monotonic, time_ns

from ..filesystem.core import Core
from ..filesystem.handover.part import LAST
from ..operations import Answer, Wire
from ..store import prefix_end

TOLD = 8
"""So many moves are told; who is told so many does not know of others."""

MOVES = "moves"
"""Where a part of a search tells them: [seconds ago, source, target] each, the last one first."""

ANYWHERE = "/"


class RecentMoves:
    """The last moves of each filesystem that this process serves. Of what was before it began, nothing is known."""

    def __init__(self) -> None:
        self._began = monotonic()
        self._moves: dict[str, OrderedDict[bytes | int, tuple[float, str, str]]] = {}
        self._marks: dict[str, list[tuple[bytes, bytes]]] = {}
        self._count = 0

    @contextmanager
    def noted(self, filesystem: str, source: str, target: str, id: bytes = b"") -> Iterator[None]:
        """Note a move that is being made: it comes about at some moment from now to the end."""
        self._count += 1
        key = id or self._count
        moves = self._moves.setdefault(filesystem, OrderedDict())
        moves[key] = float("inf"), source, target
        try:
            yield
        finally:
            moves[key] = monotonic(), source, target
            moves.move_to_end(key)
            while len(moves) > TOLD and next(iter(moves.values()))[0] < monotonic():
                moves.popitem(last=False)

    def note(self, filesystem: str, source: str, target: str) -> None:
        """Note a move that comes about at this moment."""
        with self.noted(filesystem, source, target):
            pass

    async def review(self, core: Core) -> None:
        """Learn from a store that other processes move something, too."""
        rows = await core.store.scan("meta", LAST, prefix_end(LAST))
        marks = [row for row in rows if row[0] != LAST + core.node.encode()]
        if marks != self._marks.get(core.uuid, []):
            self.note(core.uuid, ANYWHERE, ANYWHERE)
            self._marks[core.uuid] = marks

    def told(self, filesystem: str) -> list[tuple[float, str, str]]:
        """The last moves: [seconds ago, source, target]."""
        now = monotonic()
        moves = sorted(self._moves.get(filesystem, {}).values(), reverse=True)[:TOLD]
        found = [(max(now - when, 0.0), source, target) for when, source, target in moves]
        return found if len(found) == TOLD else [*found, (now - self._began, ANYWHERE, ANYWHERE)]

    def mark(self, core: Core, answer: Answer, shared: bool) -> Answer:
        """Put the moves into the answer of a part of a search, or the last item of it.

        `shared`: other processes move things in the same store.
        """
        if isinstance(answer, AsyncIterator):
            return self._mark_items(core, answer, shared)
        return self._mark(core, answer, shared)

    async def _mark(self, core: Core, answer: Awaitable[object], shared: bool) -> object:
        return await self._marked(core, await answer, shared)

    async def _mark_items(self, core: Core, items: AsyncIterator[object], shared: bool) -> AsyncGenerator[object, None]:
        async with aclosing(items):  # type: ignore[type-var]  # an async generator
            async for item in items:
                yield await self._marked(core, item, shared)

    async def _marked(self, core: Core, answer: object, shared: bool) -> object:
        if not isinstance(answer, dict) or "columns" in answer:
            return answer
        if shared:
            await self.review(core)
        return {**answer, MOVES: self.told(core.uuid)}


class MoveCheck:
    """Whether something was moved inside of a path since a search of it began; `by_page`: since this page of it did."""

    def __init__(self, path: str, by_page: bool = False) -> None:
        self.path = path
        self._by_page = by_page
        self.moved: list[str] = []
        """Where that is now."""
        self._began = monotonic()

    def since(self, began: int) -> None:
        """The search goes on that began at this moment (nanoseconds since 1970)."""
        if not self._by_page:
            self._began -= max(time_ns() - began, 0) / 1e9

    def look(self, answers: Iterable[Wire]) -> None:
        """Take out of the answers of parts what they tell."""
        self.moved = sorted({*self.moved, *take_moves(self.path, answers, monotonic() - self._began)})


def take_moves(path: str, answers: Iterable[Wire], seconds: float) -> list[str]:
    """Take out of the answers of all parts of a path what they tell; where that is which moved within the last seconds.

    Only what moved inside of the path counts: else it was found as it was before, or as it was after that.
    """
    found: list[str] = []
    for answer in answers:
        moves = answer.pop(MOVES, ())
        if len(moves) == TOLD and moves[-1][0] <= seconds:
            found.append(path)
        found += [target for ago, source, target in moves if ago <= seconds and _both_in(path, source, target)]
    return found


def _both_in(path: str, source: str, target: str) -> bool:
    top = path.rstrip("/") + "/"
    return ANYWHERE in (source, target) or all(each.startswith(top) for each in (source, target))
