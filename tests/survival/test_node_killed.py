"""A node is killed under a mixed load: what it acknowledged is there, nothing is half there, everything agrees."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.stores import open_store
from tests.backends import DURABLE, Started
from tests.conftest import Server
from tests.contracts.crash import POINTS
from tests.contracts.store import scan_all
from tests.scale import examples, pairs

from .load import Worker, check, note, under_load
from .nodes import node

WORKERS = 6
COMMITS = examples(20)  # the one in which the node dies; each is of all workers that wait, so some six turns of each
SLOW = {"s3": examples(10), "dynamodb": examples(5)}  # where a commit takes longer
ANYTIME = "anytime"


async def load_until_dead(server: Server, kill_after: int = 0) -> list[Worker]:
    """Workers until the node has died by itself, or is killed after so many acknowledgements."""
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(WORKERS):
            transport = ZeroMQTransport(server.found["node"])
            stack.push_async_callback(transport.close)
            clients.append(Client(transport))

        async def death() -> None:
            if kill_after:
                await clients_did(kill_after)
                server.process.kill()
            assert await asyncio.to_thread(server.process.wait, 30) == -9, "it ended by itself"

        async def clients_did(count: int) -> None:
            position = (await clients[0].changes())["position"]
            while (await clients[0].changes())["position"] < position + count:
                await asyncio.sleep(0.005)

        return await under_load(clients, death())


@pytest.mark.parametrize(("backend", "point"), pairs(DURABLE, [*POINTS, ANYTIME]))
async def test_node_killed_under_load(backend: str, point: str, backends: Started) -> None:
    url = backends.url(backend)
    commits = SLOW.get(backend, COMMITS)
    with node(backend, url, point="" if point == ANYTIME else point, count=commits) as server:
        workers = await load_until_dead(server, 2 * commits if point == ANYTIME else 0)
    acknowledged = sum(worker.acknowledged for worker in workers)
    assert acknowledged > min(commits, WORKERS), "the node died before the load had begun"

    store = await open_store(url)
    client = Client(LocalTransport(await Filesystem.open(store)))
    try:
        more = await check(client, workers)
        assert more or point != "after", "what was made durable before the node died is gone"
        log = await scan_all(store, "log", 1000)
        assert [int.from_bytes(key, "big") for key, _ in log] == list(range(1, acknowledged + more + 1))
        report = await audit(store)
        assert report.faults == [] and report.counts["commits"] == acknowledged + more
        assert (await client.store(note("/w0/d0/afterwards", 1))).version == 1
    finally:
        await client.close()
        await store.close()
