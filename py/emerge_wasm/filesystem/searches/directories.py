"""Find the paths of the directories that index rows name by uuid, if the caller may search them.

An index row holds only its directory's uuid; each path is looked up once for one call. Awaits the store only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ...context import Context
from ...paths import DEPTH_LIMIT, child_path
from ..core import Core, Part
from ..layout.access import may
from ..layout.ancestry import GONE
from ..layout.record import ROOT, entry_key
from ..tree.find import Found
from ..tree.links import newest_record

KEPT = 10_000
"""Directories that are remembered; then they are forgotten all together."""


class _Seen(NamedTuple):
    """A directory by its newest version; as long as its entry is the same, so is that."""

    parent: bytes
    name: str
    raw: bytes


_SEEN = Part(dict[bytes, _Seen])


class Whereabouts:
    """Paths of the directories at or below `top`, by uuid, for one call: it does not see later moves."""

    def __init__(self, core: Core, context: Context, top: Found) -> None:
        self._core = core
        self._context = context
        self._known: dict[bytes, str | None] = {raw[:16]: None for raw in top.place.chain[:-1]}
        self._known[top.uuid] = top.path
        self._current: dict[bytes, _Seen] = {}  # those whose entries were read for this call already

    async def path_of(self, uuid: bytes) -> str | None:
        """Return the path of a directory; None if it is elsewhere, gone, or closed to the caller."""
        if uuid not in self._known:
            await self._find(uuid)
        return self._known[uuid]

    async def paths_of(self, uuids: Collection[bytes]) -> Mapping[bytes, str | None]:
        """Return the paths of many directories, by uuid."""
        fresh = [uuid for uuid in uuids if uuid not in self._known]
        if len(fresh) > 1:
            await self._look_at(fresh)
        for uuid in fresh:
            if uuid not in self._known:
                await self._find(uuid)
        return {uuid: self._known[uuid] for uuid in uuids}

    async def _find(self, uuid: bytes) -> None:
        """Go up to a known directory, then record the paths of those below it."""
        below: list[tuple[bytes, _Seen]] = []
        while uuid not in self._known and uuid != ROOT and len(below) <= DEPTH_LIMIT:
            seen = await self._look(uuid)
            if seen is None:
                break
            below.append((uuid, seen))
            uuid = seen.parent
        path = self._known.get(uuid)
        if uuid not in self._known:  # it was removed
            self._known[uuid] = None
        for each, seen in reversed(below):
            path = self._known[each] = self._inside(path, seen)

    def _inside(self, path: str | None, seen: _Seen) -> str | None:
        """Return the path of a directory in one at a path, if the caller may search it."""
        return child_path(path, seen.name) if path is not None and may(self._context, seen.raw, "rx") else None

    async def _look_at(self, uuids: Sequence[bytes]) -> None:
        """Read the entries of those that were seen before in one batch."""
        known = _SEEN.of(self._core)
        seen = [(uuid, known[uuid]) for uuid in uuids if uuid in known]
        keys = [("entries", entry_key(each.parent, each.name)) for _, each in seen]
        for (uuid, each), raw in zip(seen, await self._core.store.get(keys), strict=True):
            if raw == each.raw and each.parent in self._known:
                self._known[uuid] = self._inside(self._known[each.parent], each)
            elif raw == each.raw:
                self._current[uuid] = each

    async def _look(self, uuid: bytes) -> _Seen | None:
        """Return a directory as it is now, None if it is gone."""
        if uuid in self._current:
            return self._current[uuid]
        known = _SEEN.of(self._core)
        seen = known.get(uuid)
        if seen is not None:
            (raw,) = await self._core.store.get([("entries", entry_key(seen.parent, seen.name))])
            if raw == seen.raw:
                return seen
        record = await newest_record(self._core, uuid)
        if record is None or record.operation in GONE:
            return None
        if len(known) >= KEPT:
            known.clear()
        seen = known[uuid] = _Seen(record.parent, record.entry.name, record.raw)
        return seen
