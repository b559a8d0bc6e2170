"""A store in a ZODB: a file (`zodb:///file.fs`), behind a ZEO server (`zodb://host:port/storage`) or in PostgreSQL by
RelStorage (`zodb://?relstorage=postgresql%3A//user@host/database`, percent-encoded).

`tree` says how rows lie in it: BTrees of bytes, and that no other class is ever loaded. One thread writes; commits
that wait at the same moment share one transaction (`write`). A file is read here in the event loop, what is behind
a server by a second thread; both through a connection of their own, which sees one moment and waits for no commit.
Option `wait`: seconds to wait for a server that is away (5); four times that for one that is there and silent.
Must not be imported in a browser.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ...store import Batch, Capabilities, Key
from ..check import check_batch, check_keys, check_scan, closed
from ..group import Answer, Group
from .base import Base
from .location import Place, place_of
from .thread import Reads, Silent, Thread
from .tree import Rows
from .write import unknown

T = TypeVar("T")
_OPENING = 30.0  # seconds, and four times the wait, that a server may take to open a store


class ZODBStore:
    """A store of URL `zodb:`. It belongs to the event loop that opened it."""

    def __init__(self, base: Base, thread: Thread) -> None:
        place = base.place
        self.capabilities = Capabilities(
            durability="disk",
            reopens=True,
            many_writers=place.remote,
            isolation="serializable",
            largest_batch=100_000,
            largest_value=64 << 20,
        )
        self._base = base
        self._thread = thread
        self._patience = 4 * place.wait + 1 if place.remote else None
        self._group = Group(self._write)
        self._loop = asyncio.get_running_loop()
        self._looking = False
        self._reads: Reads | None = None
        if self._patience is not None:
            self._reads = Reads(Thread("emerge-zodb-read", place.name), self._patience, base.read)
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, location: str, options: Mapping[str, str]) -> ZODBStore:
        """Open or make a store; see the module for locations and options. Raises Invalid, Unavailable and the like."""
        place = place_of(location, options)
        thread = Thread("emerge-zodb", place.name)
        given_up = threading.Event()
        try:
            base = await thread.run(_OPENING + 4 * place.wait if place.remote else None, _base, place, given_up)
        except BaseException:
            given_up.set()
            thread.end()
            raise
        return cls(base, thread)

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        self._check_open()
        check_keys(keys)
        return await self._read(lambda rows: rows.get(keys))

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        self._check_open()
        check_scan(space, start, end, limit)
        return await self._read(lambda rows: rows.scan(space, start, end, limit, reverse))

    async def commit(self, batch: Batch) -> list[int]:
        self._check_open()
        check_batch(batch, self.capabilities)
        return await self._group.commit(batch)

    async def close(self) -> None:
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _read(self, look: Callable[[Rows], T]) -> T:
        if self._reads is not None:
            return await self._reads.read(look)
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self._look_away)
        return self._base.look(look)

    def _look_away(self) -> None:
        """The next read sees what is committed by then."""
        if self._looking:
            self._looking = False
            self._base.look_away()

    async def _write(self, batches: list[Batch]) -> list[Answer]:
        seconds = self._patience and self._patience + sum(map(_effort, batches))
        try:
            return await self._thread.run(seconds, self._base.write, batches)
        except Silent as error:
            raise unknown(error) if error.details["begun"] else error from None
        finally:
            self._look_away()  # whoever reads from now on sees these commits

    async def _close(self) -> None:
        await self._group.drain()
        if self._reads is not None:
            await self._reads.close()
        self._look_away()
        try:
            await self._thread.run(self._patience, self._base.close)
        except Silent:
            self._base.abandon()
        finally:
            self._thread.end()

    def _check_open(self) -> None:
        if self._closing is not None:
            raise closed(self._base.place.name)


def _base(place: Place, given_up: threading.Event) -> Base:
    """What is opened for nobody, since the opening was given up, is closed again."""
    base = Base(place)
    if given_up.is_set():
        base.close()
    return base


def _effort(batch: Batch) -> float:
    """Seconds that a slow server may take for a batch."""
    size = sum(len(value) for _, _, value in batch.puts) + sum(len(value) for _, value in batch.appends)
    return len(batch) / 1000 + size / 1e6
