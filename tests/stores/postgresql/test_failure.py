"""A PostgreSQL server and the way to it fail: a clear error, nothing lost or done twice, and then it works again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from emerge_wasm.errors import Conflict, LimitExceeded, Unavailable
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store
from emerge_wasm.stores.engine import split_url
from emerge_wasm.stores.postgresql.pool import location_of
from emerge_wasm.stores.postgresql.schema import LOCK
from emerge_wasm.stores.postgresql.store import PostgreSQLStore
from tests.backends import Started
from tests.backends.postgresql import PASSWORD, USER, Server, server
from tests.contracts.store import scan_all


class Way:
    """A TCP way to the server that a test cuts, delays or stops."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._pairs: set[asyncio.Task[None]] = set()
        self.lose = ""  # of the next call of commit_rows: its "request", its "answer", or "delay" its request
        self.still = False  # nothing goes through any more
        self.cut = asyncio.Event()  # set once it is lost
        self.late: list[bytes] = []  # answers that nobody heard
        self.delayed = asyncio.Event()  # set: what was delayed goes on

    async def __aenter__(self) -> Way:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._pairs):
            task.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pairs.add(task)
        try:
            await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._pairs.discard(task)
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", self._target)
        lost = asyncio.Event()

        async def there() -> None:
            while data := await reader.read(1 << 16):
                if self.lose and b"MINE" in data:
                    how, self.lose = self.lose, ""
                    self.cut.set()
                    if how == "request":
                        return
                    if how == "delay":
                        writer.close()
                        await self.delayed.wait()
                    lost.set()
                if not self.still:
                    outer.write(data)

        async def back() -> None:
            while data := await inner.read(1 << 16):
                if lost.is_set():
                    self.late.append(data)
                    return
                if not self.still:
                    writer.write(data)

        tasks = [asyncio.ensure_future(there()), asyncio.ensure_future(back())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if lost.is_set():
                await tasks[1]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            outer.close()


@pytest.fixture
async def way(backends: Started) -> AsyncIterator[Way]:
    url = backends.url("postgresql")
    port = int(url.partition("127.0.0.1:")[2].partition("/")[0])
    async with Way(port) as way:
        way.url = url.replace(f":{port}/", f":{way.port}/")  # type: ignore[attr-defined]
        yield way


def mine(value: bytes = b"MINE") -> Batch:
    """A batch that the way knows by its value."""
    return Batch(puts=[("states", b"k", value)], appends=[("log", value)])


async def opened(url: str) -> PostgreSQLStore:
    store = await open_store(url)
    assert isinstance(store, PostgreSQLStore)
    return store


async def impatient(url: str, patience: float) -> PostgreSQLStore:
    """Open a store that soon gives up to find out what became of a commit."""
    _, location, options = split_url(url)
    return await PostgreSQLStore.open_at(location_of(location, options), patience)


@pytest.mark.parametrize("lose", ["request", "answer"])
async def test_connection_lost_during_a_commit(way: Any, lose: str, caplog: pytest.LogCaptureFixture) -> None:
    """Applied or not, it is found out: the commit is there once, and its numbers are right."""
    store = await opened(way.url)
    assert await store.commit(Batch(appends=[("log", b"first"), ("meta", b"")])) == [1, 1]
    way.lose = lose
    batches = [mine(), Batch(appends=[("log", b"beside")]), Batch(expects=[("states", b"k", b"stale")])]
    answers = await asyncio.gather(*[store.commit(batch) for batch in batches], return_exceptions=True)
    assert answers[:2] == [[2], [3]] and isinstance(answers[2], Conflict)
    assert way.lose == "" and bool(way.late) == (lose == "answer")
    assert "the answer to a commit is lost" in caplog.text
    assert [value for _, value in await scan_all(store, "log", 10)] == [b"first", b"MINE", b"beside"]
    assert await store.commit(mine(b"next")) == [4]
    await store.close()


async def test_request_that_comes_late_is_refused(way: Any) -> None:
    """A lost call that the server meets after all, when its commit was already made again: not applied twice."""
    store = await opened(way.url)
    way.lose = "delay"
    assert await store.commit(mine()) == [1]
    way.delayed.set()
    for _ in range(200):
        if way.late:
            break
        await asyncio.sleep(0.01)
    assert b"comes too late" in way.late[0]
    assert [value for _, value in await scan_all(store, "log", 10)] == [b"MINE"]
    assert await store.commit(mine(b"next")) == [2]
    await store.close()


async def test_outcome_that_cannot_be_found_out(way: Any) -> None:
    """The way is gone and stays so: the error says that the outcome is unknown, and soon; then on it goes."""
    store = await impatient(way.url + "&timeout=1", 0.6)
    way.lose = "answer"
    commit = asyncio.ensure_future(store.commit(mine()))
    await way.cut.wait()
    way.still = True
    with pytest.raises(Unavailable, match="whether a commit was applied is not known") as caught:
        await commit
    assert caught.value.remedy and caught.value.details["unknown"]
    way.still = False
    assert await store.commit(mine(b"next")) == [2]
    assert [value for _, value in await scan_all(store, "log", 10)] == [b"MINE", b"next"]
    await store.close()


async def test_silent_server(way: Any) -> None:
    store = await impatient(way.url + "&timeout=1", 0.3)
    await store.commit(mine())
    assert await store.get([("states", b"k")]) == [b"MINE"]
    way.still = True
    for attempt in (store.get([("states", b"k")]), store.scan("states"), store.commit(mine(b"new"))):
        start = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable, match=r"did not answer|not known"):
            await attempt
        assert asyncio.get_running_loop().time() - start < 10
    way.still = False
    assert await store.get([("states", b"k")]) == [b"MINE"]
    assert await store.commit(mine(b"new")) == [2]
    await store.close()


async def test_cancelled_read(way: Any) -> None:
    """Its connection is given up: who reads next does not wait for what the silent server owes."""
    store = await opened(way.url + "&pool=1")
    await store.commit(mine())
    assert await store.get([("states", b"k")]) == [b"MINE"]
    way.still = True
    read = asyncio.ensure_future(store.get([("states", b"k")]))
    await asyncio.sleep(0.05)
    read.cancel()
    await asyncio.wait([read])
    way.still = False
    assert await asyncio.wait_for(store.get([("states", b"k")]), 1) == [b"MINE"]
    await store.close()


@pytest.fixture
async def owner(backends: Started) -> AsyncIterator[tuple[str, Any]]:
    """The URL of a new store, and a connection of the database's owner at its schema."""
    url = backends.url("postgresql")
    dsn, _, schema = url.partition("?schema=")
    connection = await asyncpg.connect(dsn, server_settings={"search_path": schema})
    yield url, connection
    await connection.close()


HELD = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


async def waiting(connection: Any) -> int:
    """The server's process of a commit that waits for its turn."""
    for _ in range(200):
        if pid := await connection.fetchval(HELD):
            return int(pid)
        await asyncio.sleep(0.01)
    raise AssertionError("no commit waits")


async def test_commit_waits_for_other_writers_so_long(owner: tuple[str, Any]) -> None:
    url, connection = owner
    store = await opened(url + "&timeout=2")  # to open it takes its time, too
    lock = f"SELECT pg_advisory_lock({LOCK}, 'rows'::regclass::oid::int)"
    await connection.execute(lock)
    with pytest.raises(Unavailable, match="other writers"):
        await store.commit(mine())
    assert await store.get([("states", b"k")]) == [None]
    commit = asyncio.ensure_future(store.commit(mine()))
    await waiting(connection)
    await connection.execute(lock.replace("advisory_lock", "advisory_unlock"))
    assert await commit == [1]
    await store.close()


async def test_session_ended_during_a_commit(owner: tuple[str, Any]) -> None:
    """By an administrator: the commit is made again, and sessions that idle are replaced unseen."""
    url, connection = owner
    store = await opened(url)
    await connection.execute(f"SELECT pg_advisory_lock({LOCK}, 'rows'::regclass::oid::int)")
    commit = asyncio.ensure_future(store.commit(mine()))
    pid = await waiting(connection)
    await connection.execute(f"SELECT pg_terminate_backend({pid}), pg_advisory_unlock_all()")
    assert await commit == [1]
    await asyncio.gather(*[store.get([("states", b"k")]) for _ in range(10)])
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'emerge'"
    for _ in range(3):
        await connection.execute(end)
        assert await store.get([("states", b"k")]) == [b"MINE"]
    await connection.execute(end)
    assert await store.commit(mine(b"next")) == [2]
    await store.close()


async def test_deadlock_with_another_program(owner: tuple[str, Any]) -> None:
    """Somebody who locks rows by hand and then wants our turn: one of the two is sent away, and ours is made again."""
    url, connection = owner
    await connection.execute("SET deadlock_timeout = '20ms'")
    store = await opened(url)
    await store.commit(mine())
    async with store.writing.connection() as ours:
        await ours.execute("SET deadlock_timeout = '20ms'")
    for turn in range(2, 5):
        try:
            async with connection.transaction():
                await connection.execute("SELECT FROM rows WHERE space = 'states' FOR UPDATE")
                commit = asyncio.ensure_future(store.commit(mine(b"%d" % turn)))
                for _ in range(200):
                    if await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                        break
                    await asyncio.sleep(0.01)
                await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK}, 'rows'::regclass::oid::int)")
        except asyncpg.DeadlockDetectedError:
            pass
        assert await commit == [turn]
    await store.close()


async def test_full_disk(owner: tuple[str, Any]) -> None:
    """What has no room is refused as a whole; those waiting beside it are written."""
    url, connection = owner
    store = await opened(url)
    await connection.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;"
        "CREATE TRIGGER full_disk BEFORE INSERT ON rows FOR EACH ROW WHEN (length(NEW.value) > 1000)"
        " EXECUTE FUNCTION full_disk()"
    )
    big = Batch(puts=[("states", b"half", b"1"), ("states", b"big", bytes(2000))], appends=[("log", b"big")])
    batches = [mine(), big, mine(b"other")]
    answers = await asyncio.gather(*[store.commit(batch) for batch in batches], return_exceptions=True)
    assert (answers[0], answers[2]) == ([1], [2])
    assert isinstance(answers[1], LimitExceeded) and answers[1].details["limit"] == "disk space"
    assert await store.scan("states") == [(b"k", b"other")]
    await connection.execute("DROP TRIGGER full_disk ON rows")
    assert await store.commit(big) == [3]
    await store.close()


async def gone(store: PostgreSQLStore) -> None:
    """Wait until the store has heard that its session for writing is over."""
    for _ in range(200):
        if all(each.is_closed() for each in store.writing.idle):
            return
        await asyncio.sleep(0.01)


async def test_read_only_server(owner: tuple[str, Any]) -> None:
    url, connection = owner
    store = await opened(url)
    await store.commit(mine())
    await connection.execute(f"ALTER ROLE {USER} SET default_transaction_read_only = on")
    try:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'emerge'"
        await connection.execute(end)
        await gone(store)
        with pytest.raises(Unavailable, match="takes no writes"):
            await store.commit(mine(b"new"))
        assert await store.get([("states", b"k")]) == [b"MINE"]
        other = await opened(url)
        assert await other.get([("states", b"k")]) == [b"MINE"]
        await other.close()
    finally:
        await connection.execute(f"ALTER ROLE {USER} SET default_transaction_read_only = off")
        await connection.execute(end)
    assert await store.commit(mine(b"new")) == [2]
    await store.close()
    await connection.execute(f"ALTER ROLE {USER} RESET ALL")


async def test_no_connection_left(owner: tuple[str, Any]) -> None:
    url, connection = owner
    schema = url.rpartition("=")[2]
    await (await opened(url)).close()
    await connection.execute(f"CREATE ROLE {schema} LOGIN SUPERUSER CONNECTION LIMIT 0 PASSWORD '{PASSWORD}'")
    limited = url.replace(f"//{USER}:", f"//{schema}:")
    await connection.execute(f"ALTER ROLE {schema} NOSUPERUSER")
    with pytest.raises(Unavailable, match="no connection left"):
        await open_store(limited)


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.mark.parametrize("mode", ["immediate", "fast"])
async def test_server_gone_and_back(own_server: Server, mode: str) -> None:
    store = await opened(own_server.url(f"gone_{mode}"))
    numbers = [await store.commit(mine(b"%d" % turn)) for turn in range(5)]
    await asyncio.gather(*[store.get([("states", b"k")]) for _ in range(10)])
    await asyncio.to_thread(own_server.stop, mode)
    try:
        for attempt in (store.get([("states", b"k")]), store.scan("states"), store.commit(mine(b"lost"))):
            with pytest.raises(Unavailable) as caught:
                await attempt
            assert caught.value.remedy and PASSWORD not in str(caught.value)
        with pytest.raises(Unavailable):
            await open_store(own_server.url("another"))
    finally:
        await asyncio.to_thread(own_server.start)
    assert await store.get([("states", b"k")]) == [b"4"]
    assert await store.commit(mine(b"back")) == [len(numbers) + 1]
    await asyncio.to_thread(own_server.stop, mode)
    await asyncio.to_thread(own_server.start)
    assert await store.commit(mine(b"again")) == [len(numbers) + 2], "nobody has seen that it was away"
    await asyncio.to_thread(own_server.stop, mode)
    await asyncio.to_thread(own_server.start)
    assert [value for _, value in await store.scan("log", limit=100)][-2:] == [b"back", b"again"]
    await store.close()


async def test_server_crashes_under_load(own_server: Server) -> None:
    """Every acknowledged commit is there, once, and those of which it is not known are whole."""
    store = await opened(own_server.url("crash"))
    acknowledged: dict[bytes, list[int]] = {}
    unknown: set[bytes] = set()
    running = True

    async def work(worker: int) -> None:
        for turn in range(10**6):
            if not running:
                return
            name = b"%d.%d" % (worker, turn)
            batch = Batch(puts=[("states", name, b""), ("entries", name, b"")], appends=[("log", name)])
            try:
                acknowledged[name] = await store.commit(batch)
            except Unavailable:
                unknown.add(name)
                await asyncio.sleep(0.05)

    tasks = [asyncio.ensure_future(work(worker)) for worker in range(16)]
    for _ in range(2):
        await asyncio.sleep(0.15)
        await asyncio.to_thread(own_server.stop)
        await asyncio.to_thread(own_server.start)
    await asyncio.sleep(0.15)
    running = False
    await asyncio.gather(*tasks)
    log = await scan_all(store, "log", 1000)
    assert [int.from_bytes(key, "big") for key, _ in log] == list(range(1, len(log) + 1))
    held = [name for _, name in log]
    assert len(set(held)) == len(held), "one was applied twice"
    for name, numbers in acknowledged.items():
        assert held[numbers[0] - 1] == name
    assert set(acknowledged) <= set(held) <= set(acknowledged) | unknown
    for space in ("states", "entries"):
        assert {key for key, _ in await scan_all(store, space, 1000)} == set(held)
    await store.close()
