"""A process that commits to an SQLite store is killed under load: what it acknowledged is there, and nothing half."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path

from emerge_wasm.store import Store
from emerge_wasm.stores import open_store
from tests.contracts.store import scan_all

WRITER = """
import asyncio, sys
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store

async def main(url, run):
    store = await open_store(url)
    async def work(worker):
        for turn in range(10**9):
            name = b"%s.%d.%d" % (run, worker, turn)
            batch = Batch(puts=[(space, name, b"x" * 200) for space in ("entries", "states", "versions")])
            batch.append("log", name)
            batch.append("log", name)
            await store.commit(batch)
            print(name.decode(), flush=True)
    await asyncio.gather(*[work(worker) for worker in range(16)])

asyncio.run(main(sys.argv[1], sys.argv[2].encode()))
"""


def killed_writer(url: str, run: str, after: int) -> set[bytes]:
    """The names that it acknowledged before it was killed."""
    with subprocess.Popen([sys.executable, "-c", WRITER, url, run], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(after)]
        process.kill()
        lines += process.stdout.read().splitlines(keepends=True)
    return {line.strip() for line in lines if line.endswith(b"\n")}


async def check(store: Store, acknowledged: set[bytes]) -> set[bytes]:
    """All names in the store, after seeing that every batch is whole and every acknowledged one is there."""
    spaces = ("entries", "states", "versions")
    names = [{key for key, _ in await scan_all(store, space, 1000)} for space in spaces]
    assert names[0] == names[1] == names[2], "a batch is there in part"
    log = await scan_all(store, "log", 1000)
    assert [int.from_bytes(key, "big") for key, _ in log] == list(range(1, len(log) + 1)), "the log has a gap"
    logged = [name for _, name in log]
    assert logged[::2] == logged[1::2], "two appends of one batch are apart"
    assert len(logged) == 2 * len(names[0])
    assert set(logged) == names[0]
    assert acknowledged <= names[0], "an acknowledged batch is gone"
    return names[0]


async def test_killed_under_load(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    acknowledged: set[bytes] = set()
    for run in range(3):
        acknowledged |= await asyncio.to_thread(killed_writer, url, str(run), random.randrange(50, 600))
        store = await open_store(url)
        held = await check(store, acknowledged)
        assert len(held) >= len(acknowledged) > 50 * run
        await store.close()
