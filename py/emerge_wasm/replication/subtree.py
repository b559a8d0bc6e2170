"""Which objects are at or below a path, those that were removed from there among them, by their uuids."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..filesystem.core import Core
from ..filesystem.layout.locality import PAGE_ROWS
from ..filesystem.layout.place import ROOT_RAW
from ..filesystem.layout.record import ROOT, VersionRecord, entry_key, micros_of
from ..filesystem.tree.find import find_place
from ..filesystem.tree.links import newest_record
from ..paths import split_path
from ..store import prefix_end

_TAIL = 24  # bytes of a link's key after its name and the zero: uuid and version


class Subtree:
    """What is at or below a path, as of now; one is made for each answer."""

    def __init__(self, core: Core, path: str) -> None:
        self._core = core
        self._names = split_path(path)
        self._inside: dict[bytes, bool] = {}
        self.above: list[bytes] = []
        """The newest versions of the directories on the way to the path."""

    async def open(self) -> Subtree:
        """Find the path."""
        place = await find_place(self._core, self._names)
        if self._names:
            self._inside[ROOT] = False
            chain = [place.root, *place.raws[: len(self._names) - 1]]
            for raw in chain if place.root != ROOT_RAW else chain[1:]:
                record = await newest_record(self._core, raw[:16])
                assert record is not None
                self.above.append(record.pack())
            if len(place.raws) >= len(self._names) - 1:
                for uuid in await self._once_at(place.parent, self._names[-1]):
                    self._inside[uuid] = True
        return self

    @property
    def everything(self) -> bool:
        return not self._names

    async def has(self, uuid: bytes) -> bool:
        """Tell whether an object is there, or was last."""
        way: list[bytes] = []
        while not self.everything and uuid not in self._inside:
            way.append(uuid)
            record = await newest_record(self._core, uuid)
            if record is None or len(way) > PAGE_ROWS:
                self._inside[uuid] = False
                break
            uuid = record.parent
        found = self.everything or self._inside[uuid]
        self._inside.update(dict.fromkeys(way[1:], found))  # directories: others are in them too
        return found

    def holds(self, path: str) -> bool:
        """Tell whether a path is at or below this one."""
        return split_path(path)[: len(self._names)] == self._names

    async def below(self, top: bytes) -> list[bytes]:
        """Return all that is in a tree or was in its directories, by uuid, the top among them."""
        found, inside = {top}, {top}
        pending = [top]
        while pending:
            directory = pending.pop()
            async for uuid in self._links(directory, prefix_end(directory)):
                if uuid in inside:
                    continue
                found.add(uuid)  # it may have been in several of these directories, one after another
                record = await newest_record(self._core, uuid)
                if record is not None and record.parent == directory and record.entry.is_directory:
                    inside.add(uuid)
                    pending.append(uuid)
        return sorted(found)

    async def once_below(self, top: bytes, date: str) -> list[bytes]:
        """Return all that was in a tree until a moment, whoever has it since, by uuid, the top among them."""
        found, pending, until = {top}, [top], micros_of(date)
        while pending:
            directory = pending.pop()
            start, end = directory, prefix_end(directory)
            while page := await self._core.store.scan("links", start, end, limit=PAGE_ROWS):
                start = page[-1][0] + b"\0"
                for key, value in page:
                    uuid = key[-_TAIL:-8]
                    if uuid not in found and int.from_bytes(value[1:9], "big") <= until:
                        found.add(uuid)
                        pending.append(uuid)
        return sorted(found)

    async def _once_at(self, parent: bytes, name: str) -> list[bytes]:
        """Return what is at a name, and what was last there before it was removed."""
        start = entry_key(parent, name) + b"\0"
        found = []
        async for uuid in self._links(start, prefix_end(start)):
            record: VersionRecord | None = await newest_record(self._core, uuid)
            if record is not None and (record.parent, record.entry.name) == (parent, name):
                found.append(uuid)
        return found

    async def _links(self, start: bytes, end: bytes | None) -> AsyncIterator[bytes]:
        while True:
            page = await self._core.store.scan("links", start, end, limit=PAGE_ROWS)
            for key, _ in page:
                yield key[-_TAIL:-8]
            if len(page) < PAGE_ROWS:
                return
            start = page[-1][0] + b"\0"
