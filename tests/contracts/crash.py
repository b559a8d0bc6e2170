"""A process that writes to a store under load until it is killed, and what its store must hold then."""

from __future__ import annotations

import asyncio
from importlib import import_module

from emerge_wasm.store import Batch, Store
from emerge_wasm.stores import open_store
from tests.forkserver import fork

from .store import scan_all

POINTS = ("before", "between", "after")
"""Named points inside a commit: nothing of it has reached the engine; some of it has, but the engine has not made it
durable; the engine has, but whoever waits for it does not know yet.

A backend's module has `kill_at(point, count)`: from then on, the process that called it kills itself (SIGKILL) at
that point of the commit of this number."""


def write(url: str, run: str, module: str, point: str, count: int) -> None:
    """Commit for ever, 16 at a time, and print each name once it is acknowledged: what `killed_writer` runs."""
    asyncio.run(_write(url, run.encode(), module, point, count))


async def _write(url: str, run: bytes, module: str, point: str, count: int) -> None:
    store = await open_store(url)
    if point:
        import_module(f"tests.backends.{module}").kill_at(point, count)

    async def work(worker: int) -> None:
        for turn in range(10**9):
            name = b"%s.%d.%d" % (run, worker, turn)
            batch = Batch(puts=[(space, name, b"x" * 200) for space in ("entries", "states", "versions")])
            batch.append("log", name)
            batch.append("log", name)
            await store.commit(batch)
            print(name.decode(), flush=True)  # noqa: T201

    await asyncio.gather(*[work(worker) for worker in range(16)])


def killed_writer(url: str, run: str, module: str, point: str = "", count: int = 0) -> set[bytes]:
    """The names that it acknowledged before it killed itself at a point, or (no point) was killed after so many."""
    process = fork(write, url, run, module, point, count)
    with process.stdout as output:
        lines = []
        if not point:
            lines = [output.readline() for _ in range(count)]
            process.kill()
        lines += output.read().splitlines(keepends=True)
    assert process.wait() == -9, "it ended by itself"
    return {line.strip().encode() for line in lines if line.endswith("\n")}


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
