"""Look up the objects that index rows point to, at or below a path and readable by the caller.

Awaits the store only.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...codec.msgpack_engine import engine
from ...context import Context
from ...store import keys_of
from ..core import Core
from ..indexes.index import Hit, WordHit
from ..layout.access import may
from ..layout.locality import PAGE_ROWS
from ..layout.record import INLINE_LIMIT, Entry, entry_key, is_directory
from ..tree.load import PAGE_BYTES
from .candidate import Candidate, Candidates, Spot, load_states
from .directories import Whereabouts

FIRST = PAGE_BYTES // INLINE_LIMIT
"""Objects in the first read, while their sizes are unknown."""

Keys = tuple[bytes, bytes]
"""A range of keys: low <= key < high."""

_NONE = (b"", b"")


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


async def read_hits(
    core: Core,
    context: Context,
    whereabouts: Whereabouts,
    hits: Sequence[Hit],
    scan: int = 0,
    sure: Keys | None = None,
) -> Candidates:
    """Yield the objects that hits point to with their states, as of the rows, in pages of about 4 MiB at most.

    Objects with keys in `sure` are marked as matches. A row names the newest version, so one read gives the object;
    if that version is no longer kept, the object is looked up again.
    """
    start, size = 0, FIRST
    while start < len(hits):
        part = hits[start : start + size]
        raws, page = await _read(core, context, whereabouts, part, scan, sure or _NONE)
        yield page
        start += size
        size = min(max(size * PAGE_BYTES // (raws + 1), 16), PAGE_ROWS)


async def _read(
    core: Core, context: Context, whereabouts: Whereabouts, hits: Sequence[Hit], scan: int, sure: Keys
) -> tuple[int, list[Candidate]]:
    """Return how many bytes were read for some hits, and the candidates that they point to."""
    paths = await whereabouts.paths_of({where[:16] for _, where in hits})
    if None in paths.values():
        hits = [hit for hit in hits if paths[hit.parent] is not None]
    raws = await core.store.get([("versions", key[-16:] + where[16:24]) for key, where in hits])
    again = await _look_again(core, [hit for hit, raw in zip(hits, raws, strict=True) if raw is None])
    found: list[Candidate] = []
    apart: list[int] = []
    total, (low, high) = 0, sure
    superuser, make = context.superuser, tuple.__new__  # as in `Entry.unpack`
    rights: dict[tuple[str, str, str], bool] = {}
    for (key, where), raw in zip(hits, raws, strict=True):
        state: bytes | None = None
        if raw is not None:
            packed, _, _, _, _, _, _, state = engine.unpackb(raw)
            total += len(raw)
        elif (packed := again[key]) is None:
            continue
        entry = Entry.unpack(packed)
        if not superuser:
            owned = entry.owner, entry.group, entry.perms
            if (allowed := rights.get(owned)) is None:
                allowed = rights[owned] = may(context, packed, "r")
        if superuser or allowed:
            if state is None:
                apart.append(len(found))
            proven = raw is not None and low <= key < high
            found.append(make(Candidate, (entry, paths[where[:16]], (scan, key), state, proven, "")))
    if apart:
        states = await load_states(core, [found[number].entry for number in apart], near=False)
        for number, state in zip(apart, states, strict=True):
            found[number] = found[number]._replace(state=state, sure=found[number].sure and state is not None)
    return total, found


async def _look_again(core: Core, hits: Sequence[Hit]) -> dict[bytes, bytes | None]:
    """Read the entries again, by the keys of the hits; None for an object that is no longer there."""
    if not hits:
        return {}
    raws = await core.store.get(keys_of("entries", (entry_key(hit.parent, hit.name) for hit in hits)))
    return {
        hit.key: raw if raw is not None and raw[:16] == hit.uuid and not is_directory(raw) else None
        for hit, raw in zip(hits, raws, strict=True)
    }
