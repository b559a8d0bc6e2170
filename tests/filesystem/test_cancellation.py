"""What waits for a change, and is cancelled as one comes, is cancelled: it does not wait for the next."""

from __future__ import annotations

import asyncio

import pytest

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.objects import EmergeFile
from emerge_wasm.stores.memory import MemoryStore


@pytest.mark.parametrize("turns", range(5))
async def test_a_watch_ends_at_any_turn_of_the_loop_after_a_change(turns: int) -> None:
    filesystem = await Filesystem.open(MemoryStore())
    filesystem.core.poll = 60.0
    async with Client(LocalTransport(filesystem)) as client:

        async def watch() -> None:
            async for _ in client.watch("/elsewhere"):
                pass

        task = asyncio.create_task(watch())
        await asyncio.sleep(0.02)
        changed = filesystem.core.changed
        await client.store(EmergeFile(name="x", path="/here"))
        assert changed.is_set()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=2)
        assert done and task.cancelled()
