"""Whoever looks for unfinished moves, at whatever moment, finishes no move twice: what came back since stays whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from emerge_wasm import codec
from emerge_wasm.errors import Conflict, NotFound, Unavailable
from emerge_wasm.filesystem.handover import departure
from emerge_wasm.node.node import Node
from emerge_wasm.store import Batch, Key
from emerge_wasm.stores.memory import MemoryStore
from tests.scale import examples

from .conftest import OPERATOR, StartNode, eventually, names

AWAY = 0.02
"""The part of commits that fail, before they are made or after that."""
THINGS = 4
TIMES = 2
"""Each thing goes there and back twice so often."""


class UnevenStore(MemoryStore):
    """A store whose answers take a while, and that is away at times. Several nodes may open it."""

    def __init__(self, dice: Random) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, many_writers=True)
        self._dice = dice
        self.uneven = False

    async def _wait(self) -> None:
        if self.uneven:
            for _ in range(int(self._dice.paretovariate(0.9)) % 60):
                await asyncio.sleep(0)

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        await self._wait()
        found = await super().get(keys)
        await self._wait()
        return found

    async def commit(self, batch: Batch) -> list[int]:
        await self._wait()
        self._fail(unknown=False)
        numbers = await super().commit(batch)
        await self._wait()
        self._fail(unknown=True)
        return numbers

    def _fail(self, *, unknown: bool) -> None:
        if self.uneven and self._dice.random() < AWAY:
            raise Unavailable("the store is away", **({"unknown": True} if unknown else {}))


async def call(node: Node, name: str, *args: object) -> Any:
    answer: Any = node.dispatch(name, list(args), OPERATOR)
    return [row async for row in answer] if hasattr(answer, "__aiter__") else await answer


async def go_back_and_forth(nodes: Sequence[Node], number: int) -> None:
    """Move a thing to the other volume and back, wherever it is."""
    places = [f"/d{number}", f"/b/d{number}"]
    for turn in range(4 * TIMES):
        with suppress(NotFound, Conflict, Unavailable):
            await call(nodes[(turn + number) % len(nodes)], "mv", *places)
        places.reverse()


async def sweep(node: Node, ended: asyncio.Event) -> None:
    while not ended.is_set():
        with suppress(Unavailable):
            await node.handovers.sweep()
        await asyncio.sleep(0)


async def paths(node: Node) -> list[str]:
    """The paths of all objects, as if all were in /."""
    found = [f"{row['path'].rstrip('/')}/{row['name']}" for row in await call(node, "tree", "/")]
    return sorted(path.removeprefix("/b") for path in found if path != "/b")


async def settled(nodes: Sequence[Node]) -> list[str]:
    """The paths of all objects when no move is undecided any more."""
    while True:
        for node in nodes:
            await node.handovers.sweep()
        with suppress(Unavailable):
            return await paths(nodes[0])


@pytest.mark.parametrize("number", range(examples(1)))
async def test_what_is_finished_once_is_not_finished_again(start_node: StartNode, number: int) -> None:
    """Moves whose node stops in their midst, while two others of its store finish them, and clients move on."""
    seed = Random().getrandbits(32)
    dice = Random(seed)
    stores = [UnevenStore(dice) for _ in range(2)]
    a = await start_node("a", store=stores[0])
    await a.volumes.found()
    nodes = [a, await start_node("b", (a.endpoint,), store=stores[1])]
    nodes.append(await start_node("c", (a.endpoint,), store=stores[0]))
    await eventually(lambda: all(len(names(node.cluster)) == 2 for node in nodes))
    await call(a, "mount", "/b", "b")
    for each in range(THINGS):
        for name in ("x", "in/y"):
            await call(a, "store", f"/d{each}/{name}", codec.encode({"mark": each}))
    before = await paths(a)
    for turn in range(2):
        dies = await start_node(f"dies{turn}", (a.endpoint,), store=stores[0])
        await eventually(lambda dies=dies: len(names(dies.cluster)) >= 3)  # type: ignore[misc]
        ended = asyncio.Event()
        for store in stores:
            store.uneven = True
        begun = [asyncio.create_task(go_back_and_forth([dies], each)) for each in range(THINGS)]
        await asyncio.sleep(dice.uniform(0, 0.2))
        await dies.handovers.stop()
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        sweeping = [asyncio.create_task(sweep(node, ended)) for node in nodes]
        try:
            await asyncio.gather(*(go_back_and_forth(nodes, each) for each in range(THINGS)))
        finally:
            ended.set()
            await asyncio.gather(*sweeping)
            for store in stores:
                store.uneven = False
        assert await settled(nodes) == before, seed


class LookedAtStore(MemoryStore):
    """A store at which somebody looks after each commit, before who made it goes on. Several nodes may open it."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, many_writers=True)
        self.looks, self.looking = 0, False
        self.look: Callable[[], Awaitable[None]] | None = None

    async def commit(self, batch: Batch) -> list[int]:
        numbers = await super().commit(batch)
        if self.look is not None and not self.looking:  # what is committed by a look is not looked at
            self.looking, self.looks = True, self.looks + 1
            try:
                await self.look()
            finally:
                self.looking = False
        return numbers


async def test_who_looks_at_any_commit_of_a_move_leaves_it_to_who_makes_it(start_node: StartNode) -> None:
    """The node itself, and another one of its store, at every commit of moves, mounts and unmounts."""
    shared = LookedAtStore()
    a = await start_node("a", store=shared)
    await a.volumes.found()
    b, c = await start_node("b", (a.endpoint,)), await start_node("c", (a.endpoint,), store=shared)
    await eventually(lambda: all(len(names(node.cluster)) == 2 for node in (a, b, c)))
    await call(a, "mount", "/b", "b")
    await call(a, "store", "/d/in/x", codec.encode({"mark": 1}))

    async def look() -> None:
        for node in (c, a):
            await node.handovers.sweep()

    async def left() -> list[object]:
        """What is remembered of moves."""
        leases = await shared.scan("meta", b"lease\0handover/", b"lease\0handover0")
        intents = [each for node in (a, b) for each in await departure.intents(node.filesystem.core)]
        return [*leases, *intents, *(each for node in (a, b, c) for each in node.volumes.given)]

    for asked in (a, b, c):
        looks, shared.look = shared.looks, look
        await call(asked, "mv", "/d", "/b/d")
        await call(asked, "mv", "/b/d", "/d")
        await call(a, "store", "/b/full", codec.encode({}))
        with pytest.raises(Conflict, match="full"):
            await call(asked, "mv", "/d", "/b/full")
        await call(a, "rm", "/b/full")
        await call(asked, "mount", "/d", "b")
        await call(asked, "unmount", "/d")
        shared.look = None
        assert shared.looks - looks > 20
        async with asyncio.timeout(10):
            while await left():
                await look()
                await asyncio.sleep(0.01)
        assert await paths(a) == ["/d", "/d/in", "/d/in/x"]
