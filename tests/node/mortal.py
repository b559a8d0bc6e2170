"""Nodes in this process that die at a commit, and live again with what they had committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from emerge_wasm.codec import encode
from emerge_wasm.errors import EmergeError, Invalid, LimitExceeded, Unavailable
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Answer
from emerge_wasm.store import Batch, Key
from emerge_wasm.stores.memory import MemoryStore

from .conftest import OPERATOR, StartNode, eventually, names

NAMES = "abc"


class MortalStore(MemoryStore):
    """One whose process dies at a commit: nothing is read or written by it any more."""

    def __init__(self) -> None:
        super().__init__()
        self.lives = True
        self.commits = 0
        self.dies_at = 0
        self.made = False
        self.refuses_at = 0

    def reborn(self) -> MortalStore:
        """The store of the next process, with what was committed."""
        made = MortalStore()
        made.__dict__.update(self.__dict__)
        made.lives, made.dies_at = True, 0
        self.lives = False
        return made

    def die(self, commit: int, made: bool) -> None:
        """Die at that commit from now on, which is `made` or not."""
        self.commits, self.dies_at, self.made = 0, commit, made

    def refuse(self, commit: int) -> None:
        """Refuse the commit of that number from now on, and no other."""
        self.commits, self.refuses_at = 0, commit

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
        if self.commits == self.refuses_at:
            raise LimitExceeded("no room is left")
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
    """Three nodes with stores of their own, each at an endpoint of its own; any may be started again."""

    def __init__(self, start_node: StartNode, copies: Path | None = None) -> None:
        self._start = start_node
        self._copies = copies  # the folder of those that nodes keep of others' volumes
        self.stores = {name: MortalStore() for name in NAMES}
        self.nodes: dict[str, Node] = {}
        self.endpoints: dict[str, str] = {}

    async def start(self, name: str) -> None:
        """Start a node: where it was, if it was there before."""
        join = () if name == "a" else (self.endpoints["a"],)
        bind = self.endpoints.get(name, "tcp://127.0.0.1:0")
        folder = self._copies and self._copies / name
        for _ in range(100):
            try:
                self.nodes[name] = await self._start(name, join, bind, store=self.stores[name], copies=folder)
                break
            except Invalid:  # ZeroMQ closes the socket of a stopped node a little later
                await asyncio.sleep(0.02)
        self.endpoints[name] = self.nodes[name].endpoint

    async def restart(self, name: str) -> None:
        """End a process, and start another one on what it had committed."""
        store = self.stores[name]
        store.lives = False
        await self.nodes[name].stop()
        self.stores[name] = store.reborn()
        await self.start(name)

    async def all_here(self) -> None:
        nodes = self.nodes.values()
        await eventually(lambda: all(len(names(node.cluster)) == len(NAMES) - 1 for node in nodes), 10)

    async def revive(self) -> None:
        """Start again what died, after the others took it for gone."""
        for name, store in list(self.stores.items()):
            if not store.lives:
                await self.restart(name)
            store.dies_at = 0
        await self.all_here()

    async def call(self, node: str, name: str, *args: object) -> object:
        """Ask a node; the items of a stream are a list."""
        answer: Answer = self.nodes[node].dispatch(name, list(args), OPERATOR)
        if isinstance(answer, AsyncIterator):
            return [each async for each in answer]
        return await answer

    async def is_of_use(self, path: str) -> None:
        """Store and read below a path through all nodes: it is one object, wherever that is."""
        for node in NAMES:
            await self.call(node, "store", path, encode({}))
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


async def make_place(start_node: StartNode, copies: Path | None = None) -> Place:
    """A cluster of three: a has `/`, b has `/b`."""
    made = Place(start_node, copies)
    await made.start("a")
    await made.nodes["a"].volumes.found()
    for name in "bc":
        await made.start(name)
    await made.all_here()
    await made.call("a", "mount", "/b", "b")
    return made
