"""An S3 that refuses, is slow, loses answers or is gone: a clear error or none, nothing lost, and then on it goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import pytest

from emerge_wasm.errors import EmergeError, LimitExceeded, PermissionDenied, Unavailable
from emerge_wasm.store import Batch, Store
from emerge_wasm.stores import open_store
from emerge_wasm.stores.s3.bucket import to_emerge_error
from emerge_wasm.stores.s3.database import SlateTuning
from emerge_wasm.stores.s3.location import location_of
from emerge_wasm.stores.s3.store import S3Store
from tests.backends import Started
from tests.backends.s3 import BUCKET, client_of, paths
from tests.backends.s3_proxy import DENIED, FULL, QUOTA, Proxy, proxied
from tests.contracts.store import LOG, STATES, puts, scan_all

from .test_store import tuned

BIG = bytes(1_200_000)
BROKEN = ("refuse", "cut", "hang", "stop")


@pytest.fixture
def name(backends: Started) -> str:
    return urlsplit(backends.url("s3")).path.strip("/")


@pytest.fixture
async def proxy(backends: Started) -> AsyncIterator[Proxy]:
    [endpoint] = parse_qs(urlsplit(backends.url("s3")).query)["endpoint"]
    async with proxied(endpoint) as proxy:
        yield proxy


def url(proxy: Proxy, name: str, wait: float = 5) -> str:
    return f"s3://{BUCKET}/{name}?endpoint=http://127.0.0.1:{proxy.port}&wait={wait}"


async def opened(url: str) -> Store:
    """Open a store whose wait is short for what comes later: on a busy machine it may take more than one attempt."""
    async with asyncio.timeout(20):
        while True:
            with suppress(Unavailable):
                return await open_store(url)


async def broken(proxy: Proxy, how: str) -> None:
    if how == "stop":
        await proxy.stop()
    else:
        proxy.set(how)


async def mended(proxy: Proxy, how: str) -> None:
    if how == "stop":
        await proxy.start()
    else:
        proxy.set("ok")


async def until_lost(proxy: Proxy, work: asyncio.Future[object]) -> None:
    """Wait until an answer to this work is lost, or it is done."""
    before = proxy.lost
    while proxy.lost == before and not work.done():
        await asyncio.sleep(0.005)


def entry(name: bytes, *, big: bool = False) -> Batch:
    batch = puts((name, BIG if big else b"x"))
    batch.append(LOG, name)
    return batch


async def check(store: Store, acknowledged: list[bytes], unknown: list[bytes] | None = None) -> None:
    """What was acknowledged is there, once and whole, and nothing else than that and what was told as unknown."""
    log = await scan_all(store, LOG, 1000)
    assert [int.from_bytes(key, "big") for key, _ in log] == list(range(1, len(log) + 1)), "the log has a gap"
    names = [value for _, value in log]
    assert len(names) == len(set(names)), "a commit was applied twice"
    assert set(acknowledged) <= set(names) <= {*acknowledged, *(unknown or [])}
    assert sorted(names) == [key for key, _ in await scan_all(store, STATES, 1000)], "a batch is there in part"


async def test_slow(proxy: Proxy, name: str) -> None:
    store = await open_store(url(proxy, name))
    proxy.delay = 0.1
    started = time.monotonic()
    names = [b"%d" % number for number in range(64)]
    await asyncio.gather(*[store.commit(entry(each)) for each in names])
    assert time.monotonic() - started < 1, "they share their requests"
    await check(store, names)
    proxy.delay = 0
    await store.close()


@pytest.mark.parametrize("how", BROKEN)
async def test_short_trouble_goes_unnoticed(proxy: Proxy, name: str, how: str) -> None:
    """Commits under way while S3 fails for a moment are all answered well."""
    store = await open_store(url(proxy, name, 2))
    names = [b"%02d" % number for number in range(40)]

    async def commit_all() -> None:
        for number in range(0, len(names), 4):
            await asyncio.gather(*[store.commit(entry(each, big=each == b"21")) for each in names[number : number + 4]])

    work = asyncio.ensure_future(commit_all())
    await asyncio.sleep(0.03)
    await broken(proxy, how)
    await asyncio.sleep(0.15)
    await mended(proxy, how)
    await work
    await check(store, names)
    await store.close()


@pytest.mark.parametrize("how", BROKEN)
async def test_long_trouble_is_told(proxy: Proxy, name: str, how: str) -> None:
    """An error within the bound; one commit may be unknown, later ones are not there; the same store then goes on."""
    store = await opened(url(proxy, name, 0.5))
    await store.commit(entry(b"before"))
    await broken(proxy, how)
    wanted = "503" if how == "refuse" else "S3 has not answered|cannot be reached"
    started = time.monotonic()
    with pytest.raises(Unavailable, match=rf"({wanted}).*not known yet") as caught:
        await store.commit(entry(b"unknown"))
    assert caught.value.details["unknown"]
    for _ in range(2):
        with pytest.raises(Unavailable, match=rf"({wanted}).*nothing of this commit was written"):
            await store.commit(entry(b"refused"))
    assert await store.get([(STATES, b"before"), (STATES, b"unknown")]) == [b"x", None], (
        "what is not durable is not seen"
    )
    assert time.monotonic() - started < 3
    await mended(proxy, how)
    acknowledged = [b"before"]
    async with asyncio.timeout(10):
        while len(acknowledged) < 3:
            try:
                await store.commit(entry(b"after %d" % len(acknowledged)))
                acknowledged.append(b"after %d" % len(acknowledged))
            except Unavailable as error:
                assert "unknown" not in error.details
    await check(store, acknowledged, [b"unknown"])
    await store.close()
    store = await open_store(url(proxy, name))
    await check(store, acknowledged, [b"unknown"])
    await store.close()


@pytest.mark.parametrize(
    ("refusal", "kind", "says"),
    [
        (FULL, LimitExceeded, r"no room is left in the bucket.*raise its quota, then try again"),
        (QUOTA, LimitExceeded, r"no room is left in the bucket.*raise its quota, then try again"),
        (DENIED, PermissionDenied, r"refuses these credentials.*may read, write"),
    ],
)
async def test_no_room_or_right_to_write(
    proxy: Proxy, name: str, refusal: tuple[str, str], kind: type[EmergeError], says: str
) -> None:
    """Reading goes on; one commit may be unknown, the others are not there; when there is room the store goes on."""
    store = await opened(url(proxy, name, 0.3))
    await store.commit(entry(b"before", big=True))
    proxy.refusal = refusal
    proxy.set("refuse", b"PUT ")
    with pytest.raises(kind, match=says) as caught:
        await store.commit(entry(b"unknown"))
    assert caught.value.details["unknown"] and (kind is PermissionDenied or caught.value.details["limit"])
    for big in (True, False):
        with pytest.raises(kind, match=says) as caught:
            await store.commit(entry(b"refused", big=big))
        assert "unknown" not in caught.value.details
    assert await store.get([(STATES, b"before"), (STATES, b"unknown")]) == [BIG, None]
    with pytest.raises(kind, match=says):
        await open_store(url(proxy, f"{name}-new", 0.3))
    proxy.set("ok")
    acknowledged = [b"before"]
    async with asyncio.timeout(10):
        while len(acknowledged) < 3:
            with suppress(kind, Unavailable):
                await store.commit(entry(b"after %d" % len(acknowledged)))
                acknowledged.append(b"after %d" % len(acknowledged))
    await check(store, acknowledged, [b"unknown"])
    await store.close()


async def test_large_values_of_what_was_refused(proxy: Proxy, name: str) -> None:
    """Take no room: they are deleted, and what cannot be deleted is swept without a restart."""
    store = await opened(url(proxy, name, 0.3))
    assert isinstance(store, S3Store)
    there = client_of(url(proxy, name))
    await store.commit(entry(b"before"))
    proxy.refusal = FULL
    proxy.set("refuse", b"/rows/wal/")
    with pytest.raises(Unavailable, match="not known yet"):
        await store.commit(entry(b"unknown"))
    with pytest.raises(Unavailable, match="nothing of this commit was written"):
        await store.commit(entry(b"refused", big=True))
    assert await asyncio.to_thread(paths, there, "values") == []
    proxy.set("ok")
    async with asyncio.timeout(10):
        while "after" not in [value.decode() for _, value in await scan_all(store, LOG, 1000)]:
            with suppress(Unavailable):
                await store.commit(entry(b"after"))
    proxy.set("lose", b"/values/")  # it comes to be there, and nobody knows
    with pytest.raises(Unavailable):
        await store.commit(entry(b"lost", big=True))
    proxy.set("ok")
    assert await asyncio.to_thread(paths, there, "values")
    assert await store.sweep() == 1
    assert await asyncio.to_thread(paths, there, "values") == []
    await store.close()


@pytest.mark.parametrize("what", [b"/rows/wal/", b"/values/", b""])
async def test_lost_answers(proxy: Proxy, name: str, what: bytes) -> None:
    """S3 did what was asked, and its answer is lost: that is found out, and nobody is fenced by himself."""
    store = await open_store(url(proxy, name))
    names = [b"%d" % number for number in range(30)]
    for number, each in enumerate(names):
        if number in (5, 6, 20):
            proxy.set("lose", what)
        work = asyncio.ensure_future(store.commit(entry(each, big=number % 5 == 0)))
        if number in (5, 6, 20):
            await until_lost(proxy, work)
            proxy.set("ok")
        assert await work == [number + 1]
    assert proxy.lost
    await check(store, names)
    assert (await store.get([(STATES, b"5")])) == [BIG]
    await store.close()


@pytest.mark.parametrize("lost", [b"/format", b"/owner", b""])
async def test_lost_answers_while_it_is_made(proxy: Proxy, name: str, lost: bytes) -> None:
    proxy.set("lose", lost)
    work = asyncio.ensure_future(open_store(url(proxy, name, 15)))
    await until_lost(proxy, work)
    proxy.set("ok")
    store = await work
    assert proxy.lost
    await store.commit(entry(b"a"))
    await store.close()


@pytest.mark.parametrize("how", ["refuse", "stop"])
async def test_reads_of_what_is_not_at_hand(proxy: Proxy, name: str, how: str) -> None:
    store = await opened(url(proxy, name, 0.3))
    await store.commit(entry(b"big", big=True))
    await broken(proxy, how)
    with pytest.raises(Unavailable):
        await store.get([(STATES, b"big")])
    with pytest.raises(Unavailable):
        await store.commit(entry(b"bigger", big=True))
    await mended(proxy, how)
    assert await store.get([(STATES, b"big")]) == [BIG]
    await check(store, [b"big"])
    await store.close()


@pytest.mark.parametrize("how", ["refuse", "stop"])
async def test_open_while_it_is_gone(proxy: Proxy, name: str, how: str) -> None:
    await broken(proxy, how)
    started = time.monotonic()
    with pytest.raises(Unavailable, match="503" if how == "refuse" else "cannot be reached") as caught:
        await open_store(url(proxy, name, 0.3))
    assert caught.value.remedy
    assert time.monotonic() - started < 2
    await mended(proxy, how)
    await (await open_store(url(proxy, name))).close()


@pytest.mark.parametrize("how", ["refuse", "hang"])
async def test_gone_while_it_opens(proxy: Proxy, name: str, how: str) -> None:
    """After the first answers, when slatedb is at work."""
    proxy.set(how, b"/rows/")
    started = time.monotonic()
    with pytest.raises(Unavailable, match="the store is not open"):
        await open_store(url(proxy, name, 0.3))
    assert time.monotonic() - started < 3
    proxy.set("ok")
    store = await open_store(url(proxy, name))
    await store.commit(entry(b"a"))
    await check(store, [b"a"])
    await store.close()


@pytest.mark.parametrize("how", ["refuse", "hang"])
async def test_close_while_it_is_gone(proxy: Proxy, name: str, how: str) -> None:
    """It lets go within the bound; what was acknowledged is there afterwards."""
    store = await opened(url(proxy, name, 0.5))
    await store.commit(entry(b"a"))
    await broken(proxy, how)
    with pytest.raises(Unavailable, match="not known yet"):
        await store.commit(entry(b"b"))
    started = time.monotonic()
    await store.close()
    assert time.monotonic() - started < 3
    await mended(proxy, how)
    store = await open_store(url(proxy, name))
    await check(store, [b"a"], [b"b"])
    await store.close()


async def test_messages() -> None:
    """What S3 and those who look for credentials say, as errors."""
    place = location_of("bucket/prefix", {"region": "eu-west-1"})
    said: list[tuple[str, type[EmergeError], str]] = [
        ("Error performing PUT http://169.254.169.254/latest/api/token", PermissionDenied, "AWS_ACCESS_KEY_ID"),
        ("Received redirect without LOCATION", EmergeError, "region eu-west-1"),
        ("<Code>AuthorizationHeaderMalformed</Code>", EmergeError, "region eu-west-1"),
        ("non-2xx status code: 503 Slow Down: <xml>", Unavailable, "Amazon S3 answers 503 Slow Down"),
    ]
    for text, kind, wanted in said:
        error = to_emerge_error(text, place)
        assert isinstance(error, kind)
        assert wanted in str(error)


async def test_database_that_gives_up(proxy: Proxy, name: str) -> None:
    """slatedb closes itself when its retries are used up: it is opened again, and knows what became of the commit."""
    store = await tuned(url(proxy, name, 5), SlateTuning(retries=0))
    await store.commit(entry(b"before"))
    proxy.set("refuse")
    with pytest.raises(Unavailable, match=r"503.*not known yet"):
        await store.commit(entry(b"unknown"))
    proxy.set("ok")
    acknowledged = [b"before"]
    async with asyncio.timeout(10):
        while len(acknowledged) < 3:
            with suppress(Unavailable):
                await store.commit(entry(b"after %d" % len(acknowledged)))
                acknowledged.append(b"after %d" % len(acknowledged))
    await check(store, acknowledged, [b"unknown"])
    await store.close()
