"""Each engine under Emerge's filesystem, beside the engine's own bare client doing the same bytes; whether reads stay
flat as a directory grows; and the bytes on disk.

`python3 build.py bench stores` does all engines; `EMERGE_BENCH=sqlite,s3` names some, and `EMERGE_BENCH_LARGE=1`
grows the directory of the quick ones to a million objects (else to 100,000).
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.codec import pack_state
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.stores import open_store
from tests.backends import BACKENDS, Started

from .bare import BARE, Bare
from .measure import Row, print_rows
from .stored import stored_bytes

SIZES = (180, 420, 24, 9)
"""Bytes of the rows that one new object comes to: its entry, its version, its place in the log, its link."""

COUNTS = {"s3": 1000, "dynamodb": 300}
AT_ONCE = 64
TOGETHER = {"dynamodb": 24}
"""Objects in one commit of an engine that does not take AT_ONCE."""
PAGE = 1000
GROWTH = (1000, 10_000, 100_000, 1_000_000)
LARGEST = {"s3": 10_000, "dynamodb": 1000, "zodb": 100_000}
"""Objects to which the directory of a slow engine grows: those here are emulators on this machine."""
DATA = "x" * 200


async def rate(work: Iterable[Callable[[], Awaitable[object]]], at_once: int) -> float:
    """How many of these a second, so many under way at a time."""
    waiting = iter(work)
    done = 0

    async def worker() -> None:
        nonlocal done
        for each in waiting:
            await each()
            done += 1

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return done / (time.perf_counter() - start)


def thing(directory: str, number: int) -> EmergeFile:
    return EmergeFile(name=f"o{number:07}", path=directory, data=DATA)


async def emerge_rates(client: Client, count: int) -> list[float]:
    """A second: stores one by one and 64 at a time, gets, entries listed, objects read in order."""
    one = [lambda n=n: client.store(thing("/one", n)) for n in range(count // 4)]
    many = [lambda n=n: client.store(thing("/many", n)) for n in range(count)]
    gets = [lambda n=n: client.getobject(f"/many/o{n:07}") for n in range(count)]
    rates = [await rate(one, 1), await rate(many, AT_ONCE), await rate(gets, AT_ONCE)]
    start = time.perf_counter()
    listed = len(await client.list("/many"))
    between = time.perf_counter()
    read = len([each async for each in client.objects("/many")])
    assert listed == read == count
    return [*rates, listed / (between - start), read / (time.perf_counter() - between)]


async def bare_rates(bare: Bare, count: int, together: int) -> list[float]:
    """The same; of many at a time, so many are put in one commit, as Emerge's stores share one."""

    def rows(space: bytes, number: int) -> list[tuple[bytes, bytes]]:
        return [(space + bytes([part]) + number.to_bytes(8, "big"), bytes(size)) for part, size in enumerate(SIZES)]

    one = [lambda n=n: bare.put(rows(b"one", n)) for n in range(count // 4)]
    groups = [range(first, min(first + together, count)) for first in range(0, count, together)]
    many = [lambda group=group: bare.put([row for n in group for row in rows(b"many", n)]) for group in groups]
    gets = [lambda n=n: bare.point(rows(b"many", n)[1][0]) for n in range(count)]
    rates = [await rate(one, 1), await rate(many, 1) * count / len(groups), await rate(gets, AT_ONCE)]
    for part in (0, 1):
        start = time.perf_counter()
        found = len(await bare.page(b"many" + bytes([part]) + bytes(8), min(count, PAGE)))
        rates.append(found / (time.perf_counter() - start))
    return rates


async def open_client(url: str) -> Client:
    return Client(LocalTransport(await Filesystem.open(await open_store(url), url=url)))


async def compare(name: str, started: Started) -> list[Row]:
    count = COUNTS.get(name, 2000)
    url = started.url(name)
    client, bare = await open_client(url), await BARE[name].open(url)
    try:
        ours = await emerge_rates(client, count)
        theirs = await bare_rates(bare, count, TOGETHER.get(name, AT_ONCE))
    finally:
        await client.close()
        await bare.close()
    what = ("store, one by one", f"store, {AT_ONCE} at a time", "get", "list", "scan (objects)")
    return [Row(each, mine, [peer]) for each, mine, peer in zip(what, ours, theirs, strict=True)]


async def grow(name: str, started: Started, sizes: Iterable[int]) -> None:
    """Milliseconds of a first page of 100 and of one object, as the directory grows."""
    client = await open_client(started.url(name))
    there = 0
    print(f"\n{name}: a directory that grows (milliseconds, median of 30)")
    for size in sizes:
        await client.storeall(thing("/grows", number) for number in range(there, size))
        there = size
        page = await median_ms(lambda: client.list("/grows", limit=100))
        point = await median_ms(lambda size=size: client.getobject(f"/grows/o{size // 2:07}"))
        print(f"{size:>12,} objects {'first page':>14}{page:>9.2f}{'one object':>14}{point:>9.2f}", flush=True)
    await client.close()


async def median_ms(work: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(30):
        start = time.perf_counter()
        await work()
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)


async def disk(name: str, folder: Path, started: Started) -> None:
    """Bytes kept an object, beside its state's."""
    url, count = started.url(name), COUNTS.get(name, 2000)
    client = await open_client(url)
    await client.hello()
    before = await stored_bytes(name, url, folder)
    await client.storeall(thing("/disk", number) for number in range(count))
    await client.close()
    each = (await stored_bytes(name, url, folder) - before) / count
    state = len(pack_state(thing("/disk", 0), None))
    print(f"{name:>12}: {each:,.0f} bytes kept an object; its state has {state}", flush=True)


def main() -> None:
    named = os.environ.get("EMERGE_BENCH", "")
    names = named.split(",") if named else [name for name in BACKENDS if name in BARE]
    largest = 1_000_000 if os.environ.get("EMERGE_BENCH_LARGE") else 100_000
    with tempfile.TemporaryDirectory() as folder:
        started = Started(Path(folder))
        try:
            for name in names:
                print_rows(
                    f"{name}, an object of {len(DATA)} characters",
                    "a second",
                    ["bare"],
                    asyncio.run(compare(name, started)),
                )
            print()
            for name in names:
                if name != "memory":
                    asyncio.run(disk(name, Path(folder) / name, started))
            for name in names:
                asyncio.run(grow(name, started, [size for size in GROWTH if size <= LARGEST.get(name, largest)]))
        finally:
            started.stop()


if __name__ == "__main__":
    main()
