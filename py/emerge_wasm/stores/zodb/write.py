"""Write groups of batches to a ZODB, one transaction each, and never twice.

Every commit changes the turn (see `tree`), so of two at once one conflicts and is made again, on what the other
left. That keeps conditions true and the log without a gap among many writers. The turn also names the last commit of
each writer: when a server is lost before it answers, the next attempt finds out there whether the one before it was
applied. Attempts of the same number were made on the same turn, so they are the same commit; and one cannot be applied
after a later one was, since it conflicts then.
Synchronous; must not import asyncio.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from ZODB.POSException import ConflictError, POSKeyError

from ...errors import EmergeError, LimitExceeded, Unavailable
from ...store import Batch, Key
from ..check import changed
from ..group_commit import CommitResult
from .connection import ZODBConnection
from .location import ZODBLocation
from .source import source_of, to_emerge_error
from .tree import ZODBRows

WRITERS = 32  # of which the turn remembers the last commit
_AGAIN = 0.02  # seconds, at most, before the next attempt among many writers; doubled up to
_MOST = 0.2
_PATIENCE = 3  # times the wait for a server: how long a commit is made again after conflicts
_BRIEFLY = 0.2  # seconds: the same of a file, which nobody else writes to
_log = logging.getLogger("emerge.stores.zodb")


class ZODBWriter:
    """Writes groups of batches through one connection, in the order given."""

    def __init__(
        self,
        location: ZODBLocation,
        connection: ZODBConnection,
        replace: Callable[[ZODBConnection], ZODBConnection],
    ) -> None:
        """`replace` gives a new connection in place of one that failed."""
        self._location = location
        self.connection = connection
        self._replace = replace
        self._name = b"writer/" + os.urandom(8) if location.remote else b"commit"  # in the turn: our last commit
        self._number = 0
        self.packed = 0  # the size to write down in the turn; 0: nothing new

    def write(self, batches: Sequence[Batch]) -> list[CommitResult]:
        """Write the batches durably; a result for each. A batch that fails leaves the others alone."""
        try:
            return self._write(batches)
        except LimitExceeded as error:
            if len(batches) > 1:  # a smaller one may still fit
                return [self.write([batch])[0] for batch in batches]
            return [error]
        except EmergeError as error:
            return [error] * len(batches)

    def _write(self, batches: Sequence[Batch]) -> list[CommitResult]:
        doubtful: dict[
            int, list[CommitResult]
        ] = {}  # commit -> the answers, of attempts that may or may not be applied
        began, lag = time.monotonic(), _AGAIN
        patience = _PATIENCE * self._location.wait if self._location.remote else _BRIEFLY
        while True:
            voted = VoteObserver()
            try:
                if not self.connection.is_open:
                    self.connection = self._replace(self.connection)
                rows = self.connection.rows()
                if doubtful and (done := doubtful.get(rows.number(self._name))) is not None:
                    return done
                answers = self._apply(rows, batches)
                if self._sign(rows):
                    self.connection.commit(voted)
                return answers
            except (ConflictError, POSKeyError) as error:  # of a key: somebody else removed it meanwhile
                if time.monotonic() - began > patience:
                    raise to_emerge_error(error, self._location) from error
            except Exception as error:
                if voted.yes and not source_of(self._location).refused(error):
                    doubtful[self._number] = answers
                self._check(error, bool(doubtful), time.monotonic() - began)
            finally:
                self.connection.end()
            time.sleep(random.random() * lag)
            lag = min(lag * 2, _MOST)

    def _check(self, error: Exception, doubtful: bool, since: float) -> None:
        """Take a new connection for the next attempt, or raise when there shall be none."""
        meaning = to_emerge_error(error, self._location)
        with suppress(EmergeError):  # else the next attempt, or commit, begins with it
            self.connection = self._replace(self.connection)
        if not doubtful and not isinstance(meaning, Unavailable):
            raise meaning from error
        if since > self._location.wait or not self._location.remote:  # a file is not tried again: its disk is ill
            if doubtful:
                meaning = unknown(meaning)
            raise meaning from error
        fate = "was not answered and is looked for" if doubtful else "failed and is made again"
        _log.warning("%s: a commit %s: %r", self._location.name, fate, error)

    def _apply(self, rows: ZODBRows, batches: Sequence[Batch]) -> list[CommitResult]:
        if self._location.remote:
            rows.expect(_keys(rows, batches))
        self._changed = False
        return [self._add(rows, batch) for batch in batches]

    def _add(self, rows: ZODBRows, batch: Batch) -> CommitResult:
        """Apply one batch, or nothing of it when an expectation fails."""
        if batch.expects:
            held = rows.get([(space, key) for space, key, _ in batch.expects])
            for (space, key, expected), value in zip(batch.expects, held, strict=True):
                if value != expected:
                    return changed(space, key)
        for space, start, end, count in batch.counts:
            if rows.count(space, start, end, count + 1) != count:
                return changed(space, start)
        self._changed = self._changed or len(batch) > 0
        for space, key in batch.deletes:
            rows.delete(space, key)
        for space, key, value in batch.puts:
            rows.put(space, key, value)
        return [_append(rows, space, value) for space, value in batch.appends]

    def _sign(self, rows: ZODBRows) -> bool:
        """Change the turn for what was applied; return whether there is anything to commit."""
        if not self._changed:
            return False
        self._number = count = rows.number(b"commit") + 1
        rows.set_number(b"commit", count)
        if self.packed:
            rows.set_number(b"packed", self.packed)
        if self._location.remote:
            rows.set_number(self._name, count)
            _forget(rows)
        return True


def unknown(error: EmergeError) -> Unavailable:
    """Return the error of a commit of which nobody can tell for now whether it was applied."""
    return Unavailable(
        f"{error.message}, and whether this was committed is unknown",
        remedy="see what is there, then go on",
        unknown=True,
    )


class VoteObserver:
    """A data manager that sorts after the database, and so knows whether that has voted for the commit."""

    transaction_manager = None

    def __init__(self) -> None:
        self.yes = False

    def sortKey(self) -> str:
        return "~"

    def tpc_vote(self, transaction: object) -> None:
        self.yes = True

    def _nothing(self, transaction: object) -> None:
        pass

    abort = tpc_begin = commit = tpc_finish = tpc_abort = _nothing


def _append(rows: ZODBRows, space: str, value: bytes) -> int:
    name = b"counter/" + space.encode()
    number = rows.number(name) + 1
    rows.set_number(name, number)
    rows.put(space, number.to_bytes(8, "big"), value)
    return number


def _keys(rows: ZODBRows, batches: Iterable[Batch]) -> list[Key]:
    """Return the keys that these batches look at or change, as far as they are known before."""
    keys: list[Key] = []
    for batch in batches:
        keys += [(space, key) for space, key, _ in batch.expects + batch.puts]
        keys += batch.deletes
    for space in {space for batch in batches for space, _ in batch.appends}:
        keys.append((space, (rows.number(b"counter/" + space.encode()) + 1).to_bytes(8, "big")))
    return keys


def _forget(rows: ZODBRows) -> None:
    """Forget, of too many writers, the one that has been silent for the longest time."""
    writers = [(rows.number(name), name) for name in rows.turn.keys(b"writer/", b"writer0")]
    if len(writers) > WRITERS:
        del rows.turn[min(writers)[1]]
