"""Rows of many objects in the order of their keys, committed a part at a time. Awaits the store only.

Rows in order touch each page of a store once, and rows of few objects at a time touch nearly all of them each time. So
as many objects are read as fit into memory, and sorted; whether they are still the same when a part is committed is
seen in the log.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Self

from ....store import Batch, keys_of
from ...core import Core
from ...layout.catalogue import Definition
from ...layout.log import changed_since, newest_position
from ...layout.record import KeyValue, entry_key, log_key
from ...time_slice import TimeSlice
from ..index_row import UNIQUE
from .page import Clash, make_rows
from .walk import Walk, WalkedEntry

PART = 256
"""Objects that are read, and whose rows are made, at a time."""

STEP = 8192
"""Objects whose versions are read in order; of a text index, which may have many rows of each, only `PART`."""


class SortedRun:
    """The rows of some objects that are still to be committed, as the objects were at a position of the log.

    What changes an object later writes its rows itself. So those of an object that has changed are left out.
    """

    def __init__(self, core: Core, definition: Definition, position: int) -> None:
        self.objects = 0
        self._core = core
        self._definition = definition
        self._position = position
        self._entries: dict[bytes, WalkedEntry] = {}
        self._rows: list[KeyValue] = []  # those to be committed first are last

    @classmethod
    async def read(cls, core: Core, definition: Definition, walk: Walk, most: int) -> Self:
        """Read the next objects until they, or their rows, are about `most`; fewer at the end of the walk.

        The walk must be a new one: what it has read already may have changed before the run's position in the log.
        """
        run = cls(core, definition, await newest_position(core.store))
        while not walk.over and run.objects < most and len(run._rows) < most:
            await run._read(walk, min(PART if definition.text else STEP, most - run.objects))
        run._rows.sort(reverse=True)
        return run

    async def _read(self, walk: Walk, most: int) -> None:
        """Read the next objects and make their rows, in the order of their versions, which are then read as ranges."""
        time_slice = TimeSlice()
        found: list[WalkedEntry] = []
        while len(found) < most and (some := await walk.next(min(PART, most - len(found)))) is not None:
            found += some
            await time_slice.share()
        found.sort(key=itemgetter(WalkedEntry._fields.index("raw")))  # which begins with the uuid
        rows: list[KeyValue] = []
        for at in range(0, len(found), PART):
            some = found[at : at + PART]
            rows += await make_rows(self._core.store, self._definition, some)
            self._entries.update({each.raw[:16]: each for each in some})
            await time_slice.share()
        rows.sort(reverse=True)  # so that it takes the last sort a third of the time
        self._rows += rows
        self.objects += len(found)
        await time_slice.share()

    def __len__(self) -> int:
        return len(self._rows)

    async def part(self, most: int, one_by_one: bool) -> Batch | Clash:
        """Return a commit of the first `most` rows; what prevents it, in a unique index.

        Its condition is that nothing at all has changed; `one_by_one`: that none of its objects has.
        """
        rows = self._rows[: -most - 1 : -1]
        batch = Batch([("indexes", key, value) for key, value in rows])
        if self._definition.unique and (clash := await self._take_values(batch)) is not None:
            return clash
        if one_by_one:
            for each in map(self._entries.__getitem__, {_uuid(row) for row in rows}):
                batch.expect("entries", entry_key(each.parent, each.name), each.raw)
        elif rows:
            batch.expect("log", log_key(self._position + 1), None)
        return batch

    def drop(self, count: int) -> None:
        """Forget the first rows, which are committed."""
        del self._rows[len(self._rows) - count :]

    async def catch_up(self) -> None:
        """Leave out what has changed since it was read."""
        changed, self._position = await changed_since(self._core.store, self._position)
        if not changed.isdisjoint(self._entries):
            self._rows = [row for row in self._rows if _uuid(row) not in changed]

    async def _take_values(self, batch: Batch) -> Clash | None:
        """Take the unique values, on the condition that nobody has them; return what prevents it."""
        keys = list(dict.fromkeys(key for _, key, _ in batch.puts if key.startswith(UNIQUE)))
        held = dict(zip(keys, await self._core.store.get(keys_of("indexes", keys)) if keys else [], strict=True))
        for key, holder in held.items():
            batch.expect("indexes", key, holder)
        for _, key, value in batch.puts:
            if key in held:
                holder = held[key]
                if holder is not None and holder[:16] != value[:16]:
                    return Clash(key, value[16:], holder[16:])
                held[key] = value
        return None


def _uuid(row: KeyValue) -> bytes:
    """Return the object of a row."""
    key, value = row
    return value[:16] if key.startswith(UNIQUE) else key[-16:]
