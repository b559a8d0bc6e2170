"""A node dies in each step of making and unmaking a volume: the path is one thing afterwards, and it is of use."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from emerge_wasm import codec
from emerge_wasm.errors import EmergeError, Unavailable
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Answer
from emerge_wasm.store import Batch, Key
from emerge_wasm.stores.memory import MemoryStore

from .conftest import OPERATOR, StartNode, eventually, names

NAMES = "abc"
STATE = codec.encode({"n": 1})


class MortalStore(MemoryStore):
    """One whose process dies at a commit: nothing is read or written any more until it `lives` again."""

    def __init__(self) -> None:
        super().__init__()
        self.lives = True
        self.commits = 0
        self.dies_at = 0
        self.made = False

    def die(self, commit: int, made: bool) -> None:
        """Die at that commit from now on, which is `made` or not."""
        self.commits, self.dies_at, self.made = 0, commit, made

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        self._check()
        return await super().get(keys)

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        self._check()
        return await super().scan(space, start, end, limit=limit, reverse=reverse)

    async def commit(self, batch: Batch) -> list[int]:
        self._check()
        self.commits += 1
        dies = self.commits == self.dies_at
        if dies and not self.made:
            self.lives = False
            self._check()
        numbers = await super().commit(batch)
        self.lives = not dies
        self._check()
        return numbers

    def _check(self) -> None:
        if not self.lives:
            raise Unavailable("this process was killed", unknown=True)


class Place:
    """Three nodes with stores of their own; any may be started again."""

    def __init__(self, start_node: StartNode) -> None:
        self._start = start_node
        self.stores = {name: MortalStore() for name in NAMES}
        self.nodes: dict[str, Node] = {}

    async def start(self, name: str) -> None:
        join = () if name == "a" else (self.nodes["a"].endpoint,)
        self.nodes[name] = await self._start(name, join, store=self.stores[name])

    async def all_here(self) -> None:
        nodes = self.nodes.values()
        await eventually(lambda: all(len(names(node.cluster)) == len(NAMES) - 1 for node in nodes), 10)

    async def revive(self) -> None:
        """Start again what died, after the others took it for gone."""
        for name, store in self.stores.items():
            if not store.lives:
                await self.nodes[name].stop()
                store.lives, store.dies_at = True, 0
                await self.start(name)
            store.dies_at = 0
        await self.all_here()

    async def call(self, node: str, name: str, *args: object) -> object:
        answer: Answer = self.nodes[node].dispatch(name, list(args), OPERATOR)
        return await answer  # type: ignore[misc]

    async def is_of_use(self, path: str) -> None:
        """Store and read below a path through all nodes: it is one object, wherever that is."""
        for node in NAMES:
            await self.call(node, "store", path, STATE)
        found = [await self.call(node, "get", path) for node in NAMES]
        assert len({row["uuid"] for row in found}) == 1 and {row["version"] for row in found} == {len(NAMES)}
        holding = [name for name, node in self.nodes.items() if await held_by(node, path)]
        assert holding == [found[0]["node"]]
        await self.call("a", "rm", path)


async def held_by(node: Node, path: str) -> bool:
    answer = node.filesystem.dispatch("get", [path], OPERATOR)
    try:
        await answer  # type: ignore[misc]
    except EmergeError:
        return False
    return True


@pytest.fixture
async def place(start_node: StartNode) -> Place:
    made = Place(start_node)
    await made.start("a")
    await made.nodes["a"].volumes.found()
    for name in "bc":
        await made.start(name)
    await made.all_here()
    await made.call("a", "mount", "/b", "b")
    return made


CASES = [("mount", victim) for victim in NAMES] + [("unmount", victim) for victim in NAMES]


@pytest.mark.parametrize(("change", "victim"), CASES)
async def test_a_node_dies_in_each_step(change: str, victim: str, place: Place) -> None:
    """`/b/v` is made on c, or given back to b; who is asked for it is the registry a, or b, or c."""
    number = 0
    for made in (False, True):
        commit, died = 0, True
        while died:
            number, commit = number + 1, commit + 1
            path, asked = f"/b/v{number}", NAMES[number % len(NAMES)]
            args = [path, "c"] if change == "mount" else [path]
            if change == "unmount":
                await place.call("a", "mount", path, "c")
            place.stores[victim].die(commit, made)
            try:
                await place.call(asked, change, *args)
            except EmergeError:
                pass
            died = not place.stores[victim].lives
            assert died or commit > 1, "it has no part in this"
            await place.revive()
            async with asyncio.timeout(10):
                await useful(place, f"{path}/x/y")
                await until_done(place, change, args)
                await useful(place, f"{path}/x/z")


async def useful(place: Place, path: str) -> None:
    """A path may be closed for a moment after a node came back."""
    while True:
        try:
            await place.is_of_use(path)
            break
        except EmergeError:
            await asyncio.sleep(0.05)


async def until_done(place: Place, change: str, args: Sequence[object]) -> None:
    """What was interrupted can be done again."""
    volumes = await place.call("b", "volumes")
    is_volume = args[0] in {row["path"] for row in volumes}  # type: ignore[attr-defined]  # rows
    if (change == "mount") != is_volume:
        await place.call("b", "rm", f"{args[0]}/x", True)
        await place.call("b", change, *args)
