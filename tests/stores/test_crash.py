"""A process is killed while it commits: what it acknowledged is there, nothing is half there, the log has no gap."""

from __future__ import annotations

import asyncio
import random

import pytest

from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store
from tests.backends import BACKENDS, DURABLE, Started
from tests.contracts.crash import POINTS, check, killed_writer
from tests.scale import pairs

SLOW = {"s3": 10, "dynamodb": 8, "relstorage": 4, "zeo": 2, "postgresql": 2}  # how many times fewer commits to wait for


@pytest.mark.parametrize(("backend", "point"), pairs(DURABLE, POINTS))
async def test_killed(backend: str, point: str, backends: Started) -> None:
    """Anywhere, under load; and then, what is left is written to by another, at a point of its commit."""
    url = backends.url(backend)
    count = random.randrange(50, 200) // SLOW.get(backend, 1)
    acknowledged = await asyncio.to_thread(killed_writer, url, "anywhere", BACKENDS[backend].module, "", count)
    store = await open_store(url)
    before = await check(store, acknowledged)
    assert len(before) >= len(acknowledged) >= 5
    await store.close()
    acknowledged = await asyncio.to_thread(killed_writer, url, "point", BACKENDS[backend].module, point, 3)
    store = await open_store(url)
    held = await check(store, before | acknowledged)
    assert (len(held) > len(before | acknowledged)) == (point == "after")
    await store.commit(Batch(puts=[("states", b"after", b"")]))
    await store.close()
