"""Reads that a copy on this node answers although its owner is here, for callers who said how old an answer may be.

The copy must have been the same as its owner within that time, and since the last answer that this caller got of the
volume by way of this node; else it asks its owner first, once. So who goes on at one node reads what they wrote, and
never something older than before. All moments are of this process's clock: a copy that asked at one, and was told that
there is nothing new, was the same as its owner then.
"""

from __future__ import annotations

from time import monotonic
from typing import Protocol

from ..cluster.peer import Identity
from ..context import asker
from ..operations import Context
from .paths import normal
from .stale import reads
from .volumes import Volumes

MOST = 10_000
"""Callers and volumes that are remembered."""

EVERYTHING = ""


class CopyMoments(Protocol):
    """Who knows since when copies are as they are."""

    async def fresh(self, filesystem: str, since: float) -> bool:
        """Tell whether a copy on this node was the same as its owner at a later moment than this, perhaps now."""
        ...


class NearReads:
    """Chooses the copy that may answer, and remembers what callers have seen."""

    def __init__(self, volumes: Volumes, copies: CopyMoments) -> None:
        self._volumes = volumes
        self._copies = copies
        self._seen: dict[tuple[str, str], float] = {}
        self._since = 0.0

    async def copy(self, path: str, owner: str, name: str, context: Context) -> Identity | None:
        """The copy on this node that may answer an operation."""
        table = self._volumes.table
        if not context.max_age or table is None or context.transaction or not reads(name):
            return None
        if self._volumes.local(owner) is not None:
            return None
        volume, who = table.volume_of(normal(path)), asker(context)
        seen = max(self._since, *(self._seen.get(key, 0.0) for key in ((volume.path, who), (EVERYTHING, who))))
        for replica in table.copies(volume.path):
            if replica.filesystem in self._volumes.hosted:
                if await self._copies.fresh(replica.filesystem, max(seen, monotonic() - context.max_age)):
                    return self._volumes.serving(replica.filesystem)
        return None

    def saw(self, context: Context, path: str = "") -> None:
        """A caller was answered by the owner of a path ("": of whatever there is)."""
        table = self._volumes.table
        if table is None or not self._volumes.hosted:
            return
        if len(self._seen) > MOST:
            self._seen, self._since = {}, monotonic()
        self._seen[table.volume_of(normal(path)).path if path else EVERYTHING, asker(context)] = monotonic()
