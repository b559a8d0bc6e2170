"""What a scan comes upon: entries in batches, and their states read many at a time. Awaits the store only."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any, NamedTuple

from ...store import keys_of
from ..core import Core
from ..layout.locality import PAGE_ROWS, get_versions
from ..layout.record import Entry, VersionRecord, version_key
from ..tree.load import PAGE_BYTES


class Spot(NamedTuple):
    """One object that a scan came upon; `mark` is where the scan goes on after it."""

    entry: Entry
    directory: str
    mark: Any


class Candidate(NamedTuple):
    """A spot with the state that is there; None when the store has lost it. `sure`: it fits, the scan says."""

    entry: Entry
    directory: str
    mark: Any
    state: bytes | None
    sure: bool = False

    @property
    def kind(self) -> tuple[str, str]:
        """What its class is known by."""
        return self.entry.bundle, self.entry.class_name


Spots = AsyncGenerator[list[Spot], None]
Candidates = AsyncGenerator[list[Candidate], None]


async def with_states(core: Core, pages: Spots, first: int = PAGE_ROWS, *, near: bool = True) -> Candidates:
    """The spots with their states, in pages that grow from `first` and stay below PAGE_ROWS and some 4 MiB.

    `near`: the objects lie as they were made, so that their states do too.
    """
    size = min(max(first, 16), PAGE_ROWS)
    async for page in pages:
        start = 0
        while start < len(page):
            part = _fitting(page[start : start + size])
            states = await load_states(core, [spot.entry for spot in part], near=near)
            yield [Candidate(*spot, state) for spot, state in zip(part, states, strict=True)]
            start += len(part)
            size = min(size * 4, PAGE_ROWS)


def _fitting(spots: list[Spot]) -> list[Spot]:
    """The first of these whose states fit into memory together; one at least."""
    total = 0
    for count, spot in enumerate(spots):
        total += spot.entry.size
        if total > PAGE_BYTES:
            return spots[: max(count, 1)]
    return spots


async def load_states(core: Core, entries: Iterable[Entry], *, near: bool = True) -> list[bytes | None]:
    """The encoded states of many entries of objects, as of their versions; None for what the store has lost."""
    keys = [version_key(entry.uuid, entry.content) for entry in entries]
    if near:
        raws = await get_versions(core.store, keys)
    else:
        raws = await core.store.get(keys_of("versions", keys))
    states = [VersionRecord.unpack(raw).state if raw is not None else None for raw in raws]
    apart = [number for number, state in enumerate(states) if state is None]
    if apart:
        large = await core.store.get(keys_of("states", (keys[number] for number in apart)))
        for number, state in zip(apart, large, strict=True):
            states[number] = state
    return states
