"""What only the S3 store does: one owner, groups, large values, its settings, and a process that ends well."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import obstore
import pytest
from obstore.store import S3Store as Client

from emerge_wasm.errors import Conflict, Invalid, PermissionDenied, Unavailable
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store, s3_batch, s3_database, s3_value
from emerge_wasm.stores.s3 import S3Store
from tests.backends import Started
from tests.backends.s3 import BUCKET, environment, serve_bucket
from tests.contracts.store import LOG, STATES, puts, scan_all

BIG = bytes(range(256)) * 5000  # 1.3 MB

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


def client_of(url: str) -> Client:
    parts = urlsplit(url)
    endpoint = parse_qs(parts.query)["endpoint"][0]
    return Client(
        BUCKET, prefix=parts.path.strip("/"), endpoint=endpoint, region="us-east-1", client_options={"allow_http": True}
    )


def paths(bucket: Client, under: str = "") -> list[str]:
    return [meta["path"] for page in obstore.list(bucket, under or None) for meta in page]


def wait_for_objects(bucket: Client, count: int) -> None:
    """Until so many large values are left."""
    for _ in range(500):
        if len(paths(bucket, "values")) == count:
            return
        time.sleep(0.01)
    raise AssertionError(paths(bucket, "values"))


def adder(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", ADDER, url], stdout=subprocess.PIPE, text=True)


async def opened(url: str) -> S3Store:
    store = await open_store(url)
    assert isinstance(store, S3Store)
    return store


async def test_waiting_commits_are_one_write(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 at once, every eighth failing: two writes at most, and each has its own answer."""
    store = await opened(url)
    writes = 0
    flush = s3_database.Database._flush

    async def counted(self: Any, db: Any) -> None:
        nonlocal writes
        writes += 1
        await flush(self, db)

    monkeypatch.setattr(s3_database.Database, "_flush", counted)
    batches = [puts((b"%d" % number, b"x")) for number in range(64)]
    for batch in batches[::8]:
        batch.expect(STATES, b"none", b"never")
    answers = await asyncio.gather(*[store.commit(batch) for batch in batches], return_exceptions=True)
    assert 1 <= writes <= 2
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
            for _ in range(20):
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


async def test_database_that_closed_itself_is_opened_again(url: str) -> None:
    store = await opened(url)
    await store.commit(puts((b"k", b"1")))
    for round_ in range(2):
        assert store._database._db is not None
        await store._database._db.shutdown()
        if round_:
            assert await store.get([(STATES, b"k")]) == [b"1"]
        await store.commit(Batch(puts=[(STATES, b"k", b"1")], appends=[(LOG, b"a")], expects=[(STATES, b"k", b"1")]))
    assert len(await store.scan(LOG)) == 2
    await store.close()


async def test_database_that_closed_itself_is_not_taken_back(url: str) -> None:
    first, second = await opened(url), await opened(url)
    assert first._database._db is not None
    await first._database._shut()
    with pytest.raises(Unavailable, match="was opened by process"):
        await first.commit(puts((b"k", b"1")))
    await second.commit(puts((b"k", b"2")))
    await asyncio.gather(first.close(), second.close())


@pytest.mark.parametrize("kept", [True, False])
async def test_failure_inside_a_write_is_looked_into(url: str, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database fails after, or before, the write was durable: the commit is acknowledged once, or not there."""
    store = await opened(url)
    await store.commit(Batch(appends=[(LOG, b"first")]))
    flush = s3_database.Database._flush

    async def failing(self: Any, db: Any) -> None:
        monkeypatch.setattr(s3_database.Database, "_flush", flush)
        if kept:
            await flush(self, db)
            raise s3_database.Error.Internal("something broke")
        raise s3_database.Error.Internal("something broke")

    async def not_written(batch: Any) -> Any:
        monkeypatch.undo()
        raise s3_database.Error.Internal("something broke")

    monkeypatch.setattr(s3_database.Database, "_flush", failing)
    batch = Batch(puts=[(STATES, b"k", b"v")], appends=[(LOG, b"second")])
    if kept:
        assert await store.commit(batch) == [2]
    else:
        assert store._database._db is not None
        monkeypatch.setattr(s3_database, "_batch", not_written)
        with pytest.raises(Unavailable) as caught:
            await store.commit(batch)
        assert "unknown" not in caught.value.details
        assert await store.get([(STATES, b"k")]) == [None]
        assert await store.commit(batch) == [2]
    assert [value for _, value in await store.scan(LOG)] == [b"first", b"second"]
    await store.close()


async def test_log_becomes_a_table(url: str, bucket: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_database, "_LOG", 5)
    store = await opened(url)
    for number in range(12):
        await store.commit(Batch(appends=[(LOG, b"%d" % number)]))
    assert store._database._making is not None
    await store._database._making
    assert store._database._logged < 6
    assert paths(bucket, "rows/compacted")
    await store._database._shut()  # no orderly end
    assert len(await store.scan(LOG)) == 12
    await store.close()


async def test_quick_batches_are_in_use() -> None:
    """Where they are not, commits take ten times as long."""
    assert s3_batch.put is not s3_batch._by_binding


async def test_batches_without_the_quick_way(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_database, "put", s3_batch._by_binding)
    store = await opened(url)
    await store.commit(puts((b"", b""), (b"\0\xff", b"v" * 300)))
    assert await store.scan(STATES) == [(b"", b""), (b"\0\xff", b"v" * 300)]
    await store.close()


async def test_large_values_are_objects(url: str, bucket: Client) -> None:
    store = await opened(url)
    batch = puts((b"big", BIG), (b"edge", bytes(s3_value.LARGE)), (b"bigger", BIG * 2), (b"x" * 300, BIG))
    batch.append(LOG, BIG)  # whose key is not known before: it stays in its row, as that of a long key does
    assert await store.commit(batch) == [1]
    assert len(paths(bucket, "values")) == 2
    await store.close()
    store = await opened(url)
    assert [len(value) for _, value in await store.scan(STATES)] == [len(BIG), 2 * len(BIG), 1 << 20, len(BIG)]
    assert await store.get([(STATES, b"big"), (STATES, b"bigger"), (STATES, b"x" * 300)]) == [BIG, BIG * 2, BIG]
    assert await store.scan(LOG) == [((1).to_bytes(8, "big"), BIG)]
    await store.close()


async def test_large_values_in_conditions(url: str, bucket: Client) -> None:
    store = await opened(url)
    await store.commit(puts((b"k", BIG)))
    for wrong in (BIG[1:], BIG[:-1] + b"x", b"", None, s3_value.to_row(s3_value.large(BIG))[:41]):
        with pytest.raises(Conflict):
            await store.commit(Batch(puts=[(STATES, b"k", BIG * 2)], expects=[(STATES, b"k", wrong)]))
    assert len(paths(bucket, "values")) == 1, "what a failed commit uploaded is dropped"
    await store.commit(Batch(puts=[(STATES, b"k", BIG * 2)], expects=[(STATES, b"k", BIG)]))
    await store.commit(Batch(deletes=[(STATES, b"k")], expects=[(STATES, b"k", BIG * 2)]))
    assert await store.get([(STATES, b"k")]) == [None]
    assert await store.sweep() == 2
    await store.close()


async def test_sweep_spares_what_is_alive(url: str, bucket: Client) -> None:
    """Sweeps run while large values are written, overwritten and read: every one read is whole."""
    store = await opened(url)
    swept = 0

    async def rewrite(name: bytes) -> None:
        for round_ in range(6):
            await store.commit(puts((name, b"%d" % round_ + BIG)))
            [value] = await store.get([(STATES, name)])
            assert value == b"%d" % round_ + BIG

    async def sweep() -> None:
        nonlocal swept
        while not work.done():
            swept += await store.sweep()
            await asyncio.sleep(0)

    work = asyncio.ensure_future(asyncio.gather(*[rewrite(b"%d" % number) for number in range(4)]))
    await asyncio.gather(work, sweep())
    swept += await store.sweep()
    assert swept == 20
    assert len(paths(bucket, "values")) == 4
    assert len(await store.scan(STATES)) == 4
    await store.close()


async def test_orphans_of_a_crash_are_swept(url: str, bucket: Client) -> None:
    """Killed between a large value and the row that names it; the next opening sweeps it, and nothing foreign."""
    code = "\n".join(
        [
            "import asyncio, os, signal, sys",
            "from emerge_wasm.store import Batch",
            "from emerge_wasm.stores import open_store, s3_database",
            "async def main():",
            "    store = await open_store(sys.argv[1])",
            "    await store.commit(Batch(puts=[('states', b'kept', bytes(2000000))]))",
            "    async def die(*_): os.kill(os.getpid(), signal.SIGKILL)",
            "    s3_database.Database._write = die",
            "    await store.commit(Batch(puts=[('states', b'orphan', bytes(2000000))]))",
            "asyncio.run(main())",
        ]
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, url)
    assert await process.wait() == -signal.SIGKILL
    assert len(paths(bucket, "values")) == 2
    obstore.put(bucket, "values/readme.txt", b"not ours")
    store = await opened(url)
    await asyncio.to_thread(wait_for_objects, bucket, 2)
    assert await store.get([(STATES, b"kept"), (STATES, b"orphan")]) == [bytes(2000000), None]
    assert "values/readme.txt" in paths(bucket, "values")
    await store.close()


async def test_fenced_store_sweeps_nothing(url: str, bucket: Client) -> None:
    first, second = await opened(url), await opened(url)
    await second.commit(puts((b"k", BIG)))
    with pytest.raises(Unavailable, match="was opened by"):
        await first.sweep()
    assert await second.get([(STATES, b"k")]) == [BIG]
    await asyncio.gather(first.close(), second.close())


async def test_cancelled_large_commit_is_whole(url: str, bucket: Client) -> None:
    store = await opened(url)
    work = asyncio.ensure_future(store.commit(puts((b"a", BIG), (b"b", BIG))))
    await asyncio.sleep(0.001)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await store.close()
    store = await opened(url)
    found = await store.scan(STATES)
    assert found in ([], [(b"a", BIG), (b"b", BIG)])
    await store.sweep()
    assert len(paths(bucket, "values")) == len(found)
    await store.close()


async def test_damaged_large_value(url: str, bucket: Client) -> None:
    store = await opened(url)
    await store.commit(puts((b"k", BIG)))
    [path] = paths(bucket, "values")
    obstore.put(bucket, path, BIG[:-1] + b"x")
    with pytest.raises(Invalid, match=r"damaged.*backup"):
        await store.get([(STATES, b"k")])
    obstore.delete(bucket, path)
    with pytest.raises(Invalid, match=r"damaged.*backup"):
        await store.get([(STATES, b"k")])
    with pytest.raises(Invalid, match=r"damaged.*backup"):
        await store.scan(STATES)
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
        await open_store(f"s3://{BUCKET}/x?endpoint={strict}&wait=3")
    assert "a wrong one" not in str(caught.value)
    await (await open_store(f"s3://{BUCKET}/x?endpoint={strict}&wait=3")).close()


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
            "    await store.commit(Batch(puts=[('states', b'%d' % n, bytes(1100000)) for n in range(20)]))",
            "    await asyncio.gather(*[store.get([('states', b'%d' % n)]) for n in range(20)])",
            f"    {ending}",
            "asyncio.run(main())",
        ]
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, url, stderr=asyncio.subprocess.PIPE, cwd=tmp_path
    )
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
