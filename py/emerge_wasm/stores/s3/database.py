"""The rows of an S3 store in slatedb: one moment to read at, one durable write at a time, and recovery from failures.

slatedb retries failing requests without end, and cannot take back what it was asked to write. So a write that has taken
too long is left to it and reported as unknown, and the next write waits until its outcome is known. A database that
closed itself is opened again; its mark shows whether the last write is in it. Knows nothing of spaces or groups.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

from slatedb.uniffi import (
    CloseOptions,
    CloseReason,
    Db,
    DbBuilder,
    DbCache,
    DbSnapshot,
    DurabilityLevel,
    Error,
    FlushOptions,
    FlushType,
    FoyerCacheOptions,
    IterationOrder,
    KeyRange,
    ScanOptions,
    Settings,
    WriteBatch,
)

from ...errors import EmergeError, Invalid, Unavailable
from ..check import closed
from .batch import put
from .bucket import S3Bucket, to_emerge_error
from .location import object_store

MARK = b"\0mark"  # the row that every write replaces: 16 random bytes, and how many writes are in the log (4 bytes)
_UNKNOWN = "it is not known yet whether this commit is kept"
_CACHE = 64 << 20  # bytes of blocks kept in memory
_FAREWELL = 0.5  # seconds that slatedb gets for each step of an orderly end, which nothing depends on
_PAGE = 4096  # rows fetched at once
_TURN = 5000  # rows put into a batch before others get their turn

T = TypeVar("T")
P = ParamSpec("P")
_log = logging.getLogger("emerge.stores.s3")


@dataclass(frozen=True, slots=True)
class SlateTuning:
    """How slatedb is run."""

    log: int = 1000  # writes after which the log is made a table: opening after a crash reads an object for each
    retries: int | None = None  # of a request that fails; None: without end

    def settings(self) -> dict[str, str]:
        """Return slatedb's settings, as it takes them: JSON."""
        settings = {
            "flush_interval": '"50ms"',  # only when our own flush was interrupted
            "l0_sst_size_bytes": str(32 << 20),
            "l0_max_ssts": "32",  # tables that wait for a compaction before new ones have to
            "l0_max_ssts_per_key": "32",
        }
        if self.retries is not None:
            settings["object_store_max_retries"] = str(self.retries)
        return settings


class SlateDatabase:
    """slatedb in a bucket. Belongs to the event loop that opened it."""

    def __init__(self, bucket: S3Bucket, tuning: SlateTuning) -> None:
        self._bucket = bucket
        self._tuning = tuning
        self._wait = bucket.location.wait
        self._db: Db | None = None
        self._snapshot: DbSnapshot | None = None
        self._opening = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._open_end: asyncio.Task[None] | None = None  # a write whose outcome is not known yet
        self._making: asyncio.Task[None] | None = None  # a table of the log
        self._logged = 0
        self._ended: Unavailable | None = None  # why it is never opened again: fenced, or closed

    async def open(self) -> None:
        """Open slatedb, making it if it does not exist yet. Raises EmergeError."""
        await self._opened()

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of these keys, as of the last write."""
        return await self._read(self._get, keys)

    async def scan(self, start: bytes, end: bytes, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        """Return at most `limit` rows of start <= key < end, as of the last write."""
        if start >= end or not limit:
            return []
        return await self._read(self._scan, start, end, limit, reverse)

    async def settle(self) -> None:
        """Wait until the outcome of the last write is known: what is read before that may be overtaken by it.

        Raises Unavailable, or LimitExceeded, when that takes too long.
        """
        work = self._open_end
        if work is not None:
            await asyncio.wait([work], timeout=self._wait)
            if not work.done():
                raise await self._bucket.silent("nothing of this commit was written", writing=True)
            if not work.cancelled():
                work.exception()  # its caller has it
            if self._open_end is work:
                self._open_end = None

    async def write(self, rows: Mapping[bytes, bytes | None]) -> None:
        """Put these rows, or (None) delete them: all or nothing, durable and visible when this returns.

        Raises EmergeError: nothing was written, unless it says that this is not known (`details["unknown"]`).
        """
        async with self._writing:
            await self.settle()
            work = self._open_end = asyncio.ensure_future(self._write(dict(rows)))
            await asyncio.wait([work], timeout=self._wait)
            if not work.done():
                error = await self._bucket.silent(_UNKNOWN, writing=True)
                if not work.done():
                    error.details["unknown"] = True
                    raise error
            self._open_end = None
            work.result()

    async def close(self) -> None:
        """Wait for what is under way, so long as S3 may take, and let go."""
        try:
            await self.settle()
        except EmergeError as error:
            _log.warning("%s: closed while a write was under way: %s", self._bucket.location.name, error)
        for task in (self._open_end, self._making):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        self._ended = self._ended or closed(self._bucket.location.name)
        if self._db is not None and self._logged:
            with suppress(TimeoutError):  # only so that the next opening has less to read
                async with asyncio.timeout(_FAREWELL):
                    await self._make_table(self._db)
        await self._shut()

    async def _get(self, snapshot: DbSnapshot, keys: Sequence[bytes]) -> list[bytes | None]:
        if len(keys) == 1:
            return [await snapshot.get(keys[0])]
        return list(await asyncio.gather(*[snapshot.get(key) for key in keys]))

    async def _scan(
        self, snapshot: DbSnapshot, start: bytes, end: bytes, limit: int, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        options = ScanOptions(
            durability_filter=DurabilityLevel.MEMORY,
            dirty=False,
            read_ahead_bytes=1 << 20 if limit > 100 else 1,
            cache_blocks=True,
            max_fetch_tasks=4,
            order=IterationOrder.DESCENDING if reverse else IterationOrder.ASCENDING,
        )
        span = KeyRange(start=start, start_inclusive=True, end=end, end_inclusive=False)
        found = await snapshot.scan_with_options(span, options)
        rows: list[tuple[bytes, bytes]] = []
        while len(rows) < limit:
            wanted = min(_PAGE, limit - len(rows))
            page = await found.next_batch(wanted)
            rows += [(row.key, row.value) for row in page]
            if len(page) < wanted:
                break
        return rows

    async def _read(
        self, read: Callable[Concatenate[DbSnapshot, P], Awaitable[T]], *args: P.args, **options: P.kwargs
    ) -> T:
        """Return what `read` sees; once more, of the database opened anew, when that has failed."""
        for last in (False, True):
            db = self._db or await self._opened()
            try:
                return await self._within(read(self._snapshot, *args, **options), "nothing was read", writing=False)
            except Error as error:
                await self._lost(error, db)
                if last:
                    raise self._to_emerge_error(error) from error
        raise AssertionError("unreachable")

    async def _write(self, rows: dict[bytes, bytes | None]) -> None:
        mark = rows[MARK] = os.urandom(16) + (self._logged + 1).to_bytes(4, "big")
        db = await self._opened()
        try:
            handle = await db.write(await _batch(rows))
            await db.flush_with_options(FlushOptions(flush_type=FlushType.WAL))
            await handle.await_durable()
            self._snapshot = await db.snapshot()
        except Error as error:
            await self._lost(error, db)
            if not await self._is_kept(mark):
                raise self._to_emerge_error(error) from error
        self._logged += 1
        if self._logged > self._tuning.log:
            self._logged = 0
            self._making = asyncio.ensure_future(self._make_table(db))

    async def _is_kept(self, mark: bytes) -> bool:
        """Return whether the write of this mark is in the database, opened anew."""
        try:
            return await self.get([MARK]) == [mark]
        except Unavailable as error:
            if self._ended is None:
                error.message += f"; {_UNKNOWN}"
                error.details["unknown"] = True
            raise

    async def _make_table(self, db: Db) -> None:
        try:
            await db.flush_with_options(FlushOptions(flush_type=FlushType.MEM_TABLE))
        except Error as error:  # what is wrong, the next write meets too
            _log.warning("%s: the log was not made a table: %s", self._bucket.location.name, error)

    async def _opened(self) -> Db:
        """Return the database, opening it unless it is open."""
        async with self._opening:
            if self._ended:
                raise copy(self._ended)
            if self._db is None:
                if self._snapshot is not None and not await self._is_ours():
                    self._ended = await self._bucket.fenced()
                    raise copy(self._ended)
                try:
                    self._db = await self._within(self._build(), "the store is not open", writing=True)
                except Error as error:
                    raise self._to_emerge_error(error) from error
            return self._db

    async def _is_ours(self) -> bool:
        try:
            return await self._bucket.is_ours()
        except FileNotFoundError:
            raise Invalid(f"{self._bucket.location.name} was deleted", remedy="restore it from a backup") from None

    async def _build(self) -> Db:
        settings = Settings.default()
        for name, value in self._tuning.settings().items():
            settings.set(name, value)
        builder = DbBuilder(self._bucket.location.rows, object_store(self._bucket.location))
        builder.with_settings(settings)
        builder.with_db_cache(DbCache.new_foyer_cache(FoyerCacheOptions(max_capacity=_CACHE, shards=4)), 0)
        db = await builder.build()
        self._snapshot = await db.snapshot()
        mark = await self._snapshot.get(MARK)
        self._logged = int.from_bytes(mark[16:], "big") if mark else 0
        return db

    async def _lost(self, error: Error, db: Db) -> None:
        """Close a database that failed: for good when another process has it, else to be opened again."""
        if getattr(error, "reason", None) is CloseReason.FENCED:
            self._ended = self._ended or await self._bucket.fenced()
            raise copy(self._ended) from error
        if self._db is db:
            _log.warning("%s: the database failed and is opened anew: %s", self._bucket.location.name, error)
            await self._shut()

    async def _shut(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with suppress(Error, TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await db.shutdown_with_options(CloseOptions(flush_type=None))

    async def _within(self, work: Awaitable[T], outcome: str, *, writing: bool) -> T:
        try:
            async with asyncio.timeout(self._wait):
                return await work
        except TimeoutError:
            raise await self._bucket.silent(outcome, writing=writing) from None

    def _to_emerge_error(self, error: Error) -> EmergeError:
        name = self._bucket.location.name
        if isinstance(error, Error.Data):
            return Invalid(f"{name} is damaged: {error.message}", remedy="restore it from a backup")
        return to_emerge_error(str(error), self._bucket.location)


async def _batch(rows: Mapping[bytes, bytes | None]) -> WriteBatch:
    batch = WriteBatch()
    for number, (key, value) in enumerate(rows.items(), 1):
        if value is None:
            batch.delete(key)
        else:
            put(batch, key, value)
        if not number % _TURN:
            await asyncio.sleep(0)
    return batch
