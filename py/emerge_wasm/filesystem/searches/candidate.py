"""Objects found by a scan: their entries in batches, and their states read in bulk. Awaits the store only."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any, NamedTuple

from ...store import keys_of
from ..core import Core
from ..layout.locality import PAGE_ROWS, get_versions
from ..layout.record import Entry, VersionRecord, version_key
from ..tree.load import PAGE_BYTES


class Spot(NamedTuple):
    """An object that a scan found; `mark` is the position from which the scan resumes after it."""

    entry: Entry
    directory: str
    mark: Any


class Candidate(NamedTuple):
    """A spot with its state, None if the store has lost it. `sure`: its index key proves that it matches.

    `lacks`: the field that an index says it lacks, which the predicate reads in any case; its state was not read.
    """

    entry: Entry
    directory: str
    mark: Any
    state: bytes | None
    sure: bool = False
    lacks: str = ""

    @property
    def kind(self) -> tuple[str, str]:
        """Its class, as (bundle hash, class name)."""
        return self.entry.bundle, self.entry.class_name


Spots = AsyncGenerator[list[Spot], None]
Candidates = AsyncGenerator[list[Candidate], None]


async def with_states(core: Core, pages: Spots, first: int = PAGE_ROWS, *, near: bool = True) -> Candidates:
    """Read the states of spots, in pages that grow from `first` up to PAGE_ROWS and about 4 MiB.

    `near`: the spots come in about the order of their creation, so their states lie together.
    """
    size, make = min(max(first, 16), PAGE_ROWS), tuple.__new__  # quicker than calling Candidate
    async for page in pages:
        start = 0
        while start < len(page):
            part = _fitting(page[start : start + size])
            states = await load_states(core, [spot.entry for spot in part], near=near)
            yield [make(Candidate, (*spot, state, False, "")) for spot, state in zip(part, states, strict=True)]
            start += len(part)
            size = min(size * 4, PAGE_ROWS)


def _fitting(spots: list[Spot]) -> list[Spot]:
    """Return the first spots whose states fit into memory together; at least one."""
    total = 0
    for count, spot in enumerate(spots):
        total += spot.entry.state_size
        if total > PAGE_BYTES:
            return spots[: max(count, 1)]
    return spots


async def load_states(core: Core, entries: Iterable[Entry], *, near: bool = True) -> list[bytes | None]:
    """Load the encoded states of many object entries at their versions; None for one that the store has lost."""
    keys = [version_key(entry.uuid, entry.content) for entry in entries]
    if near:
        raws = await get_versions(core.store, keys)
    else:
        raws = await core.store.get(keys_of("versions", keys))
    state_in = VersionRecord.state_in
    states = [state_in(raw) if raw is not None else None for raw in raws]
    apart = [number for number, state in enumerate(states) if state is None]
    if apart:
        large = await core.store.get(keys_of("states", (keys[number] for number in apart)))
        for number, state in zip(apart, large, strict=True):
            states[number] = state
    return states
