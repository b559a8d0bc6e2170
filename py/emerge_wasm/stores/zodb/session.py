"""One opened ZODB: its database, the connection that reads and the one that writes, and new ones when they fail.

Synchronous; reads and writes may run in two threads, one each. Must not import asyncio.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TypeVar

from ZODB.POSException import ConflictError

from ...errors import Invalid, Unavailable
from ...store import Batch
from ..group_commit import CommitResult
from .connection import ZODBConnection, open_database
from .location import ZODBLocation
from .pack import Packer, PackPolicy
from .source import failures_of, mapped_errors, to_emerge_error
from .tree import ZODBRows
from .write import ZODBWriter

T = TypeVar("T")
_AGAIN = 0.05  # seconds before the next attempt to read
_log = logging.getLogger("emerge.stores.zodb")


class ZODBSession:
    """See the module. Making one opens the database, and may raise any EmergeError."""

    def __init__(self, location: ZODBLocation, policy: PackPolicy | None = None) -> None:
        """`policy`: when a file is packed; a server packs by itself."""
        self.location = location
        self.packer: Packer | None = None
        self._opening = threading.Lock()
        self.database = open_database(location)
        self._failures = failures_of(location)
        with mapped_errors(location), ExitStack() as undo:
            undo.callback(self.database.close)
            self._reader = ZODBConnection(self.database, location)
            undo.callback(self._reader.close)
            self._writer = ZODBWriter(location, ZODBConnection(self.database, location), self._replace)
            undo.callback(self._writer.connection.close)
            if not location.remote:
                self.packer = self._new_packer(policy or PackPolicy())
            undo.pop_all()

    def write(self, batches: Sequence[Batch]) -> list[CommitResult]:
        """Write these batches durably; returns a result for each."""
        if self.packer is None:
            return self._writer.write(batches)
        self._writer.packed = self.packer.size
        results = self._writer.write(batches)
        self.packer.consider()
        return results

    def look(self, look: Callable[[ZODBRows], T]) -> T:
        """Return what `look` sees, as of the first look since `look_away`; waits for nobody. Raises EmergeError."""
        with mapped_errors(self.location):
            if self._reader.database is self.database:  # else the file was opened anew, and what it remembers is old
                try:
                    return look(self._reader.rows())
                except self._failures as error:  # what is out of date was packed away just now, or the file is closed
                    self._log_retry(error)
            self._reader = self._replace(self._reader)
            return look(self._reader.rows())

    def look_away(self) -> None:
        """End the moment that `look` sees."""
        self._reader.end()

    def read(self, looks: Sequence[Callable[[ZODBRows], None]]) -> None:
        """Let each of these look, all at one moment. Waits for a server that is away; raises EmergeError.

        When an attempt fails all look again, so only what they see at last counts.
        """
        began, failed = time.monotonic(), False
        while True:
            try:
                rows = self._reader.rows()
                for look in looks:
                    look(rows)
                return
            except Exception as error:
                meaning = to_emerge_error(error, self.location)
                if not isinstance(meaning, Unavailable | Invalid) or time.monotonic() - began > self.location.wait:
                    raise meaning from error
                if not failed:
                    self._log_retry(error)
                    failed = True
                if not isinstance(error, ConflictError):
                    self._reader = self._replace(self._reader)
            finally:
                self._reader.end()
            time.sleep(_AGAIN)

    def close(self) -> None:
        """Stop packing, and close connections and database. Raises EmergeError."""
        if self.packer is not None:
            self.packer.stop()
        with mapped_errors(self.location):
            for connection in (self._reader, self._writer.connection):
                connection.close()
            self.database.close()

    def abandon(self) -> None:
        """Let go of a server that does not answer; where this can be done, what waits for it is freed."""
        _log.warning("%s does not answer: it is left without an orderly close", self.location.name)
        threading.Thread(target=self.database.storage.close, name="emerge-zodb-close", daemon=True).start()

    def _log_retry(self, error: Exception) -> None:
        _log.warning("%s: a read failed and is made again: %r", self.location.name, error)

    def _new_packer(self, policy: PackPolicy) -> Packer:
        try:
            last = self._writer.connection.rows().number(b"packed")
        finally:
            self._writer.connection.end()
        return Packer(self.database.storage, self.database.references, last, policy)

    def _replace(self, connection: ZODBConnection) -> ZODBConnection:
        """Return a new connection in place of one that failed; to a file opened anew if that closed for a failure."""
        connection.close()
        with mapped_errors(self.location), self._opening:
            if not self.location.remote and self.database.storage.is_closed():
                _log.warning("%s closed itself after a failure and is opened anew", self.location.name)
                self.database = open_database(self.location)
                if self.packer is not None:
                    self.packer.move(self.database.storage, self.database.references)
            return ZODBConnection(self.database, self.location)
