"""Read indexes: those that cover a directory, and pages of their rows. Checks no rights.

A caller must check the object that a row points to: the row says where it was when the page was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from ...store import prefix_end
from ..core import Core
from ..layout.catalogue import CATALOGUE, NONE, Definition, parse, progress_key, ready_key
from .index_row import NOWHERE, REST, index_prefix, read_count, text_prefix
from .progress import BuildProgress, read_progress

BUILDING: Final = "building"
READY: Final = "ready"
FAILED: Final = "failed"
IndexState = Literal["building", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class Index:
    """An index as it is now. Only a `ready` one has all its rows; `done` of `total` objects are in a `building` one."""

    id: int
    directory: bytes
    fields: tuple[str, ...]
    unique: bool
    text: bool
    state: IndexState
    error: str = ""
    done: int = 0
    total: int = 0


class Hit(NamedTuple):
    """A row of an index: `key` sorts as the rows do and is the position to resume after; `where` is its value."""

    key: bytes
    where: bytes

    @property
    def uuid(self) -> bytes:
        return self.key[-16:]

    @property
    def parent(self) -> bytes:
        """The uuid of the directory."""
        return self.where[:16]

    @property
    def name(self) -> str:
        return self.where[24:].decode()

    @property
    def newest(self) -> bytes:
        """The key of the object's newest version."""
        return self.key[-16:] + self.where[16:24]


class WordHit(NamedTuple):
    """A row of a text index: the object has the word so many `times`, among `length` words."""

    key: bytes
    uuid: bytes
    parent: bytes
    name: str
    word: str
    times: int
    length: int


# --- indexes
async def all_indexes(core: Core) -> list[Index]:
    """Every index of the filesystem."""
    raw = (await core.store.get([CATALOGUE]))[0]
    return await _indexes(core, parse(raw or NONE).definitions)


async def indexes_over(core: Core, chain: Sequence[bytes]) -> list[Index]:
    """Return the indexes that cover everything below the last directory of a chain.

    The chain holds the uuids or packed entries of the directories from the root on.
    """
    above = {each[:16] for each in chain}
    expected = [each for each in parse(core.catalogue).definitions if each.directory in above]
    raw, *ready = await core.store.get([CATALOGUE, *(("meta", ready_key(each.id)) for each in expected)])
    if (raw or NONE) == core.catalogue:
        return await _indexes(core, expected, ready)
    return await _indexes(core, [each for each in parse(raw or NONE).definitions if each.directory in above])


async def _indexes(core: Core, definitions: Sequence[Definition], ready: Sequence[bytes | None] = ()) -> list[Index]:
    if not definitions:
        return []
    ready = ready or await core.store.get([("meta", ready_key(each.id)) for each in definitions])
    if None not in ready:
        return [_ready(each) for each in definitions]
    building = [each for each, raw in zip(definitions, ready, strict=True) if raw is None and not each.error]
    rows = await core.store.get([("meta", progress_key(each.id)) for each in building]) if building else []
    progress = {each.id: read_progress(raw) for each, raw in zip(building, rows, strict=True)}
    return [_index(each, progress.get(each.id)) for each in definitions]


@lru_cache(maxsize=256)
def _ready(definition: Definition) -> Index:
    return _index(definition, None)


def _index(definition: Definition, progress: BuildProgress | None) -> Index:
    d = definition
    state: IndexState = FAILED if d.error else READY if progress is None else BUILDING
    done, total = (progress.done, progress.total) if progress is not None else (0, 0)
    return Index(d.id, d.directory, d.fields, d.unique, d.text, state, d.error, done, total)


# --- rows
async def scan_index(
    core: Core,
    index: Index,
    low: bytes = b"",
    high: bytes | None = None,
    *,
    after: bytes = b"",
    limit: int = 500,
    reverse: bool = False,
) -> list[Hit]:
    """Read a page of the rows whose joined sort keys are in a range (low <= key < high), in order, without the rest.

    `after` is the key of the last hit of the page before. Fewer than `limit` hits mean that there are no more.
    To read all rows with a key k in the first fields, give low=k and high=prefix_end(k).
    """
    prefix = index_prefix(index.id)
    end = prefix + (NOWHERE if high is None else min(high, NOWHERE))
    return await _scan(core, prefix, prefix + low, end, after, limit, reverse)


async def scan_rest(
    core: Core,
    index: Index,
    *,
    after: bytes = b"",
    limit: int = 500,
    reverse: bool = False,
    lacking: bool = False,
) -> list[Hit]:
    """Read a page of the objects without a sort key in an index (or with too many words for it), by uuid.

    With `lacking`, those that lack its first field come before them.
    """
    prefix = index_prefix(index.id)
    return await _scan(
        core, prefix, prefix + (NOWHERE if lacking else REST), prefix + REST + b"\xff" * 17, after, limit, reverse
    )


async def _scan(
    core: Core, prefix: bytes, start: bytes, end: bytes, after: bytes, limit: int, reverse: bool
) -> list[Hit]:
    if after and reverse:
        end = min(end, prefix + after)
    elif after:
        start = max(start, prefix + after + b"\0")
    if start >= end:
        return []
    rows = await core.store.scan("indexes", start, end, limit=limit, reverse=reverse)
    skip = len(prefix)
    make = tuple.__new__  # faster than calling Hit
    return [make(Hit, (key[skip:], where)) for key, where in rows]


async def scan_word(
    core: Core, index: Index, word: str, prefix: bool = False, *, after: bytes = b"", limit: int = 500
) -> list[WordHit]:
    """Read a page of the objects that have a word, or with `prefix` any word that begins so, by word and uuid.

    Give the word as `index_row.words_of` yields it. Objects with too many words are in `scan_rest`.
    """
    words = text_prefix(index.id)
    start = words + word.encode() + (b"" if prefix else b"\0")
    end = prefix_end(start)
    if after:
        start = max(start, words + after + b"\0")
    rows = await core.store.scan("indexes", start, end, limit=limit)
    return [_word_hit(key[len(words) :], value) for key, value in rows]


def _word_hit(key: bytes, value: bytes) -> WordHit:
    count, length, where = read_count(value)
    return WordHit(key, key[-16:], where[:16], where[16:].decode(), key[:-17].decode(), count, length)
