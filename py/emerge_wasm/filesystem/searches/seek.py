"""Look up the objects that index rows point to, at or below a path and readable by the caller.

Awaits the store only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...codec.msgpack_engine import engine
from ...context import Context
from ...store import JoinedRow, JoinRange, keys_of
from ..core import Core
from ..indexes.index import Hit, WordHit
from ..indexes.index_row import ENTRY_OF, PREFIX_SIZE, VERSION_OF, index_prefix
from ..layout.access import may
from ..layout.join import scan_joined
from ..layout.locality import PAGE_ROWS
from ..layout.record import INLINE_LIMIT, STATE, Entry, entry_key, is_directory
from ..tree.load import PAGE_BYTES
from .candidate import Candidate, Candidates, Spot, load_states
from .directories import Whereabouts

FIRST = PAGE_BYTES // INLINE_LIMIT
"""Objects in the first read, while their sizes are unknown."""

Keys = tuple[bytes, bytes]
"""A range of keys: low <= key < high."""

NO_KEYS = (b"", b"")


async def seek(
    core: Core, context: Context, whereabouts: Whereabouts, hits: Sequence[Hit | WordHit], scan: int = 0
) -> list[Spot]:
    """Look up the objects that hits point to, as they are now, in the order of the hits.

    A spot's mark is the number of the scan and the hit's key. Objects that are elsewhere, gone or unreadable for the
    caller are left out.
    """
    paths = await whereabouts.paths_of({hit.parent for hit in hits})
    inside = [(hit, path) for hit in hits if (path := paths[hit.parent]) is not None]
    raws = await core.store.get(keys_of("entries", (entry_key(hit.parent, hit.name) for hit, _ in inside)))
    return [
        Spot(Entry.unpack(raw), path, [scan, hit.key])
        for (hit, path), raw in zip(inside, raws, strict=True)
        if raw is not None and raw[:16] == hit.uuid and not is_directory(raw) and may(context, raw, "r")
    ]


class SoughtRange(NamedTuple):
    """Rows of an index whose objects are wanted, as scan of that number.

    Objects whose rows have keys in `sure` are matches. With `lacks` the objects lack that field, and are wanted without
    their states.
    """

    rows: JoinRange
    scan: int = 0
    sure: Keys = NO_KEYS
    lacks: str = ""

    @classmethod
    def of(
        cls, index: int, low: bytes, high: bytes, scan: int = 0, sure: Keys | None = None, lacks: str = ""
    ) -> SoughtRange:
        """Return the range low <= key < high of the index with that id; its prefix is in no key given here."""
        prefix = index_prefix(index)
        rows = JoinRange(prefix + low, prefix + high, ENTRY_OF if lacks else VERSION_OF)
        return cls(rows, scan, NO_KEYS if sure is None else (prefix + sure[0], prefix + sure[1]), lacks)

    def after(self, key: bytes, *, reverse: bool = False) -> SoughtRange:
        """Return what is left of it after the row with that key, the prefix with it."""
        start, end, lookup = self.rows
        start, end = (start, min(end, key)) if reverse else (max(start, key + b"\0"), end)
        return self._replace(rows=JoinRange(start, end, lookup))


async def read_ranges(
    core: Core,
    context: Context,
    whereabouts: Whereabouts,
    ranges: Sequence[SoughtRange],
    first: int = PAGE_ROWS,
    *,
    reverse: bool = False,
) -> Candidates:
    """Yield the objects that rows point to with their states, as of the rows, in pages that grow from `first`.

    A row names the newest version, so one read gives the object; if that version is no longer kept, the object is
    looked up again.
    """
    left, page = ranges, PageSize(first)
    while left:
        rows = await scan_joined(core.store, "indexes", [each.rows for each in left], page.rows, reverse)
        if rows:
            total, found = await _candidates(core, context, whereabouts, left, rows)
            yield found
        if len(rows) < page.rows:
            return
        left = after_row(left, rows[-1], reverse=reverse)
        page.grow(total)


class PageSize:
    """How many `rows` are read at a time: up to about 4 MiB; after `first` of them, as many as were before."""

    __slots__ = ("_first", "_read", "rows")

    def __init__(self, first: int) -> None:
        self.rows = min(max(first, 16), FIRST)
        self._first = first
        self._read = 0

    def grow(self, size: int) -> None:
        """Choose the next page's, after one of so many bytes."""
        self._read += self.rows
        most = max(self._first - self._read, self._read)
        self.rows = min(max(self.rows * PAGE_BYTES // (size + 1), 16), most, PAGE_ROWS)


def after_row(ranges: Sequence[SoughtRange], row: JoinedRow, *, reverse: bool = False) -> list[SoughtRange]:
    """Return what is left of some ranges after one of their rows."""
    place, key, _, _ = row
    return [ranges[place].after(key, reverse=reverse), *ranges[place + 1 :]]


async def _candidates(
    core: Core, context: Context, whereabouts: Whereabouts, ranges: Sequence[SoughtRange], rows: list[JoinedRow]
) -> tuple[int, list[Candidate]]:
    """Return how many bytes were read for some rows, and the candidates that they point to."""
    paths = await whereabouts.paths_of({where[:16] for _, _, where, _ in rows})
    lost = [row for row in rows if row[3] is None]
    lost = [row for row in lost if not ranges[row[0]].lacks and paths[row[2][:16]] is not None]
    again = await _look_again(core, lost) if lost else {}
    found: list[Candidate] = []
    apart: list[int] = []
    total, superuser, now = 0, context.superuser, -1
    unpack, unpack_entry, make = engine.unpackb, Entry.unpack, tuple.__new__  # quicker than calling Candidate
    rights: dict[tuple[str, str, str], bool] = {}
    for place, key, where, raw in rows:
        if place != now:
            _, scan, (low, high), lacks = ranges[place]
            now = place
        if (path := paths[where[:16]]) is None:
            continue
        state: bytes | None = None
        proven = False
        if lacks:
            packed = raw if raw is not None and raw[:16] == key[-16:] and not is_directory(raw) else None
        elif raw is not None:
            record = unpack(raw)
            packed, state = record[0], record[STATE]
            total += len(raw)
            proven = low <= key < high
        else:
            packed = again[key]
        if packed is None:
            continue
        entry = unpack_entry(packed)
        if not superuser:
            owned = entry.owner, entry.group, entry.perms
            if (allowed := rights.get(owned)) is None:
                allowed = rights[owned] = may(context, packed, "r")
            if not allowed:
                continue
        if state is None and not lacks:
            apart.append(len(found))
        found.append(make(Candidate, (entry, path, (scan, key[PREFIX_SIZE:]), state, proven, lacks)))
    if apart:
        states = await load_states(core, [found[number].entry for number in apart], near=False)
        for number, state in zip(apart, states, strict=True):
            found[number] = found[number]._replace(state=state, sure=found[number].sure and state is not None)
    return total, found


async def _look_again(core: Core, rows: Sequence[JoinedRow]) -> dict[bytes, bytes | None]:
    """Read the entries again, by the keys of their rows; None for an object that is no longer there."""
    raws = await core.store.get([ENTRY_OF.key_of(key, where) for _, key, where, _ in rows])
    return {
        key: raw if raw is not None and raw[:16] == key[-16:] and not is_directory(raw) else None
        for (_, key, _, _), raw in zip(rows, raws, strict=True)
    }
