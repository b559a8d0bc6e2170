"""A store in a schema of a PostgreSQL database: `postgresql://user:password@host:port/database?schema=name`.

Several processes may have it open and write to it at once. Each schema is one store, of four tables:

- `rows (space, key, value)`, ordered by its primary key: `bytea` is compared byte by byte, and `space` in the C
  collation. One table, since a commit touches several spaces and one statement then writes them all. Values are kept
  uncompressed, as the codec's output is small or compressed already.
- `counters (space, last)`: the last number that an append got, updated in the commit itself.
- `writers (id, number, given, seen)`: of each open store the last commit, to find out what became of one whose
  connection was lost.
- `emerge (format)`: the number of this layout.

asyncpg and not SQLAlchemy, because there are only two statements to read and two functions to write (`schema`): nothing
to generate or to map. asyncpg speaks the binary protocol with prepared statements and arrays as parameters, so a batch
of any size is one round trip. It needs PostgreSQL 12 or later, and a connection of its own for a session: a pooler in
between must be in session mode.

Commits that wait at the same moment share one transaction (`group_commit`); reads of keys share one statement while all
connections are busy. Must not be imported in a browser.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

import asyncpg

from ...errors import LimitExceeded
from ...store import Batch, Capabilities, JoinedRow, JoinRange, Key, KeyPart, Lookup
from ..check import check_batch, check_join, check_keys, check_scan, closed
from ..group_commit import GroupCommit
from .pool import PostgreSQLLocation, PostgreSQLPool, location_of
from .schema import prepare
from .write import LARGEST, PostgreSQLWriter, size_of

LARGEST_KEY = 2600  # bytes: a row of an index fits into a third of a page

# The rows of some keys of one space; of several spaces in one statement, so that all are of one moment.
_ONE = "SELECT value FROM rows WHERE space = $1 AND key = $2"
_GET = "SELECT ${0}, key, value FROM rows WHERE space = ${0} AND key = ANY(${1})"
_MANY = 5000  # keys of one statement for several readers
_MOST = 2**31 - 1  # rows of a page
_RANGES = 16  # of one statement: of each, as many rows are read as the page may have


class PostgreSQLStore:
    """A store of URL `postgresql://…`. It belongs to the event loop that opened it."""

    def __init__(
        self, pool: PostgreSQLPool, writing: PostgreSQLPool, writer: PostgreSQLWriter, durability: str
    ) -> None:
        self.capabilities = Capabilities(
            durability=durability,
            reopens=True,
            many_writers=True,
            isolation="serializable",
            largest_batch=100_000,
            largest_value=64 << 20,
        )
        self.location = pool.location
        self.reading = pool
        self.writing = writing
        self._writer = writer
        self._group = GroupCommit(self._writer.write)
        self._asked: list[tuple[Sequence[Key], asyncio.Future[list[bytes | None]]]] = []
        self._serving: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, location: str, options: Mapping[str, str]) -> PostgreSQLStore:
        """Open the store of a schema, making the schema and its tables where they are not yet.

        Options: `schema` = its name (emerge); `pool` = connections to read with (4), one more writes; `durability` =
        disk, or relaxed (synchronous_commit=off: a crash of the server may lose the last commits, never tear one);
        `timeout` = seconds that a statement may take, or wait for other writers (30); sslmode and its like as in libpq.
        What the URL leaves out is taken from PGHOST, PGUSER, PGPASSWORD, ~/.pgpass and the like, as libpq does.

        Raises:
            Invalid: the location or an option is wrong, or the schema is not an Emerge store.
            PermissionDenied: the server refuses these credentials, or the user lacks a right.
            Unavailable: the server does not answer.
        """
        return await cls.open_at(location_of(location, options))

    @classmethod
    async def open_at(cls, location: PostgreSQLLocation, patience: float = 5.0) -> PostgreSQLStore:
        """Open the store at a location, as `open`; `patience` is that of `PostgreSQLWriter`."""
        writing = PostgreSQLPool(location, 1)

        async def prepared(connection: asyncpg.Connection) -> str:
            await prepare(connection, location.schema, location.name)
            return str(await connection.fetchval("SELECT current_setting('fsync')"))

        try:
            fsync = await writing.read(prepared)
        except BaseException:
            await writing.close()
            raise
        durability = location.durability if fsync == "on" else "relaxed"
        return cls(PostgreSQLPool(location, location.pool), writing, PostgreSQLWriter(writing, patience), durability)

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        self._check_open()
        check_keys(keys)
        if not keys:
            return []
        if self.reading.free > 0:
            return await self.reading.read(lambda connection: _values(connection, keys))
        answer: asyncio.Future[list[bytes | None]] = asyncio.get_running_loop().create_future()
        self._asked.append((keys, answer))
        if len(self._asked) == 1:
            self._serve()
        return await answer

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        self._check_open()
        check_scan(space, start, end, limit)
        below, bounds = ("", (start,)) if end is None else (" AND key < $4", (start, end))
        query = (
            f"SELECT key, value FROM rows WHERE space = $1 AND key >= $3{below}"
            f" ORDER BY key {'DESC' if reverse else 'ASC'} LIMIT $2"
        )
        rows = await self.reading.read(lambda connection: connection.fetch(query, space, min(limit, _MOST), *bounds))
        return [(key, value) for key, value in rows]

    async def scan_joined(
        self, space: str, ranges: Sequence[JoinRange], limit: int, reverse: bool = False
    ) -> list[JoinedRow]:
        """See `store.JoinedScan`: one statement for consecutive ranges that lead to the same place."""
        self._check_open()
        check_join(space, ranges, limit)
        found: list[JoinedRow] = []
        first = 0
        while first < len(ranges) and len(found) < limit:
            last, lookup = first + 1, ranges[first].lookup
            while last < min(len(ranges), first + _RANGES) and ranges[last].lookup is lookup:
                last += 1
            query, few = _joined(lookup, reverse), min(limit - len(found), _MOST)
            starts, ends = ([each[at] for each in ranges[first:last]] for at in (0, 1))
            bounds = (space, lookup.space, starts, ends, few)
            rows = await self.reading.read(partial(_fetch, query, bounds))
            found += [(first + place, key, value, led) for place, key, value, led in rows]
            first = last
        return found

    async def commit(self, batch: Batch) -> list[int]:
        self._check_open()
        check_batch(batch, self.capabilities)
        _check_sizes(batch)
        return await self._group.commit(batch)

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    def _serve(self) -> None:
        task = asyncio.get_running_loop().create_task(self._answer())
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _answer(self) -> None:
        """Read, in one statement, what was asked for until a connection came free."""
        group: list[tuple[Sequence[Key], asyncio.Future[list[bytes | None]]]] = []

        async def work(connection: asyncpg.Connection) -> list[bytes | None]:
            if not group:
                group.extend(self._take())
            return await _values(connection, [key for keys, _ in group for key in keys])

        try:
            values = await self.reading.read(work)
        except Exception as error:
            for _, answer in group or self._take():
                if not answer.done():
                    answer.set_exception(error)
            return
        first = 0
        for keys, answer in group:
            if not answer.done():
                answer.set_result(values[first : first + len(keys)])
            first += len(keys)

    def _take(self) -> list[tuple[Sequence[Key], asyncio.Future[list[bytes | None]]]]:
        """Take the reads asked for first, up to a reasonable statement; the others are served by the next one."""
        count = size = 0
        while count < len(self._asked) and (not count or size + len(self._asked[count][0]) <= _MANY):
            size += len(self._asked[count][0])
            count += 1
        taken, self._asked = self._asked[:count], self._asked[count:]
        if self._asked:
            self._serve()
        return taken

    async def _close(self) -> None:
        await self._group.drain()
        while self._serving:
            await asyncio.wait(self._serving)
        await self._writer.close()
        await asyncio.gather(self.reading.close(), self.writing.close())

    def _check_open(self) -> None:
        if self._closing is not None:
            raise closed(self.location.name)


async def _values(connection: asyncpg.Connection, keys: Sequence[Key]) -> list[bytes | None]:
    if len(keys) == 1:
        return [await connection.fetchval(_ONE, *keys[0])]
    spaces: dict[str, list[bytes]] = {}
    for space, key in keys:
        spaces.setdefault(space, []).append(key)
    query = " UNION ALL ".join([_GET.format(place, place + 1) for place in range(1, 2 * len(spaces), 2)])
    rows = await connection.fetch(query, *[part for each in spaces.items() for part in each])
    found = {(space, key): value for space, key, value in rows}
    return [found.get(key) for key in keys]


async def _fetch(query: str, values: Sequence[object], connection: asyncpg.Connection) -> list[asyncpg.Record]:
    return await connection.fetch(query, *values)  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def _joined(lookup: Lookup, reverse: bool) -> str:
    """Return the statement of the rows of some ranges, each with the value of the row that it leads to."""
    order = "DESC" if reverse else "ASC"
    return (
        "SELECT place, key, value,"
        f" (SELECT value FROM rows WHERE space = $2 AND key = {' || '.join(map(_slice, lookup.parts))})"
        " FROM (SELECT place - 1 AS place, r.key, r.value FROM unnest($3::bytea[], $4::bytea[])"
        " WITH ORDINALITY AS asked (low, high, place) CROSS JOIN LATERAL (SELECT key, value FROM rows"
        f" WHERE space = $1 AND key >= low AND key < high ORDER BY key {order} LIMIT $5) r"
        f" ORDER BY place, key {order} LIMIT $5) l ORDER BY place, key {order}"
    )


def _slice(part: KeyPart) -> str:
    of, first, end = part
    begin = f"greatest(length(l.{of}) + {first + 1}, 1)" if first < 0 else str(first + 1)
    return f"substring(l.{of} FROM {begin}" + (")" if end is None else f" FOR {max(end - first, 0)})")


def _check_sizes(batch: Batch) -> None:
    """Raise LimitExceeded for a key or a batch that the server would refuse."""
    for space, key, _ in batch.puts:
        if len(key) > LARGEST_KEY:
            raise LimitExceeded(
                f"a key of {len(key)} bytes in space {space!r} is above this store's {LARGEST_KEY}",
                remedy="use a shorter one",
                limit="largest_key",
            )
    size = size_of(batch)
    if size > LARGEST:
        raise LimitExceeded(
            f"a commit of {size} bytes is above this store's {LARGEST}",
            remedy="split it into several commits",
            limit="largest_commit",
        )
