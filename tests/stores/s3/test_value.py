"""Large values of an S3 store: objects of their own, whole or not there, and swept when nothing names them."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

import obstore
import pytest
from obstore.store import S3Store as Client

from emerge_wasm.errors import Conflict, Invalid, Unavailable
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store
from emerge_wasm.stores.s3 import value as s3_value
from emerge_wasm.stores.s3.store import S3Store
from tests.backends import Started
from tests.backends.s3 import client_of, paths
from tests.contracts.store import LOG, STATES, puts

BIG = bytes(range(256)) * 5000  # 1.3 MB


@pytest.fixture
def url(backends: Started) -> str:
    return backends.url("s3")


@pytest.fixture
def bucket(url: str) -> Client:
    """The objects of the store of that URL, as any S3 client sees them."""
    return client_of(url)


async def opened(url: str) -> S3Store:
    store = await open_store(url)
    assert isinstance(store, S3Store)
    return store


def wait_for_objects(bucket: Client, count: int) -> None:
    """Until so many large values are left."""
    for _ in range(500):
        if len(paths(bucket, "values")) == count:
            return
        time.sleep(0.01)
    raise AssertionError(paths(bucket, "values"))


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
    for wrong in (BIG[1:], BIG[:-1] + b"x", b"", None, s3_value.to_row(s3_value.LargeValue.of(BIG))[:41]):
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
            "from emerge_wasm.stores import open_store",
            "from slatedb.uniffi import Db",
            "async def main():",
            "    store = await open_store(sys.argv[1])",
            "    await store.commit(Batch(puts=[('states', b'kept', bytes(2000000))]))",
            "    async def die(*_): os.kill(os.getpid(), signal.SIGKILL)",
            "    Db.write = die",
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
