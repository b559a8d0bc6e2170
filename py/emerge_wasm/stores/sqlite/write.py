"""Write groups of batches to an SQLite file, one transaction each. Knows no threads; must not import asyncio."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from itertools import chain

from ...store import Batch, Key
from ..check import changed
from ..group_commit import CommitResult
from .file import SQLiteFile, to_emerge_error
from .look_up import ONE, get_many

_log = logging.getLogger("emerge.stores.sqlite")
_DELETE = "DELETE FROM rows WHERE space = ? AND key = ?"
_TOGETHER = 16  # rows that one statement puts: a quarter less time than one after the other
_PUT, _PUT_TOGETHER = (
    f"INSERT INTO rows (space, key, value) VALUES {', '.join(['(?, ?, ?)'] * count)}"
    " ON CONFLICT (space, key) DO UPDATE SET value = excluded.value"
    for count in (1, _TOGETHER)
)
_KEYS = "SELECT count(*) FROM rows WHERE space = ? AND key >= ? AND (? IS NULL OR key < ?)"
_COUNT = "INSERT INTO counters (space, last) VALUES (?, ?) ON CONFLICT (space) DO UPDATE SET last = excluded.last"

MANY = 16
"""Expected rows of a batch from which they are looked up together."""

SMALL = 1000
"""Rows of a group up to which they are written at once, in the loop's thread: the threads would only wait in turn."""


class SQLiteWriter:
    """Applies groups of batches to a file, one after the other, in the order given."""

    def __init__(self, file: SQLiteFile) -> None:
        self._path = file.path
        self.known: dict[Key, bytes | None] = {}
        """Rows that are known to be so in the file, before the next group is written: they are not looked up."""
        self._file = file.writer
        self._wait = round(file.wait * 1000)

    def apply(self, group: Sequence[Batch]) -> list[CommitResult] | None:
        """Write a small group's rows, all but making them durable (`finish`): takes microseconds and never waits.

        Returns None, with nothing written, when the group is large or anything stands in its way: then use `write`.
        """
        if sum(map(len, group)) > SMALL:
            return None
        try:
            return self._fill(group)
        except Exception:  # `write` meets it again, and reports it to the callers
            return None

    def finish(self, group: Sequence[Batch], answers: list[CommitResult]) -> list[CommitResult]:
        """Make durable what `apply` wrote; returns the same results."""
        try:
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            _log.warning("%s: a commit failed and is made again: %s", self._path, error)
            self._abandon()
            return self.write(group)
        return answers

    def write(self, group: Sequence[Batch]) -> list[CommitResult]:
        """Write the group in one transaction; a result for each batch. One that fails leaves the others alone."""
        try:
            return self._write(group)
        except sqlite3.Error as error:
            full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
            if full and len(group) > 1:  # a smaller one may still fit
                return [self.write([batch])[0] for batch in group]
            return [to_emerge_error(error, self._path) for _ in group]

    def _write(self, group: Sequence[Batch]) -> list[CommitResult]:
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

    def _fill(self, group: Sequence[Batch]) -> list[CommitResult]:
        """Begin a transaction and write the group's rows in it."""
        self._file.execute("BEGIN IMMEDIATE")
        try:
            change = _WriteSet(self._file, self.known)
            self.known = {}
            answers = [change.add(batch, alone=len(group) == 1) for batch in group]
            change.flush()
        except BaseException:
            self._abandon()
            raise
        return answers

    def _abandon(self) -> None:
        if self._file.in_transaction:
            self._file.execute("ROLLBACK")


class _WriteSet:
    """The rows that a group of batches writes, later batches seeing the earlier ones."""

    def __init__(self, file: sqlite3.Connection, held: dict[Key, bytes | None]) -> None:
        self._file = file
        self._rows: dict[Key, bytes | None] = {}
        self._puts: list[tuple[str, bytes, bytes]] = []  # before those
        self._held = held  # a cache of the file: nobody else writes it
        self._counters: dict[str, int] = {}

    def add(self, batch: Batch, alone: bool) -> CommitResult:
        """Take in one batch, or nothing of it when an expectation fails. What is `alone` is seen by no later one."""
        if len(batch.expects) > MANY:
            self._look_up(batch)
        for space, key, expected in batch.expects:
            if self._value((space, key)) != expected:
                return changed(space, key)
        if batch.counts:
            self.flush()  # so that earlier batches are counted
            self._held |= self._rows
            self._rows.clear()
        for space, start, end, count in batch.counts:
            row = self._file.execute(_KEYS, (space, start, end, end)).fetchone()
            if row[0] != count:
                return changed(space, start)
        rows = self._rows
        for space, key in batch.deletes:
            rows[space, key] = None
        if alone:
            self._puts = batch.puts
        else:
            for space, key, value in batch.puts:
                rows[space, key] = value
        return [self._append(space, value) for space, value in batch.appends]

    def flush(self) -> None:
        """Write the rows taken in so far."""
        deletes = [key for key, value in self._rows.items() if value is None]
        if deletes:
            self._file.executemany(_DELETE, deletes)
        puts = [(space, key, value) for (space, key), value in self._rows.items() if value is not None]
        puts = [*self._puts, *puts] if self._puts else puts
        whole = len(puts) // _TOGETHER * _TOGETHER
        for at in range(0, whole, _TOGETHER):
            self._file.execute(_PUT_TOGETHER, list(chain.from_iterable(puts[at : at + _TOGETHER])))
        self._file.executemany(_PUT, puts[whole:])
        if self._counters:
            self._file.executemany(_COUNT, list(self._counters.items()))

    def _look_up(self, batch: Batch) -> None:
        """Look up what a batch expects, space by space."""
        spaces: dict[str, list[Key]] = {}
        for space, key, _ in batch.expects:
            if (space, key) not in self._rows and (space, key) not in self._held:
                spaces.setdefault(space, []).append((space, key))
        for keys in spaces.values():
            if len(keys) > MANY:
                self._held.update(zip(keys, get_many(self._file.execute, keys), strict=True))

    def _value(self, key: Key) -> bytes | None:
        if key in self._rows:
            return self._rows[key]
        if key not in self._held:
            row: tuple[bytes] | None = self._file.execute(ONE, key).fetchone()
            self._held[key] = row[0] if row else None
        return self._held[key]

    def _append(self, space: str, value: bytes) -> int:
        if space not in self._counters:
            row = self._file.execute("SELECT last FROM counters WHERE space = ?", (space,)).fetchone()
            self._counters[space] = row[0] if row else 0
        self._counters[space] += 1
        self._rows[space, self._counters[space].to_bytes(8, "big")] = value
        return self._counters[space]
