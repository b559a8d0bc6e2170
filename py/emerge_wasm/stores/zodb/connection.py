"""A connection to an opened ZODB, which sees one moment at a time; and how the database below it is opened.

Synchronous; `store` decides which thread calls. Must not import asyncio.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

from transaction import TransactionManager
from transaction.interfaces import NoTransaction
from ZODB import DB
from ZODB.interfaces import IStorage
from ZODB.POSException import ConflictError, StorageError

from .location import ZODBLocation
from .source import failures_of, mapped_errors, source_of
from .tree import TreeNode, ZODBRows, only_ours, prepare

_log = logging.getLogger("emerge.stores.zodb")
_CACHE = 32 << 20  # bytes of rows that each connection keeps in memory
_TRIES = 20  # to make what a new store needs, while others try the same


class ZODBConnection:
    """One connection to an opened database: its rows, all as of the moment of the first look since `end`."""

    def __init__(self, database: DB, location: ZODBLocation) -> None:
        self.database = database
        self._manager = TransactionManager(explicit=True)
        self._connection = database.open(self._manager)
        self._location = location
        self._rows: ZODBRows | None = None
        self._begun = False
        self.is_open = True

    def rows(self) -> ZODBRows:
        """Return the rows, of a transaction begun now unless one is under way."""
        if not self.is_open:  # the connection below may serve somebody else by now
            raise StorageError("the connection is closed")
        if not self._begun:
            self._manager.begin()
            self._begun = True
        if self._rows is None:
            self._rows = ZODBRows(self._connection, self._prefetch)
        return self._rows

    def commit(self, participant: object) -> None:
        """Make durable what was changed in the rows; the participant takes part in the two-phase commit."""
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
        """Close the connection; log, and otherwise ignore, that its storage is away or broken."""
        self.is_open = False
        try:
            try:
                self.end()
            finally:
                self._connection.close()
        except failures_of(self._location) as error:
            _log.info("%s: a connection could not be closed in order: %r", self._location.name, error)

    def _prefetch(self, nodes: Sequence[TreeNode]) -> None:
        if self._location.remote:
            missing = [each._p_oid for each in nodes if each._p_changed is None]
            if len(missing) > 1:
                self._connection.prefetch(missing)


def open_database(location: ZODBLocation) -> DB:
    """Open the database at a location, with everything in it that a store needs. Raises EmergeError."""
    with mapped_errors(location):
        storage = source_of(location).open_storage(location)
        try:
            for _ in range(_TRIES - 1):
                with suppress(ConflictError):  # another process makes it at this moment
                    return _prepared(storage)
            return _prepared(storage)
        except BaseException:
            storage.close()
            raise


def _prepared(storage: IStorage) -> DB:
    database = DB(
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
