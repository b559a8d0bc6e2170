"""A node that stands still: every kind of call is told so in three heartbeats, and one that takes long is not cut."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest

from emerge_wasm import EmergeFile, Unavailable
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.rest import BEATS, RESTTransport
from tests.conftest import Server, start_server

BEAT = 0.5


@dataclass
class Sleeper(EmergeFile):
    def nap(self, seconds: float) -> str:
        time.sleep(seconds)
        return "slept"


@pytest.fixture(scope="module")
def node() -> Iterator[Server]:
    server = start_server("node", "start", "--port", "0", "--store", "memory:", "--name", "ice", "--rest", "0")
    yield server
    assert server.stop() == 0


@pytest.fixture
async def fs(node: Server) -> AsyncIterator[Client]:
    async with Client(RESTTransport(node.found["rest"], heartbeat=BEAT)) as client:
        yield client


async def test_who_waits_for_a_node_that_stands_still_is_told_which(fs: Client, node: Server) -> None:
    await fs.store(Sleeper(name="a", path="/ice"))
    await fs.run("/ice/a", "nap", 0)
    running = asyncio.ensure_future(fs.run("/ice/a", "nap", 60))
    watching = fs.watch("/ice")
    coming = asyncio.ensure_future(anext(watching))
    await asyncio.sleep(BEAT)
    node.process.send_signal(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        asked: list[Callable[[], Awaitable[object]]] = [
            lambda: running,
            lambda: coming,
            lambda: fs.get("/ice/a"),
            lambda: fs.store(Sleeper(name="b", path="/ice", data=b"x" * 9_000_000)),
            lambda: anext(fs.tree("/")),
            lambda: fs.hello(),
        ]
        outcomes = await asyncio.gather(*(ask() for ask in asked), return_exceptions=True)
        assert time.monotonic() - begun < BEATS * BEAT * 3
    finally:
        node.process.send_signal(signal.SIGCONT)
    for outcome in outcomes:
        assert isinstance(outcome, Unavailable) and node.found["rest"] in str(outcome), outcome
    assert (await fs.get("/ice/a")).name == "a"


async def test_a_run_longer_than_any_silence_is_not_cut(fs: Client) -> None:
    await fs.store(Sleeper(name="long", path="/ice"))
    assert await fs.run("/ice/long", "nap", BEATS * BEAT * 2) == "slept"
