"""Plan a search: scan ranges of indexes if these hold fewer objects, else walk the tree.

A plan is a union of index ranges that holds every possible match; each object found is tested again. If several ranges
hold the same object, its values decide which one yields it, so no state is kept between pages. Awaits the store only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

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
"""Most ranges of one union; a search that needs more walks."""

WAY_LIMIT = 16
"""Most plans for the same objects that are compared."""

END = b"\xfe"
"""After the keys of all values."""

PROBES = (32, 512, 4096)
"""Rows of each plan that are counted, in turn, until one plan has fewer."""


KeyRange = tuple[bytes, bytes]
"""low <= key < high."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of sort keys of a field: low <= key < high.

    A comparison may raise on the objects with keys in `around`, and on those without the field unless it is asked
    whether that is `there`. All others are ruled out.
    """

    field: str
    low: bytes
    high: bytes
    around: tuple[KeyRange, ...] = ()
    there: bool = False

    def admits(self, shape: Shape, entry: Entry, state: dict[str, object]) -> bool:
        """Whether an object's value lies in the range or has no sort key."""
        if is_lacking(shape, state, self.field):
            return False
        key = None if is_hidden(shape, self.field) else sort_key(value_of(entry, state, self.field))
        return key is None or self.low <= key < self.high

    def may_raise(self, shape: Shape, entry: Entry, state: dict[str, object]) -> bool:
        """Whether an object is admitted, or not ruled out by its value."""
        if is_lacking(shape, state, self.field):
            return not self.there
        key = None if is_hidden(shape, self.field) else sort_key(value_of(entry, state, self.field))
        return key is None or any(low <= key < high for low, high in ((self.low, self.high), *self.around))

    def joined(self, other: Span) -> Span:
        """Return the span of the values that lie in both."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        mine, theirs = ([(each.low, each.high), *each.around] for each in (self, other))
        both = [(max(a, c), min(b, d)) for a, b in mine for c, d in theirs]
        around = [part for a, b in both for part in ([(a, min(b, low)), (max(a, high), b)] if low < high else [(a, b)])]
        return Span(self.field, low, high, tuple((a, b) for a, b in around if a < b), self.there or other.there)

    @property
    def exact(self) -> bool:
        """Whether the range holds one key only (and values whose keys are cut to it)."""
        return prefix_end(self.low) == self.high


@dataclass(frozen=True, slots=True)
class Branch:
    """A range of one index: the rows of all objects whose fields lie in these spans, except those in its rest."""

    index: Index
    spans: tuple[Span, ...]
    text: str

    @property
    def bounds(self) -> tuple[bytes, bytes]:
        """The joined keys between which rows are scanned."""
        prefix = b"".join(span.low for span in self.spans[:-1])
        return prefix + self.spans[-1].low, prefix + self.spans[-1].high

    def admits(self, shape: Shape, entry: Entry, state: dict[str, object]) -> bool:
        return all(span.admits(shape, entry, state) for span in self.spans)

    def may_raise(self, shape: Shape, entry: Entry, state: dict[str, object]) -> bool:
        return all(span.may_raise(shape, entry, state) for span in self.spans)

    @property
    def around(self) -> list[KeyRange]:
        """The joined keys of further rows, on whose objects a comparison may raise."""
        found: list[KeyRange] = []
        prefix = b""
        for span in self.spans:
            found += [(prefix + low, prefix + high) for low, high in span.around]
            prefix += span.low
        return found

    @property
    def lacking(self) -> bool:
        """Whether one may raise on the objects that lack the index's first field."""
        return not self.spans[0].there

    def sure(self, certain: dict[str, ExactRange] | None) -> ExactRange | None:
        """Return the keys that alone prove a predicate; None if keys cannot prove it."""
        if certain is None or certain.keys() != {span.field for span in self.spans}:
            return None
        if any(field in METADATA and field not in HIDDEN for field in certain):
            return None  # index rows take it from the entry; the object has no such attribute
        *above, last = (certain[span.field] for span in self.spans)
        if any((one.low, one.high) != (span.low, span.high) for one, span in zip(above, self.spans, strict=False)):
            return None
        whole = all(one.whole for one in certain.values())
        if last.low >= last.high and not whole:
            return None
        prefix = b"".join(one.low for one in above)
        return ExactRange(prefix + last.low, prefix + last.high, whole)


Way = tuple[Branch, ...]
"""A union of index ranges: every possible match is in one of them, or in the rest of their indexes."""


@dataclass
class Choices:
    """The plans chosen where there were several: recorded for the cursor, and repeated from it."""

    given: list[int] | None = None
    made: list[int] = field(default_factory=list)

    async def choose(
        self, ways: Sequence[Way | None], probe: Callable[[Way | None, int], Awaitable[int]]
    ) -> Way | None:
        """Return the plan (None: a walk) with the fewest rows when probed."""
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
    """Plans a scan of the ranges that a predicate needs, with the indexes that are ready."""

    def __init__(
        self, core: Core, indexes: Sequence[Index], choices: Choices, walk: Callable[[int], Awaitable[int]] | None
    ) -> None:
        """`walk` counts the objects that a walk would read, up to a number; None if it cannot be less than an index."""
        self._core = core
        self._indexes = [index for index in indexes if index.state == "ready" and not index.text]
        self._choices = choices
        self._walk = walk

    async def plan(self, want: RangeSet) -> Way | None:
        """Choose a plan; None means a walk."""
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
        """Count the rows of a plan, up to `most`."""
        if way is None:
            return await self._walk(most) if self._walk is not None else most
        total = 0
        for number, branch in enumerate(way):
            if number % 16 == 15:
                await asyncio.sleep(0)  # let other tasks run, even if the store never suspends
            if total < most:
                total += await self.count_range(branch.index, *branch.bounds, most - total)
        for index in {branch.index for branch in way}:
            if total < most:
                total += await self.count_rest(index, most - total)
        return total

    async def count_range(self, index: Index, low: bytes, high: bytes | None, most: int) -> int:
        """Count the rows of an index range, up to `most`."""
        return len(await scan_index(self._core, index, low, high, limit=most))

    async def count_rest(self, index: Index, most: int, *, lacking: bool = False) -> int:
        """Count the objects without a sort key in an index, up to `most`."""
        return len(await scan_rest(self._core, index, limit=most, lacking=lacking))


def flatten(want: Both) -> Iterator[RangeSet]:
    """Yield the parts of a conjunction, including those of nested conjunctions."""
    for part in want.parts:
        if isinstance(part, Both):
            yield from flatten(part)
        else:
            yield part


def spans_of(want: RangeSet) -> dict[str, tuple[Span, str]]:
    """Map each field to the span that `want` requires of every object, and its text."""
    parts = flatten(want) if isinstance(want, Both) else [want]
    return join_spans(part for part in parts if isinstance(part, Range))


def directory_of(want: RangeSet) -> str:
    """Return the directory that `want` requires of every object; "" if it requires none.

    Paths are texts, which can be compared with a text: no comparison raises on those of other directories.
    """
    for part in flatten(want) if isinstance(want, Both) else [want]:
        if isinstance(part, Range) and part.field == "path" and part.low is not ABSENT and part.low == part.high:
            return part.low if type(part.low) is type(part.high) is str else ""
    return ""


def join_spans(ranges: Iterable[Range]) -> dict[str, tuple[Span, str]]:
    """Map each field to the intersection of its ranges, and its text.

    An empty intersection stays: an object without a sort key may still match.
    """
    found: dict[str, tuple[Span, str]] = {}
    asked = list(ranges)
    there = {each.field for each in asked if each.there}
    for each in asked:
        span = span_of(each)
        if span is None:
            continue
        span = replace(span, there=each.field in there)
        held = found.get(each.field)
        span = held[0].joined(span) if held is not None else span
        found[each.field] = span, f"{held[1]} and {text_of(each)}" if held else text_of(each)
    return found


def span_of(want: Range) -> Span | None:
    """Return the sort keys of a range of values; None if its bounds have no sort keys."""
    low = None if want.low is ABSENT else sort_key(want.low)
    high = None if want.high is ABSENT else sort_key(want.high)
    known = low or high
    if known is None or (low is None) is not (want.low is ABSENT) or (high is None) is not (want.high is ABSENT):
        return None
    first, last = family_range(known)
    around = () if want.equal else ((b"", first), (last, END))
    return Span(want.field, low or first, (prefix_end(high) or last) if high else last, around, want.there)


def is_ruled_out(want: RangeSet, shape: Shape, entry: Entry, state: dict[str, object]) -> bool:
    """Tell whether comparisons with fixed values show that a predicate is not true of an object, nor may be asked."""
    match want:
        case Nothing():
            return True
        case Both(parts):
            return any(is_ruled_out(part, shape, entry, state) for part in parts)
        case Either(parts):
            return all(is_ruled_out(part, shape, entry, state) for part in parts)
        case Range():
            if want.there and is_lacking(shape, state, want.field):
                return True
            span = span_of(want)
            return span is not None and not span.may_raise(shape, entry, state)
    return False


def text_of(want: Range) -> str:
    """Write a range as a comparison."""
    if want.low is not ABSENT and want.high is not ABSENT:
        if type(want.low) is type(want.high) and want.low == want.high:
            return f"{want.field} == {_shown(want.low)}"
        return f"{_shown(want.low)} <= {want.field} <= {_shown(want.high)}"
    return f"{want.field} >= {_shown(want.low)}" if want.high is ABSENT else f"{want.field} <= {_shown(want.high)}"


def _shown(value: object) -> str:
    """Write a value as in code, shortened if it is long (Python refuses to write integers of many digits)."""
    if isinstance(value, int) and value.bit_length() > 1000:
        return "a large number"
    text = repr(value[:200]) if isinstance(value, str | bytes) else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def fit(index: Index, spans: dict[str, tuple[Span, str]]) -> Branch | None:
    """Return the index range that the spans select: its first fields, all but the last of them exactly."""
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
