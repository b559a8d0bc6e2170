"""What only the SQLite store does: durability, groups of commits, reads beside a writer."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emerge_wasm.errors import Conflict
from emerge_wasm.store import SPACES, Batch, Store
from emerge_wasm.stores import open_store
from emerge_wasm.stores.sqlite.file import open_file
from emerge_wasm.stores.sqlite.store import SQLiteStore
from emerge_wasm.stores.sqlite.write import SMALL, SQLiteWriter
from tests.contracts.store import puts
from tests.scale import examples


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def opened(path: Path, options: str = "") -> asyncio.Task[Store]:
    return asyncio.ensure_future(open_store(f"sqlite:///{path}{options}"))


async def test_durable_by_default(path: Path) -> None:
    store = await opened(path)
    assert isinstance(store, SQLiteStore)
    assert store.capabilities.durability == "disk"
    writer = store.file.writer
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    await store.close()
    store = await opened(path, "?durability=relaxed")
    assert isinstance(store, SQLiteStore)
    assert store.capabilities.durability == "relaxed"
    assert store.file.writer.execute("PRAGMA synchronous").fetchone() == (1,)  # NORMAL
    await store.close()


async def test_waiting_commits_share_a_transaction(path: Path) -> None:
    """64 at once, every eighth failing: two transactions at most, and each has its own answer."""
    store = await opened(path)
    assert isinstance(store, SQLiteStore)
    statements: list[str] = []
    store.file.writer.set_trace_callback(statements.append)
    batches = [puts((b"%d" % number, b"x")) for number in range(64)]
    for batch in batches[::8]:
        batch.expect("states", b"none", b"never")
    answers = await asyncio.gather(*[store.commit(batch) for batch in batches], return_exceptions=True)
    store.file.writer.set_trace_callback(None)
    assert 1 <= statements.count("COMMIT") <= 2
    assert all(isinstance(answer, Conflict) for answer in answers[::8])
    assert [answer for answer in answers if not isinstance(answer, Conflict)] == [[]] * 56
    assert len(await store.scan("states")) == 56
    await store.close()


ROWS = st.tuples(
    st.sampled_from(SPACES[:3]), st.integers(0, 60).map(lambda number: b"%d" % number), st.binary(max_size=3)
)


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(st.lists(ROWS, max_size=80), max_size=3), max_size=3))
def test_rows_are_those_of_one_by_one_however_many_a_statement_writes(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[list[tuple[str, bytes, bytes]]]]
) -> None:
    file = open_file(str(tmp_path_factory.mktemp("rows") / "store.db"), "OFF", 0.0)
    try:
        writer, rows = SQLiteWriter(file), dict[tuple[str, bytes], bytes]()
        for group in groups:
            writer.write([Batch(puts=puts) for puts in group])
            rows |= {(space, key): value for puts in group for space, key, value in puts}
        found = file.reader.execute("SELECT space, key, value FROM rows").fetchall()
    finally:
        file.close()
    assert len(found) == len(rows) and {(space, key): value for space, key, value in found} == rows


async def test_reads_do_not_wait_for_a_writer(path: Path) -> None:
    """While a big commit is under way, reads answer with what was there before it."""
    store = await opened(path)
    assert isinstance(store, SQLiteStore)
    await store.commit(puts((b"k", b"old")))
    goes_on = threading.Event()
    store._executor.submit(goes_on.wait)  # private: the thread that writes stands still, however busy the machine is
    big = Batch(puts=[("states", b"%06d" % number, b"x" * 300) for number in range(50_000)])
    big.put("states", b"k", b"new")
    writing = asyncio.ensure_future(store.commit(big))
    await asyncio.sleep(0.01)
    assert await store.get([("states", b"k")]) == [b"old"]
    assert not writing.done()
    goes_on.set()
    await writing
    assert await store.get([("states", b"k")]) == [b"new"]
    await store.close()


async def test_close_is_safe_with_cancelled_commits(path: Path) -> None:
    store = await opened(path)
    tasks = [asyncio.ensure_future(store.commit(puts((b"%d" % number, b"x")))) for number in range(10)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(store.close(), store.close())
    assert all(task.cancelled() for task in tasks)
    store = await opened(path)
    await store.commit(puts((b"k", b"v")))
    await store.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.sampled_from([0, 3, SMALL + 1])),
        st.tuples(st.sampled_from(["get", "scan", "turn"]), st.integers(1, 3)),
    ),
    max_size=25,
)


async def read_between_commits(path: Path, steps: list[tuple[str, int]]) -> None:
    store = await open_store(f"sqlite:///{path}")
    seen, begun = 0, 0
    commits: list[asyncio.Task[list[int]]] = []

    def saw(values: list[bytes | None]) -> None:
        nonlocal seen
        (value,) = set(values)
        number = int(value or 0)
        acknowledged = max((at for at, commit in enumerate(commits, 1) if commit.done()), default=0)
        assert max(seen, acknowledged) <= number <= begun, "what was seen stays, and what was acknowledged is seen"
        seen = number

    for what, count in steps:
        if what == "commit":
            begun += 1
            batch = Batch(puts=[(space, b"number", b"%d" % begun) for space in ("entries", "versions")])
            for other in range(count):
                batch.put("entries", b"x%d" % other, b"%d" % begun)
            commits.append(asyncio.ensure_future(store.commit(batch)))
            continue
        for _ in range(count):
            if what == "get":
                saw(await store.get([("entries", b"number"), ("versions", b"number")]))
            elif what == "scan":
                rows = [await store.scan(space, b"number", b"number\0") for space in ("entries", "versions")]
                saw([dict(found).get(b"number") for found in rows])
            else:
                await asyncio.sleep(0)
    await asyncio.gather(*commits)
    saw(await store.get([("entries", b"number"), ("versions", b"number")]))
    await store.close()


@settings(max_examples=examples(25), deadline=None)
@given(STEPS)
def test_reads_between_and_during_commits(steps: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(read_between_commits(Path(folder) / "rows.db", steps))
