"""Where the directories are that index rows name by uuid, and whether a search that began at a path may look into them.

An index says only which directory an object is in; the way there is looked up once a directory, for one call. Awaits
the store only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...context import Context
from ...paths import DEPTH_LIMIT, child_path
from ..core import Core
from ..layout.access import may
from ..layout.record import ROOT
from ..tree.find import REMOVED, Found
from ..tree.links import newest_record


class Whereabouts:
    """The directories at or below `top`, by uuid. For one call: it does not see what moves meanwhile."""

    def __init__(self, core: Core, context: Context, top: Found) -> None:
        self._core = core
        self._context = context
        self._known: dict[bytes, str | None] = {raw[:16]: None for raw in top.place.chain[:-1]}
        self._known[top.uuid] = top.path

    async def path_of(self, uuid: bytes) -> str | None:
        """The path of a directory; None when it is elsewhere, gone, or not to be looked into by the caller."""
        if uuid not in self._known:
            await self._find(uuid)
        return self._known[uuid]

    async def paths_of(self, uuids: Collection[bytes]) -> Mapping[bytes, str | None]:
        """The same of many, by uuid; of others too that are known."""
        for uuid in uuids:
            if uuid not in self._known:
                await self._find(uuid)
        return {uuid: self._known[uuid] for uuid in uuids}

    async def _find(self, uuid: bytes) -> None:
        """Go up until a known one, then tell all below it where they are."""
        below: list[tuple[bytes, str, bool]] = []  # uuid, name, whether it may be looked into
        while uuid not in self._known and uuid != ROOT and len(below) <= DEPTH_LIMIT:
            record = await newest_record(self._core, uuid)
            if record is None or record.operation == REMOVED:
                break
            below.append((uuid, record.entry.name, may(self._context, record.raw, "rx")))
            uuid = record.parent
        path = self._known.get(uuid)
        if uuid not in self._known:  # it was removed
            self._known[uuid] = None
        for each, name, open in reversed(below):
            path = child_path(path, name) if path is not None and open else None
            self._known[each] = path
