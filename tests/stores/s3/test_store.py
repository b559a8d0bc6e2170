"""What only the S3 store does: one owner, groups, large values, its settings, and a process that ends well."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store as Client
from slatedb.uniffi import CloseOptions, Db, DbBuilder, Error

from emerge_wasm.errors import Conflict, Invalid, PermissionDenied, Unavailable
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store
from emerge_wasm.stores.engine import split_url
from emerge_wasm.stores.s3 import batch as s3_batch
from emerge_wasm.stores.s3 import database as s3_database
from emerge_wasm.stores.s3.database import SlateTuning
from emerge_wasm.stores.s3.location import location_of
from emerge_wasm.stores.s3.store import S3Store
from tests.backends import Started
from tests.backends.ministack import environment
from tests.backends.s3 import BUCKET, client_of, paths, serve_bucket
from tests.contracts.store import LOG, STATES, puts, scan_all
from tests.scale import examples

ADDER = """
import asyncio, sys
from emerge_wasm.errors import Conflict, Unavailable
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store

async def add(store):
    while True:
        [value] = await store.get([("states", b"counter")])
        batch = Batch(puts=[("states", b"counter", b"%d" % (int(value or b"0") + 1))])
        batch.expect("states", b"counter", value)
        batch.append("log", b"one more")
        try:
            await store.commit(batch)
            print("added", flush=True)
        except Conflict:
            pass

async def main():
    store = await open_store(sys.argv[1])
    try:
        await asyncio.gather(*[add(store) for _ in range(8)])
    except Unavailable as error:
        print(error, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def url(backends: Started) -> str:
    return backends.url("s3")


@pytest.fixture
def bucket(url: str) -> Client:
    """The objects of the store of that URL, as any S3 client sees them."""
    return client_of(url)


def adder(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", ADDER, url], stdout=subprocess.PIPE, text=True)


async def opened(url: str) -> S3Store:
    store = await open_store(url)
    assert isinstance(store, S3Store)
    return store


async def tuned(url: str, tuning: SlateTuning) -> S3Store:
    _, location, options = split_url(url)
    return await S3Store.open_at(location_of(location, options), tuning)


async def test_waiting_commits_are_one_write(url: str, bucket: Client) -> None:
    """64 at once, every eighth failing: two writes at most, and each has its own answer."""
    store = await opened(url)
    before = len(paths(bucket, "rows/wal"))
    batches = [puts((b"%d" % number, b"x")) for number in range(64)]
    for batch in batches[::8]:
        batch.expect(STATES, b"none", b"never")
    answers = await asyncio.gather(*[store.commit(batch) for batch in batches], return_exceptions=True)
    assert 1 <= len(paths(bucket, "rows/wal")) - before <= 2
    assert all(isinstance(answer, Conflict) for answer in answers[::8])
    assert [answer for answer in answers if not isinstance(answer, Conflict)] == [[]] * 56
    assert len(await store.scan(STATES)) == 56
    await store.close()


async def test_second_opener_fences_the_first(url: str) -> None:
    first = await opened(url)
    await first.commit(puts((b"k", b"1")))
    second = await opened(url)
    for _ in range(2):
        with pytest.raises(Unavailable, match=rf"was opened by process {os.getpid()} on .*end the other one"):
            await first.commit(puts((b"k", b"lost")))
    with pytest.raises(Unavailable, match="was opened by process"):
        await first.commit(Batch(expects=[(STATES, b"k", b"1")]))
    with pytest.raises(Unavailable, match="was opened by process"):
        await first.get([(STATES, b"k")])
    with pytest.raises(Unavailable, match="was opened by process"):
        await first.scan(STATES)
    await first.close()
    await second.commit(Batch(puts=[(STATES, b"k", b"2")], expects=[(STATES, b"k", b"1")]))
    assert await second.scan(STATES) == [(b"k", b"2")]
    await second.close()


async def test_conditions_alone_are_seen_to_hold(url: str) -> None:
    """A fenced store that has not noticed must not confirm what it remembers."""
    first = await opened(url)
    await first.commit(puts((b"k", b"1")))
    second = await opened(url)
    await second.commit(puts((b"k", b"2")))
    with pytest.raises(Unavailable, match="was opened by process"):
        await first.commit(Batch(expects=[(STATES, b"k", b"1")]))
    await asyncio.gather(first.close(), second.close())


async def test_two_processes_lose_no_update(url: str) -> None:
    """Each takes the store from the one before it while that adds: the sum is what was acknowledged."""
    added = 0
    processes: list[subprocess.Popen[str]] = []
    try:
        for _ in range(3):
            process = adder(url)
            processes.append(process)
            assert process.stdout is not None
            for _ in range(min(20, examples(8))):
                assert await asyncio.to_thread(process.stdout.readline) == "added\n"
                added += 1
        for process, after in pairwise(processes):
            assert process.stdout is not None
            *lines, last = (await asyncio.to_thread(process.stdout.read)).splitlines()
            assert lines == ["added"] * len(lines)
            assert f"was opened by process {after.pid}" in last or f"was opened by process {processes[2].pid}" in last
            assert process.wait() == 0
            added += len(lines)
    finally:
        for process in processes:
            process.send_signal(signal.SIGKILL)
            assert process.stdout is not None
            added += process.stdout.read().count("added\n")
            process.wait()
            process.stdout.close()
    store = await opened(url)
    [counter] = await store.get([(STATES, b"counter")])
    log = await scan_all(store, LOG, 1000)
    assert [int.from_bytes(key, "big") for key, _ in log] == list(range(1, len(log) + 1))
    assert int(counter or b"") == len(log) >= added
    assert len(log) <= added + 8, "only what the killed process could not say any more"
    await store.close()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Db]:
    """The databases that slatedb opens from now on, so that a test can close one as slatedb does by itself."""
    databases: list[Db] = []
    build = DbBuilder.build

    async def built(self: DbBuilder) -> Db:
        databases.append(await build(self))
        return databases[-1]

    monkeypatch.setattr(DbBuilder, "build", built)  # patched: slatedb closes itself for reasons that no test can give
    return databases


async def test_database_that_closed_itself_is_opened_again(
    made: list[Db], url: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = await opened(url)
    await store.commit(puts((b"k", b"1")))
    for round_ in range(2):
        await made[-1].shutdown()
        if round_:
            assert await store.get([(STATES, b"k")]) == [b"1"]
        await store.commit(Batch(puts=[(STATES, b"k", b"1")], appends=[(LOG, b"a")], expects=[(STATES, b"k", b"1")]))
    assert len(await store.scan(LOG)) == 2
    assert len(made) == 3
    assert caplog.text.count("the database failed and is opened anew") == 2
    await store.close()


async def test_database_that_closed_itself_is_not_taken_back(made: list[Db], url: str) -> None:
    first, second = await opened(url), await opened(url)
    await made[0].shutdown()
    with pytest.raises(Unavailable, match="was opened by process"):
        await first.commit(puts((b"k", b"1")))
    await second.commit(puts((b"k", b"2")))
    await asyncio.gather(first.close(), second.close())


@pytest.mark.parametrize("kept", [True, False])
async def test_failure_inside_a_write_is_looked_into(url: str, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database fails after, or before, the write was durable: the commit is acknowledged once, or not there."""
    store = await opened(url)
    await store.commit(Batch(appends=[(LOG, b"first")]))
    step = "flush_with_options" if kept else "write"  # the one makes durable what the other has written
    original = getattr(Db, step)

    async def failing(self: Db, argument: object) -> None:
        monkeypatch.undo()
        if kept:
            await original(self, argument)
        raise Error.Internal("something broke")

    monkeypatch.setattr(Db, step, failing)  # patched: slatedb fails inside a write for reasons that no test can give
    batch = Batch(puts=[(STATES, b"k", b"v")], appends=[(LOG, b"second")])
    if kept:
        assert await store.commit(batch) == [2]
    else:
        with pytest.raises(Unavailable) as caught:
            await store.commit(batch)
        assert "unknown" not in caught.value.details
        assert await store.get([(STATES, b"k")]) == [None]
        assert await store.commit(batch) == [2]
    assert [value for _, value in await store.scan(LOG)] == [b"first", b"second"]
    await store.close()


async def test_log_becomes_a_table(made: list[Db], url: str, bucket: Client) -> None:
    store = await tuned(url, SlateTuning(log=5))
    for number in range(12):
        await store.commit(Batch(appends=[(LOG, b"%d" % number)]))
    async with asyncio.timeout(5):
        while not paths(bucket, "rows/compacted"):
            await asyncio.sleep(0.01)
    await made[-1].shutdown_with_options(CloseOptions(flush_type=None))  # no orderly end
    assert len(await store.scan(LOG)) == 12
    await store.close()


async def test_quick_batches_are_in_use() -> None:
    """Where they are not, commits take ten times as long."""
    assert s3_batch.put is not s3_batch.put_by_binding


async def test_batches_without_the_quick_way(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_database, "put", s3_batch.put_by_binding)  # patched: other releases of slatedb have no other
    store = await opened(url)
    await store.commit(puts((b"", b""), (b"\0\xff", b"v" * 300)))
    assert await store.scan(STATES) == [(b"", b""), (b"\0\xff", b"v" * 300)]
    await store.close()


async def test_newer_format(url: str, bucket: Client) -> None:
    first = await opened(url)
    obstore.put(bucket, "format", b'{"emerge": "store", "format": 99}')
    with pytest.raises(Invalid, match=r"format 99.*upgrade"):
        await open_store(url)
    await first.commit(puts((b"k", b"v")))  # it is not fenced by an opener that was refused
    await first.close()


@pytest.mark.parametrize("content", [b"dear diary", b"[]", b'{"format": "new"}'])
async def test_foreign_format(url: str, bucket: Client, content: bytes) -> None:
    obstore.put(bucket, "format", content)
    with pytest.raises(Invalid, match="is not an Emerge store"):
        await open_store(url)


async def test_foreign_prefix(url: str, bucket: Client) -> None:
    obstore.put(bucket, "songs/1", b"la")
    with pytest.raises(Invalid, match="holds other things"):
        await open_store(url)
    assert paths(bucket) == ["songs/1"]


async def test_missing_bucket(url: str) -> None:
    with pytest.raises(Invalid, match="there is no bucket no-such-bucket"):
        await open_store(url.replace(BUCKET, "no-such-bucket"))


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of an S3 that checks who asks."""
    with serve_bucket(tmp_path_factory.mktemp("strict"), AUTH="true") as endpoint:
        yield endpoint


async def test_wrong_credentials(url: str, strict: str) -> None:
    with (
        environment({"AWS_ACCESS_KEY_ID": "a wrong one"}),
        pytest.raises(PermissionDenied, match="AWS_ACCESS_KEY_ID") as caught,
    ):
        await open_store(f"s3://{BUCKET}/x?endpoint={strict}&wait=30")
    assert "a wrong one" not in str(caught.value)
    await (await open_store(f"s3://{BUCKET}/x?endpoint={strict}&wait=30")).close()


@pytest.mark.parametrize(
    "wrong",
    [
        "s3://",
        "s3://Bucket/x",
        "s3://a_b/x",
        "s3://bucket/a//b",
        "s3://bucket/../b",
        "s3://bucket/a%20b",
        "s3://bucket/x?endpoint=127.0.0.1:9000",
        "s3://bucket/x?endpoint=ftp://127.0.0.1",
        "s3://bucket/x?endpoint=http://id:secret@127.0.0.1",
        "s3://bucket/x?style=fancy",
        "s3://bucket/x?wait=0",
        "s3://bucket/x?wait=long",
        "s3://bucket/x?secret_access_key=secret",
        "s3://id:secret@bucket/x",
    ],
)
async def test_wrong_url(wrong: str) -> None:
    with pytest.raises(Invalid) as caught:
        await open_store(wrong)
    assert caught.value.remedy
    assert "secret@" not in str(caught.value)
    assert "=secret" not in str(caught.value)


async def test_environment_is_left_alone(url: str) -> None:
    """What slatedb reads there, but nobody means for S3, has no effect, and all is as it was."""
    odd = {
        "BUCKET": "other",
        "TOKEN": "not for S3",
        "ENDPOINT": "http://127.0.0.1:9",
        "AWS_ENDPOINT": "http://x.invalid",
    }
    with environment(odd):
        before = dict(os.environ)
        store = await opened(url)
        assert dict(os.environ) == before
        await store.commit(puts((b"k", b"v")))
        await store.close()


def test_missing_package_names_the_remedy() -> None:
    code = (
        "import asyncio, sys; sys.modules['slatedb'] = None\n"
        "from emerge_wasm.stores import open_store\n"
        "asyncio.run(open_store('s3://bucket/prefix'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "Unavailable: s3: stores need slatedb" in done.stderr
    assert "pip install 'emerge-wasm[s3]'" in done.stderr


@pytest.mark.parametrize("ending", ["await store.close()", "pass"])
async def test_process_ends_well(url: str, ending: str, tmp_path: Path) -> None:
    """Neither library may abort a process that ends, whether it closed its store or not."""
    code = "\n".join(
        [
            "import asyncio, sys",
            "from emerge_wasm.store import Batch",
            "from emerge_wasm.stores import open_store",
            "async def main():",
            "    store = await open_store(sys.argv[1])",
            "    await store.commit(Batch(puts=[('states', b'%d' % n, bytes(1100000)) for n in range(8)]))",
            "    await asyncio.gather(*[store.get([('states', b'%d' % n)]) for n in range(8)])",
            f"    {ending}",
            "asyncio.run(main())",
        ]
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, url, stderr=asyncio.subprocess.PIPE, cwd=tmp_path
    )
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
