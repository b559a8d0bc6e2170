"""The load on nodes in this process, which die at one commit after the other: many deaths in little time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from emerge_wasm.errors import EmergeError
from emerge_wasm.filesystem.check.audit import audit
from tests.node.conftest import StartNode
from tests.node.mortal import NAMES, Place, make_place
from tests.scale import SCALE

from .checker import Fault, check
from .history import Recorder, read_history
from .load import Load, Plan

SECONDS = 2.5 * SCALE
VOLUMES = {"/b": "b", "/b/c": "c", "/v": "c"}


@pytest.mark.parametrize("copies", [0, 1])
async def test_nodes_die_at_any_commit(copies: int, start_node: StartNode, tmp_path: Path) -> None:
    seed = Random().getrandbits(24)
    dice, place = Random(seed), await make_place(start_node, tmp_path)
    for path, owner in list(VOLUMES.items())[1:]:
        await place.call("a", "mount", path, owner)
    for path in VOLUMES if copies else ():
        await place.call("a", "replicate", path, copies)
    file = tmp_path / "history.jsonl"
    with file.open("a") as lines:
        load = Load(Plan(place.endpoints, VOLUMES, seed=seed, pause=0.01, copies=copies), Recorder(lines))
        working = asyncio.create_task(load.run())
        deaths = await torment(place, dice, SECONDS)
        load.stopped.set()
        await working
    history = read_history(file)
    faults = check(history)
    for name, node in place.nodes.items():
        await node.stop()
        faults += [Fault("audit", name, text) for text in (await audit(place.stores[name])).faults]
    told = "\n".join(f"{fault.kind} {fault.unit}: {fault.text}" for fault in faults)
    assert not faults, f"seed {seed}, {deaths} deaths, {len(history)} calls\n{told}"
    assert deaths and len(history) > 50


async def torment(place: Place, dice: Random, seconds: float) -> int:
    """Kill a node at a time, often while volumes are made and unmade; how many died at a commit."""
    loop, deaths = asyncio.get_running_loop(), 0
    until = loop.time() + seconds
    while loop.time() < until or not deaths:
        name = dice.choice(NAMES)
        store = place.stores[name]
        store.die(dice.randrange(1, 8), dice.random() < 0.5)
        change = asyncio.create_task(remount(place, dice))
        for _ in range(30):
            if not store.lives:
                break
            await asyncio.sleep(0.02)
        deaths += not store.lives
        await asyncio.sleep(dice.choice([0, 0.1, 1]))
        await place.restart(name)
        await change
        await asyncio.sleep(dice.choice([0.1, 0.5]))
    await place.all_here()
    return deaths


async def remount(place: Place, dice: Random) -> None:
    path = f"/m{dice.randrange(3)}"
    change = dice.choice([("mount", path, dice.choice(NAMES)), ("unmount", path)])
    with suppress(EmergeError, TimeoutError):
        async with asyncio.timeout(3):
            await place.call(dice.choice(NAMES), *change)
