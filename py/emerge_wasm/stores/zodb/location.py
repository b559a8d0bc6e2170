"""Where a ZODB is: a file, a ZEO server or an SQL database; opening it, and what its errors mean.

Synchronous; `zodb.py` decides which thread calls. Must not import asyncio.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import ZODB
from transaction import TransactionManager
from transaction.interfaces import NoTransaction, TransientError
from ZODB.POSException import ConflictError, POSKeyError, ReadOnlyError, StateLoadError, StorageError

from ...errors import EmergeError, Invalid, LimitExceeded, Unavailable
from ..check import check_options
from .tree import Foreign, Rows, only_ours, prepare

OPTIONS = ("wait", "relstorage")
_HINT = {
    "file": "pip install 'emerge-wasm[zodb]'",
    "zeo": "pip install 'emerge-wasm[zodb]'",
    "relstorage": "pip install 'emerge-wasm[relstorage]'",
}
_CACHE = 32 << 20  # bytes of rows that each connection keeps in memory
_TRIES = 20  # to make what a new store needs, while others try the same


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL names. `module` (of these stores) opens it; `name` is fit for an error message: it has no secrets."""

    module: str
    name: str
    address: str
    wait: float  # seconds to wait for a server that is away
    remote: bool


def place_of(location: str, options: Mapping[str, str]) -> Place:
    """The place of a URL's parts. Raises Invalid."""
    check_options("zodb", options, OPTIONS)
    wait = options.get("wait", "5")
    if not re.fullmatch(r"\d{1,4}(\.\d*)?", wait):
        raise Invalid(f"wait={wait} is not a number of seconds", remedy="write for example wait=0.5")
    if address := options.get("relstorage"):
        if location.strip("/"):
            raise Invalid(f"a ZODB is at {location} or in an SQL database, not in both", remedy="leave one out")
        return Place("relstorage", _sql_name(address), address, float(wait), True)
    if location and not location.startswith("/"):
        return Place("zeo", f"the ZEO server {location}", location, float(wait), True)
    path = location[1:]
    if not path or "\0" in path:
        raise Invalid(
            f"zodb://{location} names no file",
            remedy="write zodb:///file.fs, zodb:////dir/file.fs, zodb://host:port/storage"
            " or zodb://?relstorage=postgresql%3A//user@host/database",
        )
    return Place("file", path, path, float(wait), False)


class View:
    """One connection to an opened database: its rows, all as of the moment of the first look since `end`."""

    def __init__(self, database: Any, remote: bool) -> None:
        self.database = database
        self._manager = TransactionManager(explicit=True)
        self._connection = database.open(self._manager)
        self._remote = remote
        self._rows: Rows | None = None
        self._begun = False
        self.is_open = True

    def rows(self) -> Rows:
        if not self.is_open:  # the connection may be another view's by now
            raise StorageError("the connection is closed")
        if not self._begun:
            self._manager.begin()
            self._begun = True
        if self._rows is None:
            self._rows = Rows(self._connection, self._fetch)
        return self._rows

    def commit(self, participant: object) -> None:
        """Make durable what was changed in the rows; the participant takes part in that."""
        self._manager.get().join(participant)
        self._manager.commit()
        self._begun = False

    def end(self) -> None:
        """Give up what was changed; the next look sees what is committed by then."""
        if self._begun:
            self._begun = False
            with suppress(NoTransaction):
                self._manager.abort()

    def close(self) -> None:
        self.is_open = False
        try:
            self.end()
        finally:
            self._connection.close()

    def _fetch(self, objects: list[Any]) -> None:
        if self._remote:
            missing = [each._p_oid for each in objects if each._p_changed is None]
            if len(missing) > 1:
                self._connection.prefetch(missing)


def open_database(place: Place) -> Any:
    """The database at a place, with all that a store needs in it. Raises EmergeError."""
    with mapped(place):
        storage = _module(place).open_storage(place)
        try:
            for attempt in range(_TRIES):
                try:
                    return _prepared(storage)
                except ConflictError:  # somebody else makes it at this moment
                    if attempt == _TRIES - 1:
                        raise
        except BaseException:
            storage.close()
            raise
    raise AssertionError("unreachable")


def _prepared(storage: Any) -> Any:
    database = ZODB.DB(
        storage,
        cache_size=1_000_000,
        cache_size_bytes=_CACHE,
        large_record_size=1 << 30,
        class_factory=only_ours,
    )
    manager = TransactionManager(explicit=True)
    connection = database.open(manager)
    try:
        manager.begin()
        if prepare(connection):
            manager.commit()
    finally:
        with suppress(NoTransaction):
            manager.abort()
        connection.close()
    return database


def refused(error: Exception, place: Place) -> bool:
    """Whether a commit that failed so, when it was to become final, has certainly not been made.

    Only a server with transactions of its own can tell.
    """
    return place.module == "relstorage" and bool(_module(place).refused(error))


@contextmanager
def mapped(place: Place) -> Iterator[None]:
    """Raise what ZODB and what is below it say as an EmergeError."""
    try:
        yield
    except EmergeError as error:
        if place.name in error.message:
            raise
        raise type(error)(f"{place.name}: {error.message}", remedy=error.remedy, **error.details) from error
    except Exception as error:
        raise meaning(error, place) from error


def meaning(error: Exception, place: Place) -> EmergeError:
    """The EmergeError for what ZODB, or a storage below it, says about a place."""
    if isinstance(error, ImportError):
        return Unavailable(f"{place.name}: it needs {error.name or error}", remedy=_HINT[place.module])
    if isinstance(error, StateLoadError) and isinstance(error.__context__, Foreign):
        error = error.__context__
    told: EmergeError | None = _module(place).meaning(error, place)
    if told is not None:
        return told
    match error:
        case EmergeError():
            return error
        case Foreign():
            return Invalid(f"{place.name} is not an Emerge store: it holds {error}", remedy="name another one")
        case ReadOnlyError():
            return Unavailable(f"{place.name} cannot be written", remedy="open it for writing where it is served")
        case POSKeyError() | StateLoadError():
            return Invalid(f"{place.name} is damaged: {type(error).__name__}", remedy="restore it from a backup")
        case TransientError():
            return Unavailable(f"{place.name} has too many writers at once", remedy="try again")
        case MemoryError():
            return LimitExceeded(f"{place.name}: out of memory", remedy="commit less at once", limit="memory")
        case StorageError():
            return Unavailable(f"{place.name}: {error}", remedy="look at the storage, then try again")
    return Unavailable(f"{place.name}: {type(error).__name__}: {error}", remedy="look at the storage, then try again")


def _module(place: Place) -> Any:
    return import_module(f"{__package__}.{place.module}")


def _sql_name(address: str) -> str:
    """A DSN without what may be a secret."""
    parts = urlsplit(address)
    if parts.scheme not in ("postgresql", "postgres") or (not parts.hostname and not parts.path.strip("/")):
        raise Invalid(
            "relstorage= names no database", remedy="write zodb://?relstorage=postgresql%3A//user@host/database"
        )
    return f"the ZODB in postgresql://{parts.hostname or ''}{parts.path}"
