"""How a search finds its objects: by ranges of indexes where these leave less to look at, else by walking.

A plan is a list of scans whose union holds every object that can fit; each object that they give is looked at again.
Where several scans could give the same object, the values that it has decide which one does, so nothing is remembered
from page to page. Awaits the store only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ...errors import Invalid
from ...query.exact_range import ExactRange
from ...query.key_range import ABSENT, Both, Either, Nothing, Range, RangeSet
from ...query.order import family_range, sort_key
from ...query.row import HIDDEN
from ...query.shape import Shape
from ...store import prefix_end
from ..core import Core
from ..indexes.index import Index, scan_index, scan_rest
from ..indexes.index_row import METADATA, is_hidden, is_lacking, value_of
from ..layout.record import Entry
from .cursor import AGAIN

BRANCH_LIMIT = 500
"""Ranges of one union; a search that wants more of them walks."""

WAY_LIMIT = 16
"""Ways to the same objects that are weighed against each other."""

PROBES = (32, 512, 4096)
"""How many rows of each way are counted, until one of them ends."""


@dataclass(frozen=True, slots=True)
class Span:
    """The keys that a field may have: low <= key < high."""

    field: str
    low: bytes
    high: bytes

    def admits(self, shape: Shape, entry: Entry, state: dict[str, object]) -> bool:
        """Whether an object's value lies within, or has no place in the order."""
        if is_lacking(shape, state, self.field):
            return False
        key = None if is_hidden(shape, self.field) else sort_key(value_of(entry, state, self.field))
        return key is None or self.low <= key < self.high

    @property
    def exact(self) -> bool:
        """Whether one key only fits (and those that are cut as it is)."""
        return prefix_end(self.low) == self.high


@dataclass(frozen=True, slots=True)
class Branch:
    """One index, and the range of its rows that has all objects whose fields lie in these spans, but for its rest."""

    index: Index
    spans: tuple[Span, ...]
    text: str

    @property
    def bounds(self) -> tuple[bytes, bytes]:
        """The joined keys from which to which rows are scanned."""
        prefix = b"".join(span.low for span in self.spans[:-1])
        return prefix + self.spans[-1].low, prefix + self.spans[-1].high

    def admits(self, shape: Shape, entry: Entry, state: dict[str, object]) -> bool:
        return all(span.admits(shape, entry, state) for span in self.spans)

    def sure(self, certain: dict[str, ExactRange] | None) -> ExactRange | None:
        """The part of its rows whose keys alone say that a predicate holds; None: keys do not tell."""
        if certain is None or certain.keys() != {span.field for span in self.spans}:
            return None
        if any(field in METADATA and field not in HIDDEN for field in certain):
            return None  # rows have it of the entry, objects do not
        *above, last = (certain[span.field] for span in self.spans)
        if any((one.low, one.high) != (span.low, span.high) for one, span in zip(above, self.spans, strict=False)):
            return None
        whole = all(one.whole for one in certain.values())
        if last.low >= last.high and not whole:
            return None
        prefix = b"".join(one.low for one in above)
        return ExactRange(prefix + last.low, prefix + last.high, whole)


Way = tuple[Branch, ...]
"""A union of ranges: all objects that can fit are in one of them, or in the rest of their indexes."""


@dataclass
class Choices:
    """Which way was taken where there were several: noted the first time, the same again from a cursor."""

    given: list[int] | None = None
    made: list[int] = field(default_factory=list)

    async def choose(
        self, ways: Sequence[Way | None], probe: Callable[[Way | None, int], Awaitable[int]]
    ) -> Way | None:
        """The way (None: walking) that ends first when probed."""
        if len(ways) < 2:
            return ways[0]
        if self.given is None:
            number = await _shortest(ways, probe)
        else:
            number = self.given[len(self.made)] if len(self.made) < len(self.given) else -1
        if type(number) is not int or not 0 <= number < len(ways):
            raise Invalid("this cursor is of another plan", remedy=AGAIN)
        self.made.append(number)
        return ways[number]


async def _shortest(ways: Sequence[Way | None], probe: Callable[[Way | None, int], Awaitable[int]]) -> int:
    counts: list[int] = []
    for most in PROBES:
        counts = [await probe(way, most) for way in ways]
        if min(counts) < most:
            break
    return counts.index(min(counts))


class Planner:
    """Finds the way for what a predicate wants, with the indexes that are ready."""

    def __init__(
        self, core: Core, indexes: Sequence[Index], choices: Choices, walk: Callable[[int], Awaitable[int]] | None
    ) -> None:
        """`walk` counts what walking would look at, up to a number; None where it cannot be less than an index."""
        self._core = core
        self._indexes = [index for index in indexes if index.state == "ready" and not index.text]
        self._choices = choices
        self._walk = walk

    async def plan(self, want: RangeSet) -> Way | None:
        """The way; None: walk."""
        way = await self._way(want)
        if way and self._walk is not None:
            return await self._choices.choose([way, None], self.probe)
        return way

    async def _way(self, want: RangeSet) -> Way | None:
        if isinstance(want, Nothing):
            return ()
        if isinstance(want, Range):
            want = Both((want,))
        if isinstance(want, Both):
            return await self._both(want)
        if isinstance(want, Either):
            return await self._either(want)
        return None

    async def _both(self, want: Both) -> Way | None:
        parts = list(flatten(want))
        spans = spans_of(want)
        ways: list[Way | None] = [(branch,) for index in self._indexes if (branch := fit(index, spans)) is not None]
        for part in parts:
            if isinstance(part, Nothing):
                return ()
            if len(ways) < WAY_LIMIT and isinstance(part, Either) and (way := await self._either(part)) is not None:
                ways.append(way)
        return await self._choices.choose(ways, self.probe) if ways else None

    async def _either(self, want: Either) -> Way | None:
        branches: dict[Branch, None] = {}
        for part in want.parts:
            way = await self._way(part)
            if way is None or len(branches) + len(way) > BRANCH_LIMIT:
                return None
            branches.update(dict.fromkeys(way))
        return tuple(branches)

    async def probe(self, way: Way | None, most: int) -> int:
        """How many rows a way has, counted up to `most`."""
        if way is None:
            return await self._walk(most) if self._walk is not None else most
        total = 0
        for number, branch in enumerate(way):
            if number % 16 == 15:
                await asyncio.sleep(0)  # others have a turn, whatever the store
            if total < most:
                total += await self.count_range(branch.index, *branch.bounds, most - total)
        for index in {branch.index for branch in way}:
            if total < most:
                total += await self.count_rest(index, most - total)
        return total

    async def count_range(self, index: Index, low: bytes, high: bytes | None, most: int) -> int:
        """How many rows a range of an index has, counted up to `most`."""
        return len(await scan_index(self._core, index, low, high, limit=most))

    async def count_rest(self, index: Index, most: int, *, lacking: bool = False) -> int:
        """How many objects have no place in an index, counted up to `most`."""
        return len(await scan_rest(self._core, index, limit=most, lacking=lacking))


def flatten(want: Both) -> Iterator[RangeSet]:
    """The parts of a conjunction, those of conjunctions within it too."""
    for part in want.parts:
        if isinstance(part, Both):
            yield from flatten(part)
        else:
            yield part


def spans_of(want: RangeSet) -> dict[str, tuple[Span, str]]:
    """By field: the span that a want asks of every object, and how it reads."""
    parts = flatten(want) if isinstance(want, Both) else [want]
    return join_spans(part for part in parts if isinstance(part, Range))


def join_spans(ranges: Iterable[Range]) -> dict[str, tuple[Span, str]]:
    """By field: the span that all its ranges have in common, and how it reads.

    An empty one stays: what has no place in the order may fit nevertheless.
    """
    found: dict[str, tuple[Span, str]] = {}
    for each in ranges:
        span = span_of(each)
        if span is None:
            continue
        held = found.get(each.field)
        if held is not None:
            span = Span(each.field, max(span.low, held[0].low), min(span.high, held[0].high))
        found[each.field] = span, f"{held[1]} and {text_of(each)}" if held else text_of(each)
    return found


def span_of(want: Range) -> Span | None:
    """The keys of a range of values; None where its bounds have no place in the order."""
    low = None if want.low is ABSENT else sort_key(want.low)
    high = None if want.high is ABSENT else sort_key(want.high)
    known = low or high
    if known is None or (low is None) is not (want.low is ABSENT) or (high is None) is not (want.high is ABSENT):
        return None
    first, last = family_range(known)
    return Span(want.field, low or first, (prefix_end(high) or last) if high else last)


def text_of(want: Range) -> str:
    """A range as one writes it."""
    if want.low is not ABSENT and want.high is not ABSENT:
        if type(want.low) is type(want.high) and want.low == want.high:
            return f"{want.field} == {_shown(want.low)}"
        return f"{_shown(want.low)} <= {want.field} <= {_shown(want.high)}"
    return f"{want.field} >= {_shown(want.low)}" if want.high is ABSENT else f"{want.field} <= {_shown(want.high)}"


def _shown(value: object) -> str:
    """A value as one writes it, when that is not too long (Python refuses to write integers of many digits)."""
    if isinstance(value, int) and value.bit_length() > 1000:
        return "a large number"
    text = repr(value[:200]) if isinstance(value, str | bytes) else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def fit(index: Index, spans: dict[str, tuple[Span, str]]) -> Branch | None:
    """The part of an index that has what the spans admit: its first fields, all but the last of them exactly."""
    used: list[Span] = []
    texts: list[str] = []
    for name in index.fields:
        if name not in spans:
            break
        span, text = spans[name]
        used.append(span)
        texts.append(text)
        if not span.exact:
            break
    return Branch(index, tuple(used), " and ".join(texts)) if used else None
