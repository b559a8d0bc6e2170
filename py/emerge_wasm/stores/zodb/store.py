"""A store in a ZODB: a file (`zodb:///file.fs`), behind a ZEO server (`zodb://host:port/storage`) or in PostgreSQL by
RelStorage (`zodb://?relstorage=postgresql%3A//user@host/database`, percent-encoded).

`tree` describes the layout: BTrees of bytes, and no other class is ever loaded. One thread writes; commits that wait at
the same moment share one transaction (`write`). A file is read here in the event loop, what is behind a server by a
second thread; both through a connection of their own, which sees one moment and waits for no commit.
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
from ..group_commit import CommitResult, GroupCommit
from .location import ZODBLocation, location_of
from .pack import PackPolicy
from .session import ZODBSession
from .thread import ReadQueue, ServerSilent, WorkerThread
from .tree import ZODBRows
from .write import unknown

T = TypeVar("T")
_OPENING = 30.0  # seconds, and four times the wait, that a server may take to open a store


class ZODBStore:
    """A store of URL `zodb:`. It belongs to the event loop that opened it."""

    def __init__(self, session: ZODBSession, thread: WorkerThread) -> None:
        location = session.location
        self.capabilities = Capabilities(
            durability="disk",
            reopens=True,
            many_writers=location.remote,
            isolation="serializable",
            largest_batch=100_000,
            largest_value=64 << 20,
        )
        self.session = session
        self._thread = thread
        self._patience = 4 * location.wait + 1 if location.remote else None
        self._group = GroupCommit(self._write)
        self._loop = asyncio.get_running_loop()
        self._looking = False
        self._reads: ReadQueue[ZODBRows] | None = None
        if self._patience is not None:
            self._reads = ReadQueue(WorkerThread("emerge-zodb-read", location.name), self._patience, session.read)
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, location: str, options: Mapping[str, str]) -> ZODBStore:
        """Open or make a store; see the module for locations and options.

        Raises:
            Invalid: the location or an option is wrong, or it is not an Emerge store of a format that this one reads.
            Unavailable: another process has the file, or the server does not answer.
            PermissionDenied: the server refuses these credentials.
        """
        return await cls.open_at(location_of(location, options))

    @classmethod
    async def open_at(cls, location: ZODBLocation, policy: PackPolicy | None = None) -> ZODBStore:
        """Open or make the store at a location, as `open`; `policy` says when a file is packed."""
        thread = WorkerThread("emerge-zodb", location.name)
        given_up = threading.Event()
        seconds = _OPENING + 4 * location.wait if location.remote else None
        try:
            session = await thread.run(seconds, _open_session, location, policy, given_up)
        except BaseException:
            given_up.set()
            thread.end()
            raise
        return cls(session, thread)

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

    async def _read(self, look: Callable[[ZODBRows], T]) -> T:
        if self._reads is not None:
            return await self._reads.read(look)
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self._look_away)
        return self.session.look(look)

    def _look_away(self) -> None:
        """The next read sees what is committed by then."""
        if self._looking:
            self._looking = False
            self.session.look_away()

    async def _write(self, batches: list[Batch]) -> list[CommitResult]:
        seconds = self._patience and self._patience + sum(map(_effort, batches))
        try:
            return await self._thread.run(seconds, self.session.write, batches)
        except ServerSilent as error:
            raise unknown(error) if error.details["begun"] else error from None
        finally:
            self._look_away()  # whoever reads from now on sees these commits

    async def _close(self) -> None:
        await self._group.drain()
        if self._reads is not None:
            await self._reads.close()
        self._look_away()
        try:
            await self._thread.run(self._patience, self.session.close)
        except ServerSilent:
            self.session.abandon()
        finally:
            self._thread.end()

    def _check_open(self) -> None:
        if self._closing is not None:
            raise closed(self.session.location.name)


def _open_session(location: ZODBLocation, policy: PackPolicy | None, given_up: threading.Event) -> ZODBSession:
    """Open a session; close it again when the opening was given up meanwhile."""
    session = ZODBSession(location, policy)
    if given_up.is_set():
        session.close()
    return session


def _effort(batch: Batch) -> float:
    """Return the seconds that a slow server may take for a batch."""
    size = sum(len(value) for _, _, value in batch.puts) + sum(len(value) for _, value in batch.appends)
    return len(batch) / 1000 + size / 1e6
