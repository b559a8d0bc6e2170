"""A store in one SQLite file: `sqlite:///file.db`, the default engine of a node.

Reads, and the rows of small commits, run right here in the event loop (some microseconds, less than a hop to a
thread). Commits that wait at the same moment share one transaction, and so one fsync, which a thread waits for. Must
not be imported in a browser.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

from ...errors import Invalid
from ...store import Batch, Capabilities, JoinedRow, JoinRange, Key, Lookup
from ..block_folder import BlockFolder
from ..check import check_batch, check_join, check_keys, check_options, check_scan, closed
from ..group_commit import CommitResult, resolve
from .file import SQLiteFile, mapped_errors, open_file, to_emerge_error
from .look_up import ONE, get_many
from .row_cache import RowCache
from .write import SQLiteWriter

_SYNCHRONOUS = {"disk": "FULL", "relaxed": "NORMAL"}
_KEPT = 8 << 20  # bytes of rows, beside SQLite's own pages
_ANY = "SELECT 1 FROM rows WHERE space = ? AND key >= ? AND key < ? LIMIT 1"
_FEW = ["SELECT " + ", ".join([f"({ONE})"] * count) for count in range(9)]  # so many keys in one statement


class SQLiteStore:
    """A store of URL `sqlite:///file`. It belongs to the event loop that opened it."""

    def __init__(self, file: SQLiteFile, executor: ThreadPoolExecutor, durability: str) -> None:
        self.capabilities = Capabilities(
            durability=durability,
            reopens=True,
            many_writers=False,
            isolation="serializable",
            largest_batch=100_000,
            largest_value=64 << 20,
            reads_wait=False,
        )
        self.file = file
        self.block_files = BlockFolder(f"{file.path}.blocks")
        self._select = file.reader.execute
        self._executor = executor
        self._writer = SQLiteWriter(file)
        self._cache = RowCache(_KEPT)
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Batch, asyncio.Future[list[int]]]] = []
        self._writing: list[tuple[Batch, asyncio.Future[list[int]]]] = []
        self._closing: asyncio.Task[None] | None = None
        self._looking = False  # whether a read transaction is open

    @classmethod
    async def open(cls, location: str, options: Mapping[str, str]) -> SQLiteStore:
        """Open or make a file; location is "/relative.db" or "//absolute.db".

        Options: `durability` = disk (the default) or relaxed (a power cut may lose the last commits, never tear one);
        `wait` = seconds to wait for another program's lock.

        Raises:
            Invalid: the location or an option is wrong, or the file is not an Emerge store.
            Unavailable: another process has the file, or it cannot be read or written.
        """
        check_options("sqlite", options, ("durability", "wait"))
        path, durability, wait = _settings(location, options)
        executor = ThreadPoolExecutor(1, "emerge-sqlite")
        try:
            file = await asyncio.get_running_loop().run_in_executor(
                executor, open_file, path, _SYNCHRONOUS[durability], wait
            )
        except BaseException:
            executor.shutdown(wait=False)
            raise
        return cls(file, executor, durability)

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        self._check_open()
        check_keys(keys)
        kept = self._cache.rows
        try:
            return [kept[key] for key in keys]
        except KeyError:
            pass
        wanted = [key for key in keys if key not in kept]
        try:
            self._look()
            values = self._get_few(wanted) if len(wanted) < len(_FEW) else get_many(self._select, wanted)
        except sqlite3.Error as error:
            raise to_emerge_error(error, self.file.path) from error
        if len(wanted) == len(keys):
            found = values
        else:
            read = dict(zip(wanted, values, strict=True))
            found = [read[key] if key in read else kept[key] for key in keys]
        self._cache.keep(wanted, values)
        return found

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        self._check_open()
        check_scan(space, start, end, limit)
        below, bounds = ("", (space, start)) if end is None else (" AND key < ?", (space, start, end))
        order = "DESC" if reverse else "ASC"
        with mapped_errors(self.file.path):
            self._look()
            return self._select(
                f"SELECT key, value FROM rows WHERE space = ? AND key >= ?{below} ORDER BY key {order} LIMIT ?",
                (*bounds, limit),
            ).fetchall()

    async def scan_joined(
        self, space: str, ranges: Sequence[JoinRange], limit: int, reverse: bool = False
    ) -> list[JoinedRow]:
        """See `store.JoinedScan`: one statement for each range, all in one read transaction."""
        self._check_open()
        check_join(space, ranges, limit)
        found: list[JoinedRow] = []
        place, count, empty = 0, len(ranges), self._cache.empty
        try:
            self._look()
            while place < count and len(found) < limit:
                start, end, lookup = ranges[place]
                if (space, start, end) in empty:
                    place += 1
                    continue
                if place and count - place > 2 and (passed := self._empty(space, ranges[place:])):
                    place += passed
                    continue
                bounds = (place, lookup.space, space, start, end, limit - len(found))
                rows = self._select(_joined(lookup, reverse), bounds).fetchall()
                found += rows
                if not rows:
                    self._cache.keep_empty(space, start, end)
                place += 1
        except sqlite3.Error as error:
            raise to_emerge_error(error, self.file.path) from error
        return found

    def _empty(self, space: str, ranges: Sequence[JoinRange]) -> int:
        """Return how many of the first ranges have no rows: one look at those that follow each other tells."""
        count = 1
        while count < len(ranges) and ranges[count - 1].meets(ranges[count]):
            count += 1
        look = (space, ranges[0].start, ranges[count - 1].end)
        if count == 1 or self._select(_ANY, look).fetchone() is not None:
            return 0
        for start, end, _ in ranges[:count]:
            self._cache.keep_empty(space, start, end)
        return count

    async def commit(self, batch: Batch) -> list[int]:
        self._check_open()
        check_batch(batch, self.capabilities)
        answer: asyncio.Future[list[int]] = self._loop.create_future()
        self._waiting.append((batch, answer))
        if not self._writing and len(self._waiting) == 1:
            self._loop.call_soon(self._write)  # soon, not now: whoever is about to commit too comes along
        return await answer

    async def close(self) -> None:
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    def _get_few(self, keys: Sequence[Key]) -> list[bytes | None]:
        return list(self._select(_FEW[len(keys)], [part for key in keys for part in key]).fetchone())

    def _look(self) -> None:
        """Begin a read transaction, shared by all reads up to the loop's next turn or the next commit.

        To begin one costs more than to look up a key: it takes locks in the file's shared memory. While nothing is
        being written, it is one of the connection that writes: the other one forgets its pages with each commit.
        """
        if not self._looking:
            self._select = (self.file.reader if self._writing else self.file.writer).execute
            self._select("BEGIN")
            self._looking = True
            self._loop.call_soon(self._look_away)

    def _look_away(self) -> None:
        if self._looking:
            self._looking = False
            self._select("COMMIT")

    def _write(self) -> None:
        """Write all that wait: a small group here, to be made durable in the thread, a large one in the thread.

        A caller cancelled by now has written nothing.
        """
        self._writing = [each for each in self._waiting if not each[1].done()]
        self._waiting = []
        if self._writing:
            self._look_away()
            group = [batch for batch, _ in self._writing]
            self._writer.known = self._cache.expected(group)
            self._cache.begin(group)
            answers = self._writer.apply(group)
            if answers is None:
                work = self._executor.submit(self._writer.write, group)
            else:
                work = self._executor.submit(self._writer.finish, group, answers)
            work.add_done_callback(self._written_in_thread)

    def _written_in_thread(self, work: Future[list[CommitResult]]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._written, work)

    def _written(self, work: Future[list[CommitResult]]) -> None:
        group, self._writing = self._writing, []
        self._look_away()  # whoever reads from now on sees these commits
        self._cache.end()
        failure = work.exception()
        answers: list[CommitResult] = [failure] * len(group) if failure else work.result()
        resolve([waiter for _, waiter in group], answers)
        if self._waiting:
            self._write()

    async def _close(self) -> None:
        while waiters := [waiter for _, waiter in self._writing + self._waiting if not waiter.done()]:
            await asyncio.wait(waiters)
        try:
            with mapped_errors(self.file.path):
                self._look_away()
                await self._loop.run_in_executor(self._executor, self.file.close)
        finally:
            self._executor.shutdown(wait=False)

    def _check_open(self) -> None:
        if self._closing is not None:
            raise closed(self.file.path)


@lru_cache(maxsize=64)
def _joined(lookup: Lookup, reverse: bool) -> str:
    """Return the statement of the rows of a range, each with the value of the row that it leads to."""
    parts = [  # substr of an empty value is NULL
        f"ifnull(substr(l.{of}, {first + (first >= 0)}{'' if end is None else f', {max(end - first, 0)}'}), x'')"
        for of, first, end in lookup.parts
    ]
    order = "DESC" if reverse else "ASC"
    return (
        "SELECT ?, l.key, l.value, r.value FROM rows l"
        f" LEFT JOIN rows r ON r.space = ? AND r.key = CAST({' || '.join(parts)} AS BLOB)"
        f" WHERE l.space = ? AND l.key >= ? AND l.key < ? ORDER BY l.key {order} LIMIT ?"
    )


def _settings(location: str, options: Mapping[str, str]) -> tuple[str, str, float]:
    """Return (path, durability, seconds to wait) of a URL's parts. Raises Invalid."""
    path = location[1:]
    if not location.startswith("/") or not path or path == ":memory:" or "\0" in path:
        raise Invalid(f"sqlite://{location} names no file", remedy="write sqlite:///file.db or sqlite:////dir/file.db")
    durability = options.get("durability", "disk")
    if durability not in _SYNCHRONOUS:
        raise Invalid(f"durability={durability} is unknown", remedy="use disk or relaxed")
    wait = options.get("wait", "5")
    if not re.fullmatch(r"\d{1,4}(\.\d*)?", wait):
        raise Invalid(f"wait={wait} is not a number of seconds", remedy="write for example wait=0.5")
    return path, durability, float(wait)
