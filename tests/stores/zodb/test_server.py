"""A ZODB behind ZEO and in PostgreSQL: many writers, and a server or the way to it that fails, then works again."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import unquote

import psycopg2
import pytest
from ZEO.Exceptions import ClientDisconnected

from emerge_wasm.errors import Conflict, EmergeError, Invalid, LimitExceeded, PermissionDenied, Unavailable
from emerge_wasm.store import Batch, Store
from emerge_wasm.stores import open_store
from emerge_wasm.stores.zodb import write as zodb_write
from emerge_wasm.stores.zodb.connection import ZODBConnection
from emerge_wasm.stores.zodb.store import ZODBStore
from emerge_wasm.stores.zodb.tree import ZODBRows
from emerge_wasm.stores.zodb.write import VoteObserver
from tests.backends import Started
from tests.backends.postgresql import PASSWORD, Server, server
from tests.backends.zodb import ZEOServer, relstorage_url, zeo_server
from tests.contracts.store import puts, scan_all
from tests.scale import examples

SERVED = ("zeo", "relstorage")
FINAL = {"zeo": b"tpc_finish", "relstorage": b"lock_and_choose_tid_and_move"}  # what makes a commit final, on the wire


class Way:
    """A TCP way to a server that a test cuts, or on which nothing goes any more."""

    def __init__(self, port: int) -> None:
        self.target = port
        self._tasks: set[asyncio.Task[None]] = set()
        self.lose: tuple[str, bytes] | None = None  # of the next message with these bytes: its "request" or "answer"
        self.still = False

    async def __aenter__(self) -> Way:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """What goes over it now; it can be gone again."""
        for task in list(self._tasks):
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", self.target)
        losing = asyncio.Event()

        async def there() -> None:
            while data := await reader.read(1 << 16):
                if self.lose and self.lose[1] in data:
                    (how, _), self.lose = self.lose, None
                    if how == "request":
                        return
                    losing.set()
                if not self.still:
                    outer.write(data)

        async def back() -> None:
            while (data := await inner.read(1 << 16)) and not losing.is_set():
                if not self.still:
                    writer.write(data)

        tasks = [asyncio.ensure_future(there()), asyncio.ensure_future(back())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            outer.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def port_of(url: str) -> str:
    return url.partition("127.0.0.1" + ("%3A" if "%3A" in url else ":"))[2].partition("/")[0].partition("%")[0]


def with_port(url: str, port: int) -> str:
    return url.replace(port_of(url), str(port), 1)


def with_option(url: str, option: str) -> str:
    return url + ("&" if "?" in url else "?") + option


@pytest.fixture(params=SERVED)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def way(backend: str, backends: Started) -> AsyncIterator[tuple[Way, str]]:
    url = backends.url(backend)
    async with Way(int(port_of(url))) as way:
        yield way, with_port(url, way.port)


class Served:
    """A server of the test's own, that it stops and starts."""

    def __init__(self, url: str, zeo: ZEOServer | None = None, postgresql: Server | None = None) -> None:
        self.url, self._zeo, self._postgresql = url, zeo, postgresql

    async def kill(self) -> None:
        if self._zeo:
            await asyncio.to_thread(self._zeo.stop, signal.SIGKILL)
        if self._postgresql:
            await asyncio.to_thread(self._postgresql.stop)

    async def start(self) -> None:
        await asyncio.to_thread((self._zeo or self._postgresql).start)  # type: ignore[union-attr]


@pytest.fixture
def served(backend: str, tmp_path: Path) -> Iterator[Served]:
    if backend == "zeo":
        with zeo_server(tmp_path, "one") as zeo:
            yield Served(zeo.url("one"), zeo=zeo)
    else:
        with server() as postgresql:
            yield Served(relstorage_url(postgresql, "one"), postgresql=postgresql)


async def opened(url: str) -> ZODBStore:
    store = await open_store(url)
    assert isinstance(store, ZODBStore)
    return store


async def numbers(store: Store) -> list[int]:
    return [int.from_bytes(key, "big") for key, _ in await scan_all(store, "log", 1000)]


async def in_time(store: Store, batch: Batch, seconds: float = 20) -> list[int]:
    """The answer of a commit, once its server is there again."""
    end = time.monotonic() + seconds
    while True:
        try:
            return await store.commit(batch)
        except Unavailable as error:
            assert not error.details.get("unknown")
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.05)


async def test_what_one_commits_the_other_sees(backend: str, backends: Started) -> None:
    """At once, and also what it had looked at before: rows, absent keys, counts."""
    url = backends.url(backend)
    one, other = await opened(url), await opened(url)
    for turn in range(min(20, examples(8))):
        assert await other.scan("states") == [(b"%02d" % number, b"v") for number in range(turn)]
        assert await other.get([("states", b"%02d" % turn)]) == [None]
        await one.commit(puts((b"%02d" % turn, b"v")))
        assert await other.get([("states", b"%02d" % turn)]) == [b"v"]
        with pytest.raises(Conflict):
            await other.commit(Batch(expects=[("states", b"%02d" % turn, None)]))
        with pytest.raises(Conflict):
            await other.commit(Batch(counts=[("states", b"", None, turn)], puts=[("meta", b"k", b"v")]))
    assert await other.get([("meta", b"k")]) == [None]
    await one.close()
    await other.close()


async def test_three_make_a_store_at_once(served: Served) -> None:
    stores = await asyncio.gather(*[opened(served.url) for _ in range(3)])
    given = await asyncio.gather(*[store.commit(Batch(appends=[("log", b"x")])) for store in stores])
    assert sorted(given) == [[1], [2], [3]]
    for store in stores:
        await store.close()


@pytest.mark.parametrize("lose", ["request", "answer"])
async def test_connection_lost_while_a_commit_becomes_final(
    way: tuple[Way, str], backend: str, lose: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Applied or not, it is found out: it is there once, and its numbers are right."""
    line, url = way
    store = await opened(url)
    assert await store.commit(Batch(appends=[("log", b"first")])) == [1]
    line.lose = (lose, FINAL[backend])
    batches = [
        Batch(appends=[("log", b"mine")], puts=[("states", b"k", b"v")]),
        Batch(appends=[("log", b"beside")]),
        Batch(expects=[("states", b"k", b"stale")]),
    ]
    answers = await asyncio.gather(*[store.commit(batch) for batch in batches], return_exceptions=True)
    assert line.lose is None
    assert "a commit was not answered and is looked for" in caplog.text
    assert answers[:2] == [[2], [3]] and isinstance(answers[2], Conflict)
    assert [value for _, value in await scan_all(store, "log", 10)] == [b"first", b"mine", b"beside"]
    assert await store.commit(Batch(appends=[("log", b"next")])) == [4]
    await store.close()


async def test_lost_answer_is_found_behind_other_writers(way: tuple[Way, str], backend: str, backends: Started) -> None:
    """What others committed meanwhile does not hide what became of ours."""
    line, url = way
    store, other = await opened(url), await opened(with_port(url, line.target))
    await store.commit(Batch(appends=[("log", b"first")]))
    line.lose = ("answer", FINAL[backend])
    commit = asyncio.ensure_future(store.commit(Batch(appends=[("log", b"mine")])))
    while (await other.scan("log"))[-1][1] != b"mine":
        assert not commit.done()
    for _ in range(5):
        await other.commit(Batch(appends=[("log", b"other")]))
    assert await commit == [2]
    assert await numbers(store) == list(range(1, 8))
    await store.close()
    await other.close()


async def test_server_gone_and_back(served: Served) -> None:
    store = await opened(with_option(served.url, "wait=0.2"))
    assert await store.commit(Batch(appends=[("log", b"1")], puts=[("states", b"k", b"v")])) == [1]
    await served.kill()
    for attempt in (store.get([("states", b"new")]), store.scan("states"), store.commit(puts((b"lost", b"x")))):
        with pytest.raises(Unavailable, match="does not answer") as caught:
            await attempt
        assert caught.value.remedy and not caught.value.details.get("unknown")
    with pytest.raises(Unavailable):
        await opened(with_option(served.url, "wait=0.2"))
    await served.start()
    assert await in_time(store, Batch(appends=[("log", b"2")])) == [2]
    assert await store.get([("states", b"k"), ("states", b"lost")]) == [b"v", None]
    await store.close()


async def test_server_that_is_started_read_only(tmp_path: Path) -> None:
    with zeo_server(tmp_path, "one") as zeo:
        store = await opened(zeo.url("one", "?wait=0.2"))
        await store.commit(puts((b"k", b"v")))
        await asyncio.to_thread(zeo.stop)
        await asyncio.to_thread(zeo.start, True)
        with pytest.raises(Unavailable, match="for writing") as caught:
            await store.commit(puts((b"k", b"new")))
        assert not caught.value.details.get("unknown")
        with pytest.raises(Unavailable, match="for writing"):
            await opened(zeo.url("one", "?wait=0.2"))
        await asyncio.to_thread(zeo.stop)
        await asyncio.to_thread(zeo.start)
        await in_time(store, puts((b"l", b"w")))
        assert await store.scan("states") == [(b"k", b"v"), (b"l", b"w")]
        await store.close()


@pytest.mark.parametrize(
    ("state", "kind", "says"),
    [
        ("25006", Unavailable, r"takes no writes.*primary"),
        ("53100", LimitExceeded, r"no room is left.*free some disk space"),
        ("42501", PermissionDenied, r"has no right.*grant it"),
    ],
)
async def test_commit_that_is_refused(backends: Started, state: str, kind: type[EmergeError], says: str) -> None:
    """When it is to become final: it is certain then that it has not, and the store goes on."""
    url = backends.url("relstorage")
    store = await opened(with_option(url, "wait=0.1"))
    await store.commit(puts((b"k", b"v")))
    connection = psycopg2.connect(unquote(url.partition("relstorage=")[2]))
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE USING ERRCODE = '{state}'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON object_state FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    with pytest.raises(kind, match=says) as caught:
        await store.commit(puts((b"l", b"w")))
    assert not caught.value.details.get("unknown")
    assert await store.scan("states") == [(b"k", b"v")]
    cursor.execute("DROP TRIGGER refuse ON object_state")
    connection.close()
    await store.commit(puts((b"l", b"w")))
    assert await store.scan("states") == [(b"k", b"v"), (b"l", b"w")]
    await store.close()


async def test_closed_while_the_server_is_gone(served: Served) -> None:
    store = await opened(with_option(served.url, "wait=0.2"))
    await store.commit(puts((b"k", b"v")))
    await served.kill()
    await asyncio.wait_for(store.close(), 5)
    with pytest.raises(Unavailable, match="closed"):
        await store.get([("states", b"k")])


async def test_server_killed_under_load(served: Served) -> None:
    """Those who wait notice nothing but the time it takes: each commit is there exactly once."""
    store = await opened(with_option(served.url, "wait=20"))
    given: dict[bytes, list[int]] = {}
    ready, killed = asyncio.Event(), asyncio.Event()

    async def work(worker: int) -> None:
        """Commit until the server was killed, and some more."""
        turn, left = 0, 5
        while left:
            name = b"%d.%d" % (worker, turn)
            given[name] = await store.commit(Batch(puts=[("states", name, b"x")], appends=[("log", name)] * 2))
            if len(given) > 100:
                ready.set()
            turn, left = turn + 1, left - killed.is_set()

    workers = [asyncio.ensure_future(work(worker)) for worker in range(16)]
    await ready.wait()
    await served.kill()
    killed.set()
    assert not any(worker.done() for worker in workers)
    await served.start()
    await asyncio.gather(*workers)
    log = await scan_all(store, "log", 1000)
    assert [int.from_bytes(key, "big") for key, _ in log] == list(range(1, 2 * len(given) + 1))
    assert all(log[at - 1][1] == name for name, some in given.items() for at in some)
    assert len(await scan_all(store, "states", 1000)) == len(given) > 100 + 4 * len(workers)
    await store.close()


async def test_server_killed_between_vote_and_commit(tmp_path: Path) -> None:
    """What only voted is gone when the server is there again; those who were connected go on together."""
    with zeo_server(tmp_path, "one") as zeo:

        class Killer(VoteObserver):
            def tpc_vote(self, transaction: object) -> None:
                zeo.stop(signal.SIGKILL)

        store, other, dying = [await opened(zeo.url("one", f"?wait={wait}")) for wait in (10, 10, 0.1)]
        await store.commit(puts((b"k", b"v")))
        connection = ZODBConnection(dying.session.database, dying.session.location)
        connection.rows().put("states", b"k", b"lost")
        with pytest.raises(ClientDisconnected):
            connection.commit(Killer())
        await dying.close()
        await asyncio.to_thread(zeo.start)
        for each in (store, other, store):
            assert await each.scan("states") == [(b"k", b"v")]
        for turn, (one, another) in enumerate([(store, other), (other, store)] * 3):
            await one.commit(puts((b"k", b"%d" % turn)))
            assert await another.get([("states", b"k")]) == [b"%d" % turn]
        await store.close()
        await other.close()


async def test_silent_server(way: tuple[Way, str]) -> None:
    """A server that is there but answers nothing holds up nobody for ever."""
    line, url = way
    store = await opened(with_option(url, "wait=0.1"))
    await store.commit(puts((b"k", b"v")))
    line.still = True
    read = asyncio.gather(store.scan("entries"), store.commit(puts((b"k", b"w"))), return_exceptions=True)
    scanned, committed = await asyncio.wait_for(read, 5)
    for error in (scanned, committed):
        assert isinstance(error, Unavailable) and "is silent" in str(error)
    assert committed.details["unknown"]  # type: ignore[union-attr]
    await asyncio.wait_for(store.close(), 6)


async def test_silent_for_a_while(way: tuple[Way, str], backend: str) -> None:
    """What was asked meanwhile, and what was not yet begun when the time was up, is told apart; then it goes on."""
    line, url = way
    store = await opened(with_option(url, "wait=0.05"))
    await store.commit(Batch(appends=[("log", b"1")]))
    line.still = True
    with pytest.raises(Unavailable, match=r"silent.*unknown"):
        await store.commit(Batch(appends=[("log", b"2")]))
    with pytest.raises(Unavailable, match="silent") as caught:
        await store.commit(Batch(appends=[("log", b"never")]))
    assert not caught.value.details.get("unknown")
    line.still = False
    line.cut()
    number = await in_time(store, Batch(appends=[("log", b"3")]))
    values = [value for _, value in await scan_all(store, "log", 10)]
    assert values in ([b"1", b"2", b"3"], [b"1", b"3"]) and number == [len(values)]
    await store.close()


async def test_nobody_listens(backend: str, backends: Started) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = with_port(backends.url(backend), taken.getsockname()[1])
        with pytest.raises(Unavailable, match="does not answer"):
            await opened(with_option(url, "wait=0.2"))


async def test_storage_that_the_server_does_not_have(backends: Started) -> None:
    url = backends.url("zeo").rpartition("/")[0]
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:\d+/nothing does not answer.*storage of that name"):
        await opened(url + "/nothing?wait=0.2")


async def test_credentials_that_are_refused(backends: Started) -> None:
    url = backends.url("relstorage")
    wrong = "".join(f"%25{byte:02x}" for byte in b"pa/ss")
    right = "".join(f"%25{byte:02x}" for byte in PASSWORD.encode())
    assert right in url
    with pytest.raises(PermissionDenied, match="credentials") as caught:
        await opened(url.replace(right, wrong))
    assert "pa/ss" not in str(caught.value) and wrong not in str(caught.value)


async def test_database_that_is_not_there(backends: Started) -> None:
    url = backends.url("relstorage", "here")
    with pytest.raises(Invalid, match=r"nowhere does not exist.*create"):
        await opened(url.replace("here", "nowhere"))


async def test_no_error_shows_the_password(backends: Started) -> None:
    url = backends.url("relstorage")
    for broken in (
        url + "%3Foptions%3D-cfoo%253Dbar",
        url + "%3Fsslmode%3Dnever",
        url.replace("127.0.0.1", "127.0.0.1%3Ax"),
    ):
        with pytest.raises(EmergeError) as caught:
            await opened(with_option(broken, "wait=0.1"))
        shown = str(caught.value)
        assert PASSWORD not in shown and f"%{PASSWORD.encode()[0]:02x}" not in shown


async def test_turn_stays_small(backend: str, backends: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of writers that come and go, the last ones are remembered."""
    monkeypatch.setattr(zodb_write, "WRITERS", 3)  # patched: more than 32 stores would take long to open
    url = backends.url(backend)
    names: list[bytes] = []
    kept: set[bytes] = set()

    def look(rows: ZODBRows) -> None:
        kept.clear()
        kept.update(rows.turn.keys(b"writer/", b"writer0"))

    for _ in range(6):
        store = await opened(url)
        await store.commit(Batch(appends=[("log", b"x")]))
        store.session.read([look])
        names += kept - set(names)
        assert kept == set(names[-3:])
        await store.close()
    assert len(names) == 6
