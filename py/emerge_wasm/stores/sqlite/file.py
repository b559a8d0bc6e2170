"""One SQLite file as a store holds it: its owner, its format, its two connections, the meaning of its errors.

Synchronous; `store` decides which thread calls. Must not import asyncio.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ...errors import EmergeError, Invalid, LimitExceeded, Unavailable

APPLICATION = 0x454D5247  # "EMRG"
FORMAT = 1

# One rowid table: twice as fast to write as WITHOUT ROWID once values are longer than keys, and as fast to read.
_SCHEMA = (
    "CREATE TABLE rows (space TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (space, key))",
    "CREATE TABLE counters (space TEXT NOT NULL PRIMARY KEY, last INTEGER NOT NULL)",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)
_CACHE = "PRAGMA cache_size = -16000"  # KiB, each connection
_READER_WAIT = 0.25  # seconds: reads run in the event loop, and only another program's lock can hold them up


@dataclass(slots=True)
class SQLiteFile:
    """An opened, owned file. `reader` sees what `writer` has committed, and never waits for it.

    `writer` waits for nobody's lock unless asked to, and then at most `wait` seconds.
    """

    path: str
    wait: float
    owner: sqlite3.Connection
    writer: sqlite3.Connection
    reader: sqlite3.Connection

    def close(self) -> None:
        """Write everything into the main file and give up the ownership."""
        try:
            self.reader.close()
            self.writer.close()
        finally:
            self.owner.close()


def open_file(path: str, synchronous: str, wait: float) -> SQLiteFile:
    """Own and open `path`, making it and its directory; `wait` is in seconds.

    Raises:
        Invalid: the path is a directory, or its file is not an Emerge store of a format that this version reads.
        Unavailable: another process owns the file, or it cannot be read or written.
    """
    path = os.path.realpath(path)
    with mapped_errors(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.isdir(path):
            raise Invalid(f"{path} is a directory, not a file", remedy="name a file in it")
        _make_private(path)
        made = [_claim(path)]
        try:
            made.append(_connect(path, wait))
            _prepare(made[1], path)
            made[1].execute(f"PRAGMA synchronous = {synchronous}")
            made[1].execute("PRAGMA fullfsync = ON")  # macOS: a plain fsync does not reach its disk
            made[1].execute(f"PRAGMA journal_size_limit = {64 << 20}")  # bytes: a big commit leaves no big log behind
            made[1].execute("PRAGMA busy_timeout = 0")
            made.append(_connect(path, _READER_WAIT))
            made[2].execute("PRAGMA query_only = ON")
        except BaseException:
            for connection in reversed(made):
                connection.close()
            raise
    return SQLiteFile(path, wait, *made)


@contextmanager
def mapped_errors(path: str) -> Iterator[None]:
    """Raise what SQLite or the operating system says about `path` as an EmergeError."""
    try:
        yield
    except sqlite3.Error as error:
        raise to_emerge_error(error, path) from error
    except OSError as error:
        raise Unavailable(
            f"{path}: {error.strerror or error}", remedy="choose a place that can be written", file=path
        ) from error


def to_emerge_error(error: sqlite3.Error, path: str) -> EmergeError:
    """Return the EmergeError for an error of SQLite about `path`."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Unavailable(
                f"{path} is locked by another program", remedy="close that program, then try again", file=path
            )
        case sqlite3.SQLITE_FULL:
            return LimitExceeded(
                f"no room is left for {path}", remedy="free some disk space, then try again", limit="disk space"
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return Unavailable(
                f"{path} cannot be written", remedy="give this user write access to it and its directory"
            )
        case sqlite3.SQLITE_NOTADB:
            return Invalid(f"{path} is not an Emerge store", remedy="name another file")
        case sqlite3.SQLITE_CORRUPT:
            return Invalid(f"{path} is damaged: {error}", remedy="restore it from a backup")
    return Unavailable(f"{path}: {error}", remedy="look at the disk and the file's permissions", file=path)


def _make_private(path: str) -> None:
    """Make the files that are not there yet, so that only their owner can read them; SQLite makes its logs likewise."""
    for name in (path, f"{path}.owner"):
        with suppress(OSError):  # SQLite says it better
            os.close(os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _connect(path: str, wait: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=wait, isolation_level=None, check_same_thread=False, cached_statements=64
    )
    try:
        connection.execute(_CACHE)
    except BaseException:
        connection.close()
        raise
    return connection


def _claim(path: str) -> sqlite3.Connection:
    """Take a write lock on `path`.owner, kept while the connection is open: it ends with this process.

    The file holds our process id, so that the next one can say who has the store.
    """
    owner = sqlite3.connect(f"{path}.owner", timeout=0.1, isolation_level=None, check_same_thread=False)
    try:
        owner.execute("PRAGMA synchronous = OFF")
        owner.execute("BEGIN IMMEDIATE")
        owner.execute(f"PRAGMA user_version = {os.getpid()}")
        owner.execute("COMMIT")
        owner.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        with owner_closed(owner):
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            (pid,) = owner.execute("PRAGMA user_version").fetchone()
        raise Unavailable(
            f"{path} is in use by process {pid}",
            remedy="one process at a time can have an SQLite store: end that one, or name another file",
            file=path,
            pid=pid,
        ) from None
    return owner


@contextmanager
def owner_closed(owner: sqlite3.Connection) -> Iterator[None]:
    """Close `owner` at the end, whatever happens."""
    try:
        yield
    finally:
        owner.close()


def _prepare(writer: sqlite3.Connection, path: str) -> None:
    """Check that the file is ours and of a format we read; make it when it is new."""
    (application,) = writer.execute("PRAGMA application_id").fetchone()
    (version,) = writer.execute("PRAGMA user_version").fetchone()
    (tables,) = writer.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION and (application or version or tables):
        raise Invalid(f"{path} is an SQLite file, but not an Emerge store", remedy="name another file")
    if version > FORMAT:
        raise Invalid(f"{path} has format {version}, this Emerge reads up to {FORMAT}", remedy="upgrade Emerge")
    writer.execute("PRAGMA journal_mode = WAL")
    if application == 0:
        writer.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            writer.execute(statement)
        writer.execute("COMMIT")
