"""A store in a DynamoDB table: `dynamodb://table?endpoint=…&region=…`, for many nodes at once.

`row` describes the layout. A commit is one TransactWriteItems, and all commits of a store form one sequence: each
changes the store's head on condition that it is the last one's (`write`). So numbers have no gaps, and what a commit
expects or counts holds when it is done. Commits that wait together share a transaction.

Reads of one key, and of up to 100 at once, are as of one moment by DynamoDB's own promise (a consistent GetItem,
TransactGetItems). Larger ones, and scans, are not, and so are made as of a commit: first the head is read and its
commit waited for (`head`), then the rows. Each row names the commit that wrote it last, and the first one: a row made
later is left out; for a row changed or deleted later (it leaves a mark for ten minutes) the read is made again. From
the third attempt on, this process's own commits wait for it.

Limits: a partition of DynamoDB takes about 1,000 units of writing a second, and a head is in one: a few hundred
transactions a second, of up to 97 rows each, are the most of one store, and fewer in practice, as they follow each
other. A space is one partition key, which DynamoDB splits by sort key when it is hot.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import TypeVar

from ...errors import EmergeError, LimitExceeded, Unavailable
from ...store import Batch, Capabilities, Key
from ..check import check_batch, check_keys, check_scan, closed
from ..group_commit import GroupCommit
from .head import CommitSequence
from .open import open_table
from .row import (
    KEY_LIMIT,
    DynamoDBRow,
    Item,
    MovedValue,
    RowChanged,
    TableLayout,
    as_of,
    check_lengths,
    place_of,
    read_row,
    span,
)
from .table import DynamoDBTable
from .value import Sweeper, read_moved
from .write import ROWS, DynamoDBWriter, weigh

T = TypeVar("T")

AT_ONCE = 100  # keys that one transaction reads
PATIENT = 2  # attempts of a read after which commits of this process wait for it
SWEEPS = (30.0, 600.0)  # seconds from the opening to the first sweep, and from one to the next
_log = logging.getLogger("emerge.stores.dynamodb")


class DynamoDBStore:
    """A store of URL `dynamodb://table`. It belongs to the event loop that opened it."""

    def __init__(self, table: DynamoDBTable, layout: TableLayout) -> None:
        self.capabilities = Capabilities(
            durability="disk",
            reopens=True,
            many_writers=True,
            isolation="serializable",
            largest_batch=ROWS,
            largest_value=64 << 20,
        )
        self.table = table
        self._layout = layout
        self._commits = CommitSequence(table, layout)
        self._group = GroupCommit(DynamoDBWriter(table, layout, self._commits).write, ROWS, weigh)
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep())
        self._reading = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, location: str, options: Mapping[str, str]) -> DynamoDBStore:
        """Open the store in the table of this name, making either when it is missing.

        Options: `endpoint` = URL of another DynamoDB than Amazon's; `region`; `prefix` = letters under which several
        stores share a table; `create` = no when a missing table is an error; `wait` = seconds to go on trying while
        there is trouble that may pass. Credentials come from where AWS tools look for them (AWS_ACCESS_KEY_ID and
        AWS_SECRET_ACCESS_KEY, …).

        Raises:
            Invalid: the location or an option is wrong, or the table is not of Emerge stores.
            PermissionDenied: DynamoDB refuses these credentials.
            Unavailable: DynamoDB does not answer.
        """
        table, layout = await open_table(location, options)
        store = cls(table, layout)
        try:
            await store._commits.read()
        except BaseException:
            await store.close()
            raise
        return store

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        async with self._read():
            check_keys(keys)
            wanted = [place for place in dict.fromkeys(keys) if len(place[1]) <= KEY_LIMIT]
            found = await self._get_few(wanted) if len(wanted) <= AT_ONCE else await self._get_many(wanted)
            return [found.get(key) for key in keys]

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        async with self._read():
            check_scan(space, start, end, limit)
            between = span(start, end)
            if between is None or limit == 0:
                return []
            query = self._layout.between(space, *between) | {"ScanIndexForward": not reverse}

            async def page(seq: int) -> list[tuple[bytes, bytes]]:
                rows = await self._query(query, limit, seq)
                return list(zip([row.key for row in rows], await self._values(rows), strict=True))

            return await self._as_of(page)

    async def commit(self, batch: Batch) -> list[int]:
        self._check_open()
        check_batch(batch, self.capabilities)
        check_lengths(batch)
        return await self._group.commit(batch)

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    async def _get_few(self, places: Sequence[Key]) -> dict[Key, bytes]:
        """Read up to 100 keys, as of one moment."""
        backoff = self.table.backoff()
        keys = [self._layout.row(*place) for place in places]
        while True:
            try:
                if len(keys) == 1:
                    items = [await self.table.get(keys[0])]
                else:
                    items = await self.table.get_at_once(keys) if keys else []
                return await self._found([item for item in items if item is not None])
            except LimitExceeded:
                return await self._get_many(places)
            except RowChanged:
                if not await backoff.pause():
                    raise self._busy() from None

    async def _get_many(self, places: Sequence[Key]) -> dict[Key, bytes]:
        keys = [self._layout.row(*place) for place in places]

        async def rows(seq: int) -> dict[Key, bytes]:
            return await self._found(await self.table.get_each(keys), seq)

        return await self._as_of(rows)

    async def _found(self, items: Sequence[Item], seq: int | None = None) -> dict[Key, bytes]:
        """Return the values of items as of a commit; (None) as they are, once the commits that wrote them are done."""
        rows = [(place_of(item), read_row(item)) for item in items]
        if seq is None:
            seq = max((row.stamp for _, row in rows), default=0)
            await self._commits.reach(seq)
        there = [(place, row) for place, row in rows if as_of([row], seq)]
        return dict(zip([place for place, _ in there], await self._values(row for _, row in there), strict=True))

    async def _query(self, query: Item, limit: int, seq: int) -> list[DynamoDBRow]:
        """Return at most `limit` rows of a range as of a commit."""
        rows: list[DynamoDBRow] = []
        query = dict(query)
        while True:
            page = await self.table.query(query | {"Limit": limit - len(rows)})
            rows += as_of(map(read_row, page["Items"]), seq)
            if len(rows) == limit or "LastEvaluatedKey" not in page:
                return rows
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    async def _as_of(self, read: Callable[[int], Awaitable[T]]) -> T:
        """Return `read` of the last commit's number; made again while it raises RowChanged."""
        backoff = self.table.backoff()
        attempts = 0
        while True:
            async with self._commits.turn if attempts >= PATIENT else nullcontext():
                try:
                    return await read((await self._commits.now()).seq)
                except RowChanged:
                    attempts += 1
            if not await backoff.pause():
                raise self._busy()

    async def _values(self, rows: Iterable[DynamoDBRow]) -> list[bytes]:
        """Return the rows' values. Raises RowChanged when the pieces of one are gone."""
        values: list[bytes] = []
        for row in rows:
            value = row.value
            if isinstance(value, MovedValue):
                value = await read_moved(self.table, self._layout, value)
            if value is None:
                raise RowChanged
            values.append(value)
        return values

    async def _sweep(self) -> None:
        """Delete what is doomed, now and then; a sweep that fails is made up for by the next one."""
        sweeper = Sweeper(self.table, self._layout)
        await asyncio.sleep(SWEEPS[0])
        while True:
            try:
                await sweeper.sweep(time.time())
            except EmergeError as error:
                _log.warning("%s: a sweep failed, the next is in %d s: %s", self.table.name, SWEEPS[1], error)
            await asyncio.sleep(SWEEPS[1])

    async def _close(self) -> None:
        await self._group.drain()
        await self._idle.wait()
        self._sweeping.cancel()
        await asyncio.wait([self._sweeping])
        await self.table.close()

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[None]:
        """Count a read, for which a close waits."""
        self._check_open()
        self._reading += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._reading -= 1
            if not self._reading:
                self._idle.set()

    def _busy(self) -> Unavailable:
        return Unavailable(
            f"what is read from the DynamoDB table {self.table.name} changes all the time", remedy="try again"
        )

    def _check_open(self) -> None:
        if self._closing is not None:
            raise closed(f"dynamodb://{self.table.name}")
