"""The engines' own bare clients, doing what Emerge's filesystem comes to: rows put in one transaction, a row, a range.

Each takes the URL that Emerge's store takes, with a table (file, tree) of its own beside it. `put(rows)` returns when
the rows are durable; `point(key)` reads one; `page(start, limit)` a range in order.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, insort
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

Rows = list[tuple[bytes, bytes]]


class Bare(Protocol):
    async def put(self, rows: Rows) -> None: ...
    async def point(self, key: bytes) -> bytes | None: ...
    async def page(self, start: bytes, limit: int) -> Rows: ...
    async def close(self) -> None: ...


class Memory:
    """A dict and its keys in order."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.keys: list[bytes] = []

    @classmethod
    async def open(cls, url: str) -> Memory:
        return cls()

    async def put(self, rows: Rows) -> None:
        for key, value in rows:
            if key not in self.rows:
                insort(self.keys, key)
            self.rows[key] = value

    async def point(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    async def page(self, start: bytes, limit: int) -> Rows:
        first = bisect_left(self.keys, start)
        return [(key, self.rows[key]) for key in self.keys[first : first + limit]]

    async def close(self) -> None:
        self.rows.clear()


class SQLite:
    """sqlite3 in this thread, WAL, synced at each commit."""

    def __init__(self, file: sqlite3.Connection) -> None:
        self.file = file

    @classmethod
    async def open(cls, url: str) -> SQLite:
        file = sqlite3.connect(url.removeprefix("sqlite:///") + ".bare", isolation_level=None)
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        file.execute("CREATE TABLE rows (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
        return cls(file)

    async def put(self, rows: Rows) -> None:
        self.file.execute("BEGIN IMMEDIATE")
        self.file.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?)", rows)
        self.file.execute("COMMIT")

    async def point(self, key: bytes) -> bytes | None:
        row = self.file.execute("SELECT value FROM rows WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    async def page(self, start: bytes, limit: int) -> Rows:
        return self.file.execute("SELECT * FROM rows WHERE key >= ? ORDER BY key LIMIT ?", (start, limit)).fetchall()

    async def close(self) -> None:
        self.file.close()


class PostgreSQL:
    """asyncpg with a pool and prepared statements."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool

    @classmethod
    async def open(cls, url: str) -> PostgreSQL:
        import asyncpg

        pool = await asyncpg.create_pool(url.partition("?")[0], min_size=4, max_size=16)
        await pool.execute("DROP TABLE IF EXISTS bare; CREATE TABLE bare (key bytea PRIMARY KEY, value bytea)")
        return cls(pool)

    async def put(self, rows: Rows) -> None:
        keys, values = zip(*rows, strict=True)
        await self.pool.execute("INSERT INTO bare SELECT * FROM unnest($1::bytea[], $2::bytea[])", keys, values)

    async def point(self, key: bytes) -> bytes | None:
        found: bytes | None = await self.pool.fetchval("SELECT value FROM bare WHERE key = $1", key)
        return found

    async def page(self, start: bytes, limit: int) -> Rows:
        return [
            tuple(row)
            for row in await self.pool.fetch(
                "SELECT key, value FROM bare WHERE key >= $1 ORDER BY key LIMIT $2", start, limit
            )
        ]

    async def close(self) -> None:
        await self.pool.close()


class ZODB:
    """One BTree in a FileStorage, in this thread, synced at each commit."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.connection = database.open()
        self.tree = self.connection.root.tree

    @classmethod
    async def open(cls, url: str) -> ZODB:
        import transaction
        import ZODB
        from BTrees.OOBTree import OOBTree

        database = ZODB.DB(url.removeprefix("zodb:///") + ".bare")
        with database.transaction() as connection:
            connection.root.tree = OOBTree()
        transaction.abort()
        return cls(database)

    async def put(self, rows: Rows) -> None:
        import transaction

        self.tree.update(dict(rows))
        transaction.commit()

    async def point(self, key: bytes) -> bytes | None:
        found: bytes | None = self.tree.get(key)
        return found

    async def page(self, start: bytes, limit: int) -> Rows:
        return [row for row, _ in zip(self.tree.iteritems(start), range(limit), strict=False)]

    async def close(self) -> None:
        self.connection.close()
        self.database.close()


class S3:
    """slatedb as it comes: a batch, flushed to its log in the bucket; a get; a scan."""

    def __init__(self, database: Any) -> None:
        self.database = database

    @classmethod
    async def open(cls, url: str) -> S3:
        from slatedb.uniffi import DbBuilder, ObjectStore

        from tests.backends.ministack import environment

        parts = urlsplit(url)
        endpoint = parse_qs(parts.query)["endpoint"][0]
        with environment({"AWS_ENDPOINT": endpoint, "AWS_ALLOW_HTTP": "true"}):
            bucket = ObjectStore.resolve(f"s3://{parts.netloc}")
        return cls(await DbBuilder(f"bare{parts.path}", bucket).build())

    async def put(self, rows: Rows) -> None:
        from slatedb.uniffi import FlushOptions, FlushType, WriteBatch

        batch = WriteBatch()
        for key, value in rows:
            batch.put(key, value)
        await self.database.write(batch)
        await self.database.flush_with_options(FlushOptions(flush_type=FlushType.WAL))

    async def point(self, key: bytes) -> bytes | None:
        found: bytes | None = await self.database.get(key)
        return found

    async def page(self, start: bytes, limit: int) -> Rows:
        from slatedb.uniffi import KeyRange

        span = KeyRange(start=start, start_inclusive=True, end=None, end_inclusive=False)
        found = await self.database.scan(span)
        return [(row.key, row.value) for row in await found.next_batch(limit)]

    async def close(self) -> None:
        await self.database.shutdown()


class DynamoDB:
    """aiobotocore: TransactWriteItems of the rows, GetItem, Query."""

    def __init__(self, client: Any, stack: Any, table: str) -> None:
        self.client, self.stack, self.table = client, stack, table

    @classmethod
    async def open(cls, url: str) -> DynamoDB:
        from contextlib import AsyncExitStack

        from aiobotocore.session import get_session

        parts = urlsplit(url)
        options = parse_qs(parts.query)
        stack = AsyncExitStack()
        region = options.get("region", ["us-east-1"])[0]
        client = await stack.enter_async_context(
            get_session().create_client("dynamodb", region_name=region, endpoint_url=options["endpoint"][0])
        )
        table = f"bare-{abs(hash(url))}"
        await client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "p", "AttributeType": "S"},
                {"AttributeName": "k", "AttributeType": "B"},
            ],
            KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "k", "KeyType": "RANGE"}],
        )
        return cls(client, stack, table)

    def _key(self, key: bytes) -> dict[str, Any]:
        return {"p": {"S": "p"}, "k": {"B": key}}

    async def put(self, rows: Rows) -> None:
        puts = [
            {"Put": {"TableName": self.table, "Item": {**self._key(key), "v": {"B": value}}}} for key, value in rows
        ]
        await self.client.transact_write_items(TransactItems=puts)

    async def point(self, key: bytes) -> bytes | None:
        item = (await self.client.get_item(TableName=self.table, Key=self._key(key), ConsistentRead=True)).get("Item")
        return item["v"]["B"] if item else None

    async def page(self, start: bytes, limit: int) -> Rows:
        found = await self.client.query(
            TableName=self.table,
            KeyConditionExpression="p = :p AND k >= :k",
            ExpressionAttributeValues={":p": {"S": "p"}, ":k": {"B": start}},
            Limit=limit,
            ConsistentRead=True,
        )
        return [(item["k"]["B"], item["v"]["B"]) for item in found["Items"]]

    async def close(self) -> None:
        await self.stack.aclose()


BARE: dict[str, Any] = {
    "memory": Memory,
    "sqlite": SQLite,
    "postgresql": PostgreSQL,
    "zodb": ZODB,
    "s3": S3,
    "dynamodb": DynamoDB,
}
"""Of each engine that has a client of its own."""
