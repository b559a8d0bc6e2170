"""Several processes write to one store: no update is lost, and the log has no gap at any moment."""

from __future__ import annotations

import asyncio
import json

import pytest

from emerge_wasm.errors import Conflict
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store
from tests.backends import MANY_WRITERS, Started
from tests.contracts.store import scan_all
from tests.forkserver import fork
from tests.scale import examples

TASKS, KEYS = 2, 3  # of each process, and the counters that all add to
TURNS = {"postgresql": 30, "zeo": 12, "relstorage": 12, "dynamodb": 4}


def count(url: str, process: int, turns: int) -> None:
    """Add to the counters; print how often another was first, and the log number of each addition."""
    print(json.dumps(asyncio.run(_count(url, process, turns))))  # noqa: T201


async def _count(url: str, process: int, turns: int) -> tuple[int, dict[int, str]]:
    store, lost, given = await open_store(url), 0, dict[int, str]()

    async def work(task: int) -> None:
        nonlocal lost
        done = 0
        while done < turns:
            key, name = b"%d" % (done % KEYS), f"{process}.{task}.{done}"
            [value] = await store.get([("states", key)])
            batch = Batch(puts=[("states", key, b"%d" % (int(value or b"0") + 1))], appends=[("log", name.encode())])
            batch.expect("states", key, value)
            try:
                [number] = await store.commit(batch)
                given[number] = name
                done += 1
            except Conflict:
                lost += 1

    await asyncio.gather(*[work(task) for task in range(TASKS)])
    await store.close()
    return lost, given


def counted(url: str, process: int, turns: int) -> tuple[int, dict[int, str]]:
    """What a process says that counts."""
    forked = fork(count, url, process, turns)
    with forked.stdout as output:
        said = output.read()
    assert forked.wait(60) == 0
    lost, given = json.loads(said)
    return lost, {int(number): name for number, name in given.items()}


@pytest.mark.parametrize("backend", MANY_WRITERS)
async def test_three_processes_lose_nothing(backend: str, backends: Started) -> None:
    url, turns = backends.url(backend), examples(TURNS.get(backend, 10))
    store = await open_store(url)
    ended = asyncio.gather(*[asyncio.to_thread(counted, url, process, turns) for process in range(3)])
    while not ended.done():
        log = await store.scan("log")
        assert [int.from_bytes(key, "big") for key, _ in log] == list(range(1, len(log) + 1))
        await asyncio.sleep(0.05)
    answers, total = await ended, 3 * TASKS * turns
    assert sum(lost for lost, _ in answers) > 0, "nobody was in anybody's way"
    counters = await store.get([("states", b"%d" % key) for key in range(KEYS)])
    assert sum(int(value or b"0") for value in counters) == total
    log = {int.from_bytes(key, "big"): name.decode() for key, name in await scan_all(store, "log", 1000)}
    assert list(log) == list(range(1, total + 1))
    assert log == {number: name for _, given in answers for number, name in given.items()}
    await store.close()
