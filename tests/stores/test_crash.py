"""A process is killed while it commits: what it acknowledged is there, nothing is half there, the log has no gap."""

from __future__ import annotations

import asyncio
import random

import pytest

from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store
from tests.backends import BACKENDS, DURABLE, Started
from tests.contracts.crash import POINTS, check, killed_writer

SLOW = {"s3": 10, "dynamodb": 4, "relstorage": 4, "zeo": 2, "postgresql": 2}  # how many times fewer commits to wait for


@pytest.mark.parametrize("backend", DURABLE)
async def test_killed_under_load(backend: str, backends: Started) -> None:
    url = backends.url(backend)
    acknowledged: set[bytes] = set()
    for run in range(2):
        count = random.randrange(50, 400) // SLOW.get(backend, 1)
        acknowledged |= await asyncio.to_thread(killed_writer, url, str(run), BACKENDS[backend].module, "", count)
        store = await open_store(url)
        assert len(await check(store, acknowledged)) >= len(acknowledged) >= 5 * (run + 1)
        await store.close()


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("backend", DURABLE)
async def test_killed_at_a_point(backend: str, point: str, backends: Started) -> None:
    url = backends.url(backend)
    acknowledged = await asyncio.to_thread(killed_writer, url, "a", BACKENDS[backend].module, point, 3)
    store = await open_store(url)
    held = await check(store, acknowledged)
    assert (len(held) > len(acknowledged)) == (point == "after")
    await store.commit(Batch(puts=[("states", b"after", b"")]))
    await store.close()
