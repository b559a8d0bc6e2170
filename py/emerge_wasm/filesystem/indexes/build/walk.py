"""Walk all objects at or below a directory, by uuids; a walk can be resumed. Awaits the store only."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from ....store import Store, prefix_end
from ...layout.locality import PAGE_ROWS, PARENT
from ...layout.record import DIRECTORY_MARK, KeyValue, entry_key
from ..progress import Cursor


class WalkedEntry(NamedTuple):
    """An object: the uuid of its directory, its name there, its packed entry."""

    parent: bytes
    name: str
    raw: bytes


@dataclass(slots=True)
class _Level:
    """A directory being walked: the last name done in it, and the entries read after that."""

    uuid: bytes
    after: str = ""
    read: deque[KeyValue] = field(default_factory=deque)
    whole: bool = False  # no entries follow those read


class Walk:
    """Walks depth first, by name. What moves meanwhile may be missed or come twice: its writer updates its rows."""

    def __init__(self, store: Store, top: bytes, cursor: Cursor = ()) -> None:
        self._store = store
        self._levels = [_Level(uuid, after) for uuid, after in cursor or ((top, ""),)]

    @property
    def cursor(self) -> Cursor:
        return tuple((level.uuid, level.after) for level in self._levels)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return not self._levels

    async def next(self, limit: int) -> list[WalkedEntry] | None:
        """Return at most `limit` objects, perhaps none; None at the end."""
        found: list[WalkedEntry] = []
        make = tuple.__new__  # quicker than calling WalkedEntry
        while self._levels and len(found) < limit:
            level = self._levels[-1]
            if level.read:
                read, uuid, name = level.read, level.uuid, ""
                while read and len(found) < limit:
                    key, raw = read.popleft()
                    name = key[PARENT:].decode()
                    if raw[16:17] == DIRECTORY_MARK:
                        self._levels.append(_Level(raw[:16]))
                        break
                    found.append(make(WalkedEntry, (uuid, name, raw)))
                level.after = name
            elif level.whole:
                self._levels.pop()
            else:
                start = entry_key(level.uuid, level.after) + b"\0" if level.after else level.uuid
                page = await self._store.scan("entries", start, prefix_end(level.uuid), limit=PAGE_ROWS)
                level.read.extend(page)
                level.whole = len(page) < PAGE_ROWS
        return found if found or self._levels else None


async def count_objects(store: Store, top: bytes) -> int:
    """Count the objects at or below a directory."""
    total, left = 0, [top]
    while left:
        start, end = left[-1], prefix_end(left.pop())
        while True:
            page = await store.scan("entries", start, end, limit=PAGE_ROWS)
            below = [raw[:16] for _, raw in page if raw[16:17] == DIRECTORY_MARK]
            left += below
            total += len(page) - len(below)
            if len(page) < PAGE_ROWS:
                break
            start = page[-1][0] + b"\0"
            await asyncio.sleep(0)
    return total
