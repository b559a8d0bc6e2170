"""What only the PostgreSQL store does: its URL, its schema, groups of commits, several processes at once."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from emerge_wasm.errors import Conflict, Invalid, LimitExceeded, PermissionDenied, Unavailable
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store
from emerge_wasm.stores.postgresql import store as postgresql
from emerge_wasm.stores.postgresql.pool import location_of
from emerge_wasm.stores.postgresql.store import PostgreSQLStore
from tests.backends import Started
from tests.contracts.store import puts, scan_all
from tests.contracts.store_model import Model, random_batch


@pytest.fixture
def url(backends: Started) -> str:
    return backends.url("postgresql")


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgreSQLStore]:
    store = await opened(url)
    yield store
    await store.close()


async def opened(url: str) -> PostgreSQLStore:
    store = await open_store(url)
    assert isinstance(store, PostgreSQLStore)
    return store


@pytest.fixture
async def server(url: str) -> AsyncIterator[Any]:
    """A connection of the owner, at the store's schema."""
    dsn, _, schema = url.partition("?schema=")
    connection = await asyncpg.connect(dsn, server_settings={"search_path": schema})
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    "options",
    [
        {"schema": 'x"; DROP SCHEMA public; --'},
        {"schema": "a.b"},
        {"schema": "pg_toast"},
        {"schema": ""},
        {"schema": "1st"},
        {"schema": "x" * 64},
        {"schema": "x\n"},
        {"pool": "0"},
        {"pool": "101"},
        {"pool": "many"},
        {"timeout": "nan"},
        {"durability": "none"},
        {"sslmode": "perhaps"},
        {"port": "http"},
        {"password": "x"},
        {"options": "-c fsync=off"},
        {"size": "3"},
    ],
)
async def test_wrong_option(options: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        await PostgreSQLStore.open("user:secret@127.0.0.1:1/database", options)
    assert "secret" not in str(caught.value)


def test_url_is_read_from_its_ends() -> None:
    place = location_of("some@one:p@ss/w:rd?@host:5433/data base", {"sslmode": "require"})
    assert place.dsn == "postgresql://some%40one:p%40ss%2Fw%3Ard%3F@host:5433/data%20base?sslmode=require"
    assert place.name == "postgresql://host:5433/data base?schema=emerge"
    assert location_of("/base", {}).dsn == "postgresql:///base"
    assert location_of("[::1],b:2/base", {}).dsn == "postgresql://[::1],b:2/base"


async def test_wrong_credentials_and_places(url: str) -> None:
    head, at, tail = url.rpartition("@")
    with pytest.raises(PermissionDenied, match="password") as caught:
        await open_store(head[:-1] + "secret" + at + tail)
    assert "secret" not in str(caught.value) and caught.value.remedy
    with pytest.raises(Invalid, match="no such database"):
        await open_store(url.replace("/postgres?", "/nowhere?"))
    with pytest.raises(Unavailable, match=r"127.0.0.1:1/") as lost:
        await open_store("postgresql://user:secret@127.0.0.1:1/database")
    assert "secret" not in str(lost.value) and lost.value.remedy
    with pytest.raises(Unavailable):
        await open_store("postgresql://user:secret@no-such-host.invalid/database?timeout=5")


async def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("emerge_wasm.stores.postgresql")]:
        monkeypatch.delitem(sys.modules, module)  # patched: as where asyncpg is not installed
    monkeypatch.setitem(sys.modules, "asyncpg", None)  # patched: as where asyncpg is not installed
    with pytest.raises(Unavailable, match=r"asyncpg.*pip install 'emerge-wasm\[postgresql\]'"):
        await open_store("postgresql://host/database")


async def test_user_without_rights(url: str, server: Any, store: PostgreSQLStore) -> None:
    name = store.location.name.rpartition("=")[2]
    await server.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    stranger = url.replace("emerge:", f"{name}:", 1).replace(url.split(":")[2].split("@")[0], "x", 1)
    with pytest.raises(PermissionDenied, match="right"):
        await open_store(stranger)
    with pytest.raises(PermissionDenied, match="right"):
        await open_store(stranger.replace(f"schema={name}", f"schema=other_{name}"))
    await server.execute(
        f"GRANT USAGE ON SCHEMA {name} TO {name}; GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {name}"
    )
    await store.commit(puts((b"k", b"v")))
    reader = await opened(stranger)
    assert await reader.get([("states", b"k")]) == [b"v"]
    with pytest.raises(PermissionDenied, match="right"):
        await reader.commit(puts((b"k", b"new")))
    await reader.close()
    assert await store.get([("states", b"k")]) == [b"v"]


async def test_newer_format(url: str, server: Any, store: PostgreSQLStore) -> None:
    await server.execute("UPDATE emerge SET format = 99")
    with pytest.raises(Invalid, match=r"format 99.*upgrade"):
        await open_store(url)


async def test_foreign_schema(url: str, server: Any) -> None:
    schema = url.rpartition("=")[2]
    await server.execute(f"CREATE SCHEMA {schema}; CREATE TABLE rows (song text)")
    with pytest.raises(Invalid, match="not an Emerge store"):
        await open_store(url)
    assert await server.fetch("SELECT * FROM rows") == []


async def test_schema_dropped_underneath(url: str, server: Any, store: PostgreSQLStore) -> None:
    await store.commit(puts((b"k", b"v")))
    await server.execute(f"DROP SCHEMA {url.rpartition('=')[2]} CASCADE")
    for attempt in (store.get([("states", b"k")]), store.commit(puts((b"k", b"v")))):
        with pytest.raises(Invalid, match="no Emerge store any more"):
            await attempt


async def test_opened_by_many_at_first(url: str) -> None:
    stores = await asyncio.gather(*[opened(url) for _ in range(8)])
    given = await asyncio.gather(*[store.commit(Batch(appends=[("log", b"x")])) for store in stores])
    assert sorted(given) == [[number] for number in range(1, 9)]
    await asyncio.gather(*[store.close() for store in stores])


@pytest.mark.parametrize(
    ("option", "default", "setting"), [("", "off", "on"), ("&durability=relaxed", "on", "off"), ("", "local", "local")]
)
async def test_durability(url: str, server: Any, option: str, default: str, setting: str) -> None:
    """Whatever the database is set to: only a level above `off` is left to it."""
    await server.execute(f"ALTER ROLE emerge SET synchronous_commit = {default}")
    await server.execute("ALTER ROLE emerge SET default_transaction_isolation = serializable")
    try:
        store = await opened(url + option)
        assert store.capabilities.durability == ("relaxed" if option else "disk")
        async with store.writing.connection() as connection:
            assert await connection.fetchval("SHOW synchronous_commit") == setting
            assert await connection.fetchval("SHOW transaction_isolation") == "read committed"
        assert await store.commit(Batch(appends=[("log", b"x")])) == [1]
        await store.close()
    finally:
        await server.execute("ALTER ROLE emerge RESET ALL")


async def test_close_leaves_nothing(url: str, server: Any) -> None:
    store = await opened(url)
    await store.commit(puts((b"k", b"v")))
    await server.execute("INSERT INTO writers SELECT 'old', number, given, now() - interval '31 days' FROM writers")
    await asyncio.gather(*[store.get([("states", b"k")]) for _ in range(50)])
    await asyncio.gather(store.close(), store.close())
    assert await server.fetch("SELECT * FROM writers") == []  # nor what a process left that was killed long ago
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'emerge'"
    for _ in range(100):
        if not await server.fetchval(ours):
            break
        await asyncio.sleep(0.01)
    assert await server.fetchval(ours) == 0


async def test_waiting_commits_share_a_call(store: PostgreSQLStore, server: Any) -> None:
    """64 at once are one call, or (every eighth is stale) two, and each has its own answer."""
    await store.commit(puts((b"there", b"1")))
    number_of_call = "SELECT number FROM writers"
    before = await server.fetchval(number_of_call)

    def batches() -> list[Batch]:
        return [Batch(puts=[("states", b"%d" % number, b"x")], appends=[("log", b"x")]) for number in range(64)]

    good = batches()
    for batch in good:
        batch.expect("states", b"there", b"1")
        batch.expect("states", b"none", None)
    given = await asyncio.gather(*[store.commit(batch) for batch in good])
    assert given == [[number] for number in range(1, 65)]
    assert await server.fetchval(number_of_call) == before + 1
    stale = batches()
    for batch in stale[::8]:
        batch.expect("states", b"there", b"2")
    answers = await asyncio.gather(*[store.commit(batch) for batch in stale], return_exceptions=True)
    assert await server.fetchval(number_of_call) == before + 3
    assert all(isinstance(answer, Conflict) for answer in answers[::8])
    numbers = [answer for answer in answers if not isinstance(answer, Conflict)]
    assert numbers == [[number] for number in range(65, 65 + 56)]


async def test_waiting_reads_share_a_statement(store: PostgreSQLStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.commit(puts(*[(b"%d" % number, b"value %d" % number) for number in range(200)]))
    statements: list[int] = []
    fetch = asyncpg.Connection.fetch

    async def counted(self: asyncpg.Connection, query: str, *args: Any, **options: Any) -> list[asyncpg.Record]:
        statements.append(sum(len(keys) for keys in args[1::2]))
        return await fetch(self, query, *args, **options)

    monkeypatch.setattr(asyncpg.Connection, "fetch", counted)  # patched: the server does not tell a statement's keys
    asked = [[("states", b"%d" % number), ("states", b"none")] for number in range(200)]
    found = await asyncio.gather(*[store.get(keys) for keys in asked])
    assert found == [[b"value %d" % number, None] for number in range(200)]
    assert len(statements) <= 6 and sum(statements) == 400
    statements.clear()
    absent = [("states", b"absent %d" % number) for number in range(98)]
    tasks = [asyncio.ensure_future(store.get(keys + absent)) for keys in asked]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    assert [values[:2] for values in await asyncio.gather(*tasks[1::2])] == found[1::2]
    assert max(statements) <= 5000 < sum(statements)
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("seed", range(3))
async def test_groups_are_as_one_after_the_other(url: str, seed: int) -> None:
    """Batches at once, with conditions on what the ones before them change, and with some by another store between."""
    source, model, store, other = random.Random(seed), Model(), await opened(url), await opened(url)
    conflicts = 0
    for _ in range(60):
        group = []
        for _ in range(source.randrange(1, 7)):
            batch = random_batch(source, model)
            if source.random() < 0.4:
                space, start = source.choice(("states", "entries", "log")), source.choice((b"", b"a", b"\xff"))
                end = source.choice((None, b"\xff\xff"))
                batch.expect_count(space, start, end, len(model.scan(space, start, end, 1000, False)))
            group.append(batch)
        between = random_batch(source, model)
        between.expects.clear()
        assert await other.commit(between) == model.commit(between)
        wanted = [model.commit(batch) for batch in group]
        answers = await asyncio.gather(*[store.commit(batch) for batch in group], return_exceptions=True)
        for answer, expected in zip(answers, wanted, strict=True):
            if isinstance(answer, Conflict):
                conflicts += 1
                assert (answer.details["space"], answer.details["key"]) == expected
            else:
                assert answer == expected
        for space in ("states", "entries", "log"):
            assert await scan_all(other, space, 50) == model.scan(space, b"", None, 10_000, False)
    assert conflicts > 20
    await asyncio.gather(store.close(), other.close())


async def test_too_large(store: PostgreSQLStore, monkeypatch: pytest.MonkeyPatch) -> None:
    random_key = random.Random(1).randbytes(postgresql.LARGEST_KEY)
    for key, limit in ((random_key + b"x", "largest_key"), (b"k" * 5000, "largest_key")):
        with pytest.raises(LimitExceeded) as caught:
            await store.commit(puts((b"a", b"1"), (key, b"")))
        assert caught.value.details["limit"] == limit
    await store.commit(Batch(puts=[("versions", random_key, b"fits")], expects=[("states", b"k" * 5000, None)]))
    assert await store.get([("versions", random_key), ("states", b"k" * 5000)]) == [b"fits", None]
    monkeypatch.setattr(postgresql, "LARGEST", 1000)  # patched: half a GiB would take long
    with pytest.raises(LimitExceeded) as caught:
        await store.commit(puts((b"a", bytes(500)), (b"b", bytes(500))))
    assert caught.value.details["limit"] == "largest_commit"
    assert await store.scan("states") == []


async def test_plans_use_the_index_however_large(store: PostgreSQLStore, server: Any) -> None:
    """The plans made while the tables were empty still look up single rows when they are large."""
    await store.commit(Batch(puts=[("states", b"k", b"")], deletes=[("states", b"x")], appends=[("log", b"")]))
    assert await store.get([("states", b"k")]) == [b""]
    many = "SELECT 'entries', int8send(n), 'x' FROM generate_series(1, 200000) n"
    await server.execute("SET synchronous_commit = off; INSERT INTO rows " + many)
    read = "SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'rows' AND schemaname = $1"
    await server.execute("SELECT pg_stat_force_next_flush()")
    schema = store.location.name.rpartition("=")[2]
    before = await server.fetchrow(read, schema)
    for number in range(20):
        batch = Batch(puts=[("states", b"k", b"%d" % number)], deletes=[("states", b"x")], appends=[("log", b"")])
        batch.expect("entries", number.to_bytes(8, "big"), b"x" if number else None)
        batch.expect_count("entries", (7).to_bytes(8, "big"), (9).to_bytes(8, "big"), 2)
        await store.commit(batch)
        await store.get([("entries", number.to_bytes(8, "big")), ("states", b"k")])
        assert len(await store.scan("entries", (100).to_bytes(8, "big"), limit=3, reverse=bool(number % 2))) == 3
    for pool in (store.reading, store.writing):
        async with pool.connection() as connection:
            await connection.execute("SELECT pg_stat_force_next_flush()")
    after = await server.fetchrow(read, schema)
    assert after["seq_tup_read"] == before["seq_tup_read"]
    assert 0 < after["idx_tup_fetch"] - before["idx_tup_fetch"] < 1000


async def test_a_directory_is_not_removed_with_a_child_in_it(url: str) -> None:
    """One store removes a directory if it counts no child, another adds a child if the directory is there."""
    first, second = await opened(url), await opened(url)
    removed = 0
    for number in range(60):
        name = b"%d/" % number
        await first.commit(puts((b"dir" + name, b"")))
        removal = Batch(deletes=[("states", b"dir" + name)], counts=[("states", name, name + b"\xff", 0)])
        child = Batch(puts=[("states", name + b"child", b"")], expects=[("states", b"dir" + name, b"")])
        commits = [first.commit(removal), second.commit(child)]
        answers = await asyncio.gather(*(commits if number % 2 else commits[::-1]), return_exceptions=True)
        assert sorted(isinstance(answer, Conflict) for answer in answers) == [False, True]
        [directory, inside] = await first.get([("states", b"dir" + name), ("states", name + b"child")])
        assert (directory is None) == (inside is None)
        removed += directory is None
    assert 0 < removed < 60
    await asyncio.gather(first.close(), second.close())
