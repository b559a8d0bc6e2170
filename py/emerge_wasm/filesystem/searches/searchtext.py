"""Full text search: find the objects whose field has all of some words, best first.

A text index over the field supplies the words of each object; without one, all objects are read, with the same result.
No code is run: a field that a class computes has no words.

The score is BM25. Its statistics (number of objects, average length, document frequencies) cover only the objects below
the path that have at least one of the words and that the caller may read. They are cheap to compute, the same with and
without an index, and reveal nothing that the caller may not see.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import accumulate

from ...context import Context
from ...errors import Invalid, LimitExceeded
from ...results import ScoredPage, ScoredRow
from ..core import Core
from ..indexes.index import READY, Index, WordHit, scan_word
from ..indexes.index_row import count_words, read_state, value_of, words_of
from ..layout.locality import PAGE_ROWS
from ..tree.load import PAGE_BYTES, check_limit
from .candidate import Spot, load_states
from .column import check_field
from .cursor import read_cursor, write_cursor
from .directories import Whereabouts
from .query import Search, open_search
from .scan import hits_of
from .seek import seek

K1, B = 1.2, 0.75
"""The usual parameters of BM25: saturation of repeated words, and weight of a text's length."""

WORDS_LIMIT = 32
OBJECTS_LIMIT = 1_000_000
"""Most objects with any of the words that one search may score."""


@dataclass(frozen=True, slots=True)
class SearchWord:
    """A word to search for, or with `prefix` the beginning of words."""

    text: str
    prefix: bool

    def count(self, counts: dict[str, int]) -> int:
        """Return how often it occurs in a text, given the counts of the text's words."""
        if not self.prefix:
            return counts.get(self.text, 0)
        return sum(count for word, count in counts.items() if word.startswith(self.text))


@dataclass(slots=True)
class Matches:
    """The objects with any of the words, by uuid: their counts of each word, lengths and places."""

    words: Sequence[SearchWord]
    counts: dict[bytes, list[int]] = field(default_factory=dict)
    lengths: dict[bytes, int] = field(default_factory=dict)
    places: dict[bytes, Spot | WordHit] = field(default_factory=dict)

    def add(self, uuid: bytes, number: int, count: int, length: int, place: Spot | WordHit) -> None:
        self.counts.setdefault(uuid, [0] * len(self.words))[number] += count
        self.lengths[uuid] = length
        self.places[uuid] = place
        if len(self.counts) > OBJECTS_LIMIT:
            raise LimitExceeded(
                f"more than {OBJECTS_LIMIT} objects have one of these words",
                remedy="leave out the most common one, or search a directory below",
                limit="objects",
            )

    def drop(self, uuid: bytes) -> None:
        del self.counts[uuid], self.lengths[uuid], self.places[uuid]


async def searchtext(
    core: Core, context: Context, path: str, field: str, words: str, limit: int, cursor: str
) -> ScoredPage:
    check_limit(limit)
    wanted = read_words(words)
    asked = await open_search(core, context, path, None, "", None)
    fingerprint = asked.mark(check_field(field), [[word.text, word.prefix] for word in wanted])
    after = read_cursor(cursor, fingerprint, float, bytes) if cursor else None
    text = _TextSearch(asked, field, wanted)
    index = next(
        (each for each in asked.indexes if each.text and each.fields == (field,) and each.state == READY), None
    )
    await (text.walk() if index is None else text.look_up(index))
    ranked = rank(text.matches.counts, text.matches.lengths)
    if after is not None:
        ranked = [row for row in ranked if (-row[0], row[1]) > (-after[0], after[1])]
    rows, last = await text.page(ranked, limit)
    more = last is not None and last != ranked[-1]
    return {"objects": rows, "cursor": write_cursor(fingerprint, *last) if last is not None and more else ""}


def read_words(text: str) -> list[SearchWord]:
    """Parse the words of a search. Raises Invalid if there are none or too many."""
    found: dict[SearchWord, None] = {}
    for part in text.split():
        words = list(words_of(part))
        for number, word in enumerate(words, 1):
            found[SearchWord(word, part.endswith("*") and number == len(words))] = None
    if not 1 <= len(found) <= WORDS_LIMIT:
        raise Invalid(f"{text[:80]!r} has {len(found)} words to search for", remedy=f"give 1 to {WORDS_LIMIT}")
    return list(found)


class _TextSearch:
    """One search for words in a field."""

    def __init__(self, asked: Search, field: str, words: Sequence[SearchWord]) -> None:
        self._asked = asked
        self._core = asked.core
        self._field = field
        self._words = words
        self._whereabouts = Whereabouts(asked.core, asked.context, asked.top)
        self.matches = Matches(words)

    async def walk(self) -> None:
        """Count the words of all objects."""
        async with aclosing(self._asked.scanner.walk()) as pages:
            async for page in pages:
                for each in page:
                    self._count(Spot(*each[:3]), each.state)
                await asyncio.sleep(0)

    def _count(self, spot: Spot, state: bytes | None) -> None:
        counts, length = count_words(value_of(spot.entry, read_state(state), self._field))
        for number, word in enumerate(self._words):
            if times := word.count(counts):
                self.matches.add(spot.entry.uuid, number, times, length, spot)

    async def look_up(self, index: Index) -> None:
        """Take the counts from the rows of an index, and read the objects that have too many words for it."""
        for number, word in enumerate(self._words):
            async with aclosing(self._hits(index, word)) as pages:
                async for hits in pages:
                    for hit in hits:
                        *_, times, length = hit
                        if await self._whereabouts.path_of(hit.parent) is not None:
                            self.matches.add(hit.uuid, number, times, length, hit)
                    await asyncio.sleep(0)
        await self._drop_unseen()
        async with aclosing(hits_of(self._core, index, None)) as rest:
            async for many in rest:
                spots = await seek(self._core, self._asked.context, self._whereabouts, many)
                states = await load_states(self._core, [spot.entry for spot in spots], near=False)
                for spot, state in zip(spots, states, strict=True):
                    self._count(spot, state)

    async def _hits(self, index: Index, word: SearchWord) -> AsyncGenerator[list[WordHit], None]:
        after = b""
        while True:
            hits = await scan_word(self._core, index, word.text, word.prefix, after=after, limit=PAGE_ROWS)
            if hits:
                yield hits
            if len(hits) < PAGE_ROWS:
                return
            after = hits[-1].key

    async def _drop_unseen(self) -> None:
        """Drop the objects that the caller may not read, so that they do not affect the scores."""
        if self._asked.context.superuser:
            return
        places = [place for place in self.matches.places.values() if isinstance(place, WordHit)]
        for start in range(0, len(places), PAGE_ROWS):
            part = places[start : start + PAGE_ROWS]
            seen = {spot.entry.uuid for spot in await self._seek(part)}
            for hit in part:
                if hit.uuid not in seen:
                    self.matches.drop(hit.uuid)

    async def _seek(self, hits: Sequence[WordHit]) -> list[Spot]:
        return await seek(self._core, self._asked.context, self._whereabouts, hits)

    async def page(
        self, ranked: Sequence[tuple[float, bytes]], limit: int
    ) -> tuple[list[ScoredRow], tuple[float, bytes] | None]:
        """Return the first ranked objects with their states, and the last rank that was looked at."""
        part = ranked[:limit]
        places = [self.matches.places[uuid] for _, uuid in part]
        found = {spot.entry.uuid: spot for spot in await self._seek([p for p in places if isinstance(p, WordHit)])}
        found |= {place.entry.uuid: place for place in places if isinstance(place, Spot)}
        sizes = accumulate(found[uuid].entry.state_size if uuid in found else 0 for _, uuid in part)
        part = [row for row, size in zip(part, sizes, strict=True) if size <= PAGE_BYTES] or list(part[:1])
        spots = [(score, found[uuid]) for score, uuid in part if uuid in found]
        states = await load_states(self._core, [spot.entry for _, spot in spots], near=False)
        rows: list[ScoredRow] = [
            {"pointer": spot.entry.wire(spot.directory, self._core.node), "state": state, "score": score}
            for (score, spot), state in zip(spots, states, strict=True)
            if state is not None
        ]
        return rows, part[-1] if part else None


# --- ranks
def rank(counts: Mapping[bytes, Sequence[int]], lengths: Mapping[bytes, int]) -> list[tuple[float, bytes]]:
    """Rank the objects that have all the words as (score, uuid): best first, ties by uuid.

    By uuid, `counts` holds how often each word occurs, and `lengths` the number of words.
    """
    total = len(counts)
    if not total:
        return []
    average = sum(lengths[uuid] for uuid in counts) / total
    having = [sum(map(bool, column)) for column in zip(*counts.values(), strict=True)]
    weights = [math.log(1 + (total - each + 0.5) / (each + 0.5)) for each in having]
    found = [(_score(row, weights, lengths[uuid] / average), uuid) for uuid, row in counts.items() if all(row)]
    return sorted(found, key=lambda row: (-row[0], row[1]))


def _score(row: Sequence[int], weights: Sequence[float], length: float) -> float:
    return sum(
        weight * count * (K1 + 1) / (count + K1 * (1 - B + B * length))
        for weight, count in zip(weights, row, strict=True)
    )
