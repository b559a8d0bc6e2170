"""Write groups of batches to PostgreSQL: a group becomes one call of `commit_rows` (see `schema`).

What the batches expect is not read first: it is presumed to be so, and the call says where it is not; then the group
is put together again with what the keys do hold. That costs one round trip where nobody else changed anything, and
one more where somebody did.

Each call has a number, kept in the row of its writer in the same transaction. When a connection is lost, a new one
asks whether that number was applied; if not, the number is crossed out, so that the call can never be applied later,
and the call is made again under another number.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

from ...errors import Conflict, EmergeError, LimitExceeded, Unavailable
from ...store import Batch, Key
from ..check import changed
from ..group_commit import CommitResult
from .pool import ConnectionLost, PostgreSQLPool, TransactionUndone

LARGEST = 512 << 20  # bytes of one batch: PostgreSQL takes messages below 1 GiB
_GROUP = 32 << 20  # bytes of one call above which no further batch joins it
_TRIES = 3
_log = logging.getLogger("emerge.stores.postgresql")

_COMMIT = "SELECT * FROM commit_rows(" + ", ".join(f"${number}" for number in range(1, 20)) + ")"
_LEAVE = "DELETE FROM writers WHERE id = $1 OR seen < now() - interval '30 days'"
_SETTLE = "SELECT * FROM settle_commit($1, $2)"


@dataclass
class _FailedConditions:
    """The conditions of a group that did not hold, as the server reported them."""

    held: dict[Key, bytes | None] = field(default_factory=dict)
    miscounted: dict[int, Conflict] = field(default_factory=dict)  # by the batch's place in the group
    failed: dict[int, Conflict] = field(default_factory=dict)  # decided: the batch's result


class CommitCall:
    """One call of `commit_rows`, for the first batches of a group, each seeing those before it."""

    def __init__(self, known: _FailedConditions) -> None:
        self._known = known
        self._size = 0
        self.used: dict[Key, bytes | None] = {}
        self.counts: list[tuple[str, bytes, bytes | None, int]] = []
        self.counting: list[int] = []  # the batch of each count
        self.rows: dict[Key, bytes | None] = {}  # to put, or (None) to delete
        self.appends: dict[str, list[bytes]] = {}
        self._answers: list[list[tuple[str, int]] | Conflict] = []

    def take(self, batches: Sequence[Batch]) -> None:
        """Take in as many batches as fit into one call, at least one."""
        for place, batch in enumerate(batches):
            size = size_of(batch)
            if place and (self._size + size > _GROUP or self._meets(batch)):
                break
            self._size += size
            self._answers.append(self._add(place, batch))

    def answers(self, bases: Sequence[int]) -> list[CommitResult]:
        """Return the results of the batches taken, their appends being numbered from these bases on, space by space."""
        base = dict(zip(self.appends, bases, strict=True))
        return [
            answer if isinstance(answer, Conflict) else [base[space] + number for space, number in answer]
            for answer in self._answers
        ]

    def __bool__(self) -> bool:
        """Whether there is anything to ask or to write."""
        return bool(self.used or self.counts or self.rows or self.appends)

    def arguments(self) -> list[list[object]]:
        """Return the lists that `commit_rows` takes."""
        gone = [key for key, value in self.rows.items() if value is None]
        rows = [(*key, value) for key, value in self.rows.items() if value is not None]
        new = [
            (place, number, value)
            for place, values in enumerate(self.appends.values(), 1)
            for number, value in enumerate(values, 1)
        ]
        used = [(*key, value) for key, value in self.used.items()]
        many = [len(values) for values in self.appends.values()]
        return [
            *_columns(used, 3),
            *_columns(self.counts, 4),
            *_columns(gone, 2),
            *_columns(rows, 3),
            list(self.appends),
            list(many),
            *_columns(new, 3),
        ]

    def learn(self, reply: asyncpg.Record) -> None:
        """Remember what the server says of the conditions that do not hold."""
        used = list(self.used)
        for place, value in zip(reply["wrong"] or (), reply["held"] or (), strict=True):
            self._known.held[used[place]] = value
        for place in reply["miscounted"] or ():
            space, start, _, _ = self.counts[place]
            self._known.miscounted.setdefault(self.counting[place], changed(space, start))

    def _meets(self, batch: Batch) -> bool:
        """Return whether a batch depends on rows of this call in a way that only the server can tell.

        That is, on a key that an append gets, or on how many of the keys written are new.
        """
        for space in self.appends:
            if any(
                space == each[0] for part in (batch.expects, batch.counts, batch.deletes, batch.puts) for each in part
            ):
                return True
        for space, start, end, _ in batch.counts:
            for where, key in self.rows:
                if where == space and key >= start and (end is None or key < end):
                    return True
        return False

    def _add(self, place: int, batch: Batch) -> list[tuple[str, int]] | Conflict:
        """Take in one batch, or nothing of it when a condition fails."""
        failure = self._known.failed.get(place) or self._check(place, batch)
        if failure:
            return failure
        for count in batch.counts:
            self.counts.append(count)
            self.counting.append(place)
        for key in batch.deletes:
            self.rows[key] = None
        for space, name, value in batch.puts:
            self.rows[space, name] = value
        numbers = []
        for space, value in batch.appends:
            values = self.appends.setdefault(space, [])
            values.append(value)
            numbers.append((space, len(values)))
        return numbers

    def _check(self, place: int, batch: Batch) -> Conflict | None:
        known = self._known
        for space, name, expected in batch.expects:
            key = space, name
            if key in self.rows:
                if self.rows[key] != expected:
                    return changed(space, name)
            elif key in known.held and known.held[key] != expected:
                known.failed[place] = changed(space, name)
                return known.failed[place]
            elif self.used.setdefault(key, expected) != expected:
                return changed(space, name)
        return known.miscounted.get(place)


class PostgreSQLWriter:
    """Writes groups of batches, one after the other. `id` is the key of its row in `writers`."""

    def __init__(self, pool: PostgreSQLPool, patience: float = 5.0) -> None:
        """`patience`: seconds to find out what became of a commit whose connection is lost."""
        self._pool = pool
        self._patience = patience
        self._number = 0
        self._barring = False  # whether our row keeps a lost call from being applied
        self.id = os.urandom(16)

    async def write(self, group: list[Batch]) -> list[CommitResult]:
        """Write these batches; a result for each. A batch that fails leaves the others alone."""
        answers: list[CommitResult] = []
        while len(answers) < len(group):
            answers += await self._write_some(group[len(answers) :])
        return answers

    async def close(self) -> None:
        """Delete the row in `writers`, unless it bars a lost call, and the rows of processes that ended long ago."""
        if self._number:
            try:
                async with self._pool.connection() as connection:
                    await connection.execute(_LEAVE, None if self._barring else self.id)
            except (EmergeError, ConnectionLost) as error:  # who closes a store after us does it, in time
                _log.info("%s: the row of this writer stays for now: %s", self._pool.location.name, error)

    async def _write_some(self, batches: Sequence[Batch]) -> list[CommitResult]:
        """Write some of these batches, from the first on; returns their results."""
        known = _FailedConditions()
        while True:
            call = CommitCall(known)
            call.take(batches)
            taken = len(call.answers([0] * len(call.appends)))
            try:
                reply = await self._apply(call) if call else None
            except LimitExceeded as error:
                return [error] if taken == 1 else await self._write_some(batches[:1])
            except EmergeError as error:
                return [error] * taken
            if reply is None or reply["applied"]:
                return call.answers(reply["bases"] or () if reply else ())
            call.learn(reply)

    async def _apply(self, call: CommitCall) -> asyncpg.Record:
        """Return the reply to this call; makes it again when it is known not to have been applied."""
        for _ in range(_TRIES):
            self._number += 1
            try:
                async with self._pool.connection() as connection:
                    return await self._call(connection, call)
            except TransactionUndone as error:
                lost: ConnectionLost = error
            except ConnectionLost as error:
                lost = error
                _log.warning("%s: the answer to a commit is lost: %s", self._pool.location.name, error)
                reply = await self._settle(error)
                if reply["applied"]:
                    return reply
            _log.warning("%s: a commit was not applied and is made again: %s", self._pool.location.name, lost)
        raise Unavailable(f"{lost.meaning.message}; a commit was not applied", remedy="try again later") from lost

    async def _call(self, connection: asyncpg.Connection, call: CommitCall) -> asyncpg.Record:
        writer = self.id if call.rows or call.appends else None
        return await connection.fetchrow(_COMMIT, writer, self._number, *call.arguments())

    async def _settle(self, lost: ConnectionLost) -> asyncpg.Record:
        """Find out what became of the call under the last number, whose connection is lost."""
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self._patience, 0.02
        while True:
            try:
                async with self._pool.connection() as connection:
                    reply = await connection.fetchrow(_SETTLE, self.id, self._number)
                self._barring |= not reply["applied"]
                return reply
            except (ConnectionLost, EmergeError) as error:
                if loop.time() + pause > end:
                    self._barring = True
                    raise Unavailable(
                        f"{lost.meaning.message}; whether a commit was applied is not known",
                        remedy="look whether the change is there before making it again",
                        unknown=True,
                    ) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.5)


def size_of(batch: Batch) -> int:
    """Return the bytes of a batch on the way to the server."""
    size = 0
    for _, key, value in batch.puts:
        size += len(key) + len(value)
    for _, value in batch.appends:
        size += len(value)
    for _, key, expected in batch.expects:
        size += len(key) + len(expected or b"")
    return size


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
