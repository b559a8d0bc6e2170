"""A relay with two thousand browsers: what one waits for an answer, alone, beside idle ones, and beside active ones.

A browser is a bare WebSocket here. An idle one is connected and hears the relay's beats; an active one asks for an
object, waits for the answer, rests for a second (each for another time, so that they do not march), and asks again.
The relay, its node and all browsers share this machine, so the last rows tell how much of it they need, too.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import msgpack
from websockets.asyncio.client import ClientConnection, connect

from emerge_wasm import EmergeFile
from emerge_wasm import connect as connect_client

from .measure import Row, print_rows
from .process import cluster, processor_seconds, resident_bytes
from .wire import make_event

IDLE = int(os.environ.get("EMERGE_BENCH_IDLE", "2000"))
ACTIVE = int(os.environ.get("EMERGE_BENCH_ACTIVE", "200"))
SECONDS = float(os.environ.get("EMERGE_BENCH_SECONDS", "15"))
REST = 1.0
AT_ONCE = 50
"""Connections made at once."""


class Browsers:
    """WebSockets to one relay."""

    def __init__(self, stack: AsyncExitStack, place: dict[str, str]) -> None:
        self._stack = stack
        self._url = place["url"].replace("http", "ws") + "/ws"
        self._headers = {"Authorization": f"Bearer {place['token']}"}

    async def add(self, count: int) -> list[ClientConnection]:
        found: list[ClientConnection] = []
        while len(found) < count:
            some = [self._open() for _ in range(min(AT_ONCE, count - len(found)))]
            found += await asyncio.gather(*some)
        return found

    async def _open(self) -> ClientConnection:
        return await self._stack.enter_async_context(
            connect(
                self._url,
                subprotocols=["emerge.v1"],  # type: ignore[list-item]
                additional_headers=self._headers,
                compression=None,
                ping_interval=None,
            )
        )


async def ask(browser: ClientConnection) -> float:
    """Milliseconds until an object is here."""
    event = make_event("getobject", ["/bench/object"])
    start = time.perf_counter()
    await browser.send(event)
    while True:
        _, name, args = msgpack.unpackb(await browser.recv(), raw=False, strict_map_key=False)
        if name == "OK":
            return 1000 * (time.perf_counter() - start)
        if name == "ERR":
            raise RuntimeError(f"the call failed: {args[:2]}")


async def waits(browsers: list[ClientConnection], seconds: float) -> list[float]:
    """What each of their questions took."""
    taken: list[float] = []
    until = time.monotonic() + seconds

    async def use(browser: ClientConnection) -> None:
        await asyncio.sleep(random.random() * REST)
        while time.monotonic() < until:
            taken.append(await ask(browser))
            await asyncio.sleep(REST * (0.5 + random.random()))

    await asyncio.gather(*map(use, browsers))
    return taken


async def _drop(browser: ClientConnection) -> None:
    """Read what an idle browser hears."""
    async for _ in browser:
        pass


async def measure(place: dict[str, str]) -> tuple[list[Row], list[Row]]:
    """What one browser waits, and what all of them cost the process of relay and node."""
    waited, cost = [], []

    async def observe(what: str, others: list[ClientConnection]) -> None:
        began = processor_seconds(place["pid"])
        figures, _ = await asyncio.gather(_asked_for(one, SECONDS), waits(others, SECONDS))
        used = 1000 * (processor_seconds(place["pid"]) - began) / SECONDS
        if not alone:
            alone.extend([percentile(figures, 50), percentile(figures, 99), used])
        for name, pick, peer in (("half", 50, alone[0]), ("99 of 100", 99, alone[1])):
            waited.append(Row(f"{what}: {name} within", percentile(figures, pick), [peer]))
        cost.append(Row(what, used, [alone[2]]))

    alone: list[float] = []
    async with AsyncExitStack() as stack:
        browsers = Browsers(stack, place)
        (one,) = await browsers.add(1)
        await observe("alone", [])
        before = resident_bytes(place["pid"])
        readers = [asyncio.create_task(_drop(each)) for each in await browsers.add(IDLE)]
        print(f"an idle browser takes {(resident_bytes(place['pid']) - before) / IDLE / 1000:.0f} kB", flush=True)
        await observe(f"and {IDLE:,} idle ones", [])
        await observe(f"and {ACTIVE:,} that ask once a second", await browsers.add(ACTIVE))
        for reader in readers:
            reader.cancel()
    return waited, cost


async def _asked_for(browser: ClientConnection, seconds: float) -> list[float]:
    """What the questions of one took, one after another with a pause of ten milliseconds."""
    taken: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        taken.append(await ask(browser))
        await asyncio.sleep(0.01)
    return taken


def percentile(figures: list[float], hundredth: int) -> float:
    return statistics.quantiles(figures, n=100)[hundredth - 1]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder), "--browsers", str(IDLE + ACTIVE + 1)) as place:
        with connect_client(place["node"]) as fs:
            fs.store(EmergeFile(name="object", path="/bench", data="x" * 200))
        waited, cost = asyncio.run(measure(place))
    print_rows("A browser that asks every 10 ms for an object", "ms", ["alone"], waited)
    print_rows("Processor time of relay and node, which are one process, a second", "ms", ["alone"], cost)


if __name__ == "__main__":
    main()
