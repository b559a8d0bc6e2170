"""How an SQLite store writes: many batches, one transaction. Knows of no threads; must not import asyncio."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ...errors import EmergeError
from ...store import Batch, Key
from ..check import changed
from .file import File, meaning

Answer = list[int] | EmergeError
"""Of one batch: the numbers of its appends, or why nothing of it was applied."""

_VALUE = "SELECT value FROM rows WHERE space = ? AND key = ?"
_DELETE = "DELETE FROM rows WHERE space = ? AND key = ?"
_PUT = (
    "INSERT INTO rows (space, key, value) VALUES (?, ?, ?)"
    " ON CONFLICT (space, key) DO UPDATE SET value = excluded.value"
)
_KEYS = "SELECT count(*) FROM rows WHERE space = ? AND key >= ? AND (? IS NULL OR key < ?)"
_COUNT = "INSERT OR REPLACE INTO counters (space, last) VALUES (?, ?)"


SMALL = 1000
"""Rows of a group up to which they are written at once, in the loop's thread: the threads would only wait in turn."""


class Writer:
    """Applies groups of batches to a file, one after the other, in the order given."""

    def __init__(self, file: File) -> None:
        self._path = file.path
        self._file = file.writer
        self._wait = round(file.wait * 1000)

    def apply(self, group: Sequence[Batch]) -> list[Answer] | None:
        """Write a small group's rows, all but making them durable (`finish`): takes microseconds and waits for nobody.

        None, with nothing written, when the group is large or anything stands in its way: it is `write`'s then.
        """
        if sum(map(len, group)) > SMALL:
            return None
        try:
            return self._fill(group)
        except Exception:  # `write` meets it again, and tells those who wait
            return None

    def finish(self, group: Sequence[Batch], answers: list[Answer]) -> list[Answer]:
        """Make durable what `apply` wrote; its answers."""
        try:
            self._file.execute("COMMIT")
        except sqlite3.Error:
            self._abandon()
            return self.write(group)
        return answers

    def write(self, group: Sequence[Batch]) -> list[Answer]:
        """One transaction for the group; the answers in its order. A batch that fails leaves the others alone."""
        try:
            return self._write(group)
        except sqlite3.Error as error:
            full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
            if full and len(group) > 1:  # a smaller one may still fit
                return [self.write([batch])[0] for batch in group]
            return [meaning(error, self._path) for _ in group]

    def _write(self, group: Sequence[Batch]) -> list[Answer]:
        self._file.execute(f"PRAGMA busy_timeout = {self._wait}")
        try:
            answers = self._fill(group)
            try:
                self._file.execute("COMMIT")
            except BaseException:
                self._abandon()
                raise
        finally:
            self._file.execute("PRAGMA busy_timeout = 0")
        return answers

    def _fill(self, group: Sequence[Batch]) -> list[Answer]:
        """Begin a transaction and write the group's rows in it."""
        self._file.execute("BEGIN IMMEDIATE")
        try:
            change = _Change(self._file)
            answers = [change.add(batch) for batch in group]
            change.flush()
        except BaseException:
            self._abandon()
            raise
        return answers

    def _abandon(self) -> None:
        if self._file.in_transaction:
            self._file.execute("ROLLBACK")


class _Change:
    """The rows that a group of batches comes down to, later batches seeing the earlier ones."""

    def __init__(self, file: sqlite3.Connection) -> None:
        self._file = file
        self._rows: dict[Key, bytes | None] = {}
        self._held: dict[Key, bytes | None] = {}  # what the file holds, as far as it was looked up: nobody else writes
        self._counters: dict[str, int] = {}

    def add(self, batch: Batch) -> Answer:
        """Take in one batch, or nothing of it when an expectation fails."""
        for space, key, expected in batch.expects:
            if self._value((space, key)) != expected:
                return changed(space, key)
        if batch.counts:
            self.flush()  # so that earlier batches are counted
        for space, start, end, count in batch.counts:
            row = self._file.execute(_KEYS, (space, start, end, end)).fetchone()
            if row[0] != count:
                return changed(space, start)
        rows = self._rows
        for space, key in batch.deletes:
            rows[space, key] = None
        for space, key, value in batch.puts:
            rows[space, key] = value
        return [self._append(space, value) for space, value in batch.appends]

    def flush(self) -> None:
        """Write the rows taken in so far."""
        deletes = [key for key, value in self._rows.items() if value is None]
        if deletes:
            self._file.executemany(_DELETE, deletes)
        puts = [(space, key, value) for (space, key), value in self._rows.items() if value is not None]
        self._file.executemany(_PUT, puts)
        self._held |= self._rows
        self._rows.clear()
        if self._counters:
            self._file.executemany(_COUNT, list(self._counters.items()))

    def _value(self, key: Key) -> bytes | None:
        if key in self._rows:
            return self._rows[key]
        if key not in self._held:
            row: tuple[bytes] | None = self._file.execute(_VALUE, key).fetchone()
            self._held[key] = row[0] if row else None
        return self._held[key]

    def _append(self, space: str, value: bytes) -> int:
        if space not in self._counters:
            row = self._file.execute("SELECT last FROM counters WHERE space = ?", (space,)).fetchone()
            self._counters[space] = row[0] if row else 0
        self._counters[space] += 1
        self._rows[space, self._counters[space].to_bytes(8, "big")] = value
        return self._counters[space]
