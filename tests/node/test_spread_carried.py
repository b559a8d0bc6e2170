"""Files that are spread over nodes, wherever they are carried: copied, moved, mounted, unmounted, put into archives.

Whatever comes after whatever: each has its bytes, and each of its blocks as many copies as its raid level says.
"""

from __future__ import annotations

import io
import random
import re

import pytest

from emerge_wasm.clients import Client
from emerge_wasm.errors import Conflict
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.files.placement import check_level
from emerge_wasm.node.node import Node
from tests.contracts.files import content, pattern
from tests.scale import examples

from .conftest import Connect, StartNode
from .test_held_blocks import LAYOUTS, PART, cluster, copies, give_up

TOPS = ("/a", "/b")
"""Directories that are volumes at times."""


class Carried:
    """Two directories with files, and what becomes of them."""

    def __init__(self, nodes: list[Node], clients: list[Client], seed: int) -> None:
        self.nodes, self.clients, self.dice = nodes, clients, random.Random(seed)
        self.owner = dict.fromkeys(TOPS, "")  # "": that of /
        self.files: dict[str, bytes] = {}
        self.number = 0

    def client(self) -> Client:
        return self.dice.choice(self.clients)

    def fresh(self) -> str:
        self.number += 1
        return f"{self.dice.choice(TOPS)}/t{self.number}"

    async def put(self) -> None:
        tree = self.fresh()
        for raid in LAYOUTS:
            data = pattern(self.dice.randrange(20_000, 4 * PART), self.number + raid)
            await self.client().put(io.BytesIO(data), f"{tree}/r{raid}", raid=raid, block_size=PART)
            self.files[f"{tree}/r{raid}"] = data

    def tree(self) -> str:
        return self.dice.choice(sorted(self.files)).rpartition("/")[0]

    async def step(self) -> None:
        steps = [self.put, self.cp, self.mv, self.mount, self.unmount, self.archive]
        try:
            await self.dice.choice(steps)()
        except Conflict as error:  # of an archive comes what was archived, with its uuid where that is not yet
            assert re.search("is on (another|the other) node", error.message), error

    def below(self, tree: str) -> dict[str, bytes]:
        return {path.rpartition("/")[2]: data for path, data in self.files.items() if path.startswith(f"{tree}/")}

    async def cp(self) -> None:
        tree, target = self.tree(), self.fresh()
        await self.client().cp(tree, target, recursive=True)
        self.files |= {f"{target}/{name}": data for name, data in self.below(tree).items()}

    async def mv(self) -> None:
        tree, target = self.tree(), self.fresh()
        await self.client().mv(tree, target)
        for name in self.below(tree):
            self.files[f"{target}/{name}"] = self.files.pop(f"{tree}/{name}")

    async def mount(self) -> None:
        top = self.dice.choice(TOPS)
        node = self.dice.choice([each for each in ("n1", "n2") if each != self.owner[top]])
        await self.client().mount(top, node)
        self.owner[top] = node

    async def unmount(self) -> None:
        if mounted := [top for top in TOPS if self.owner[top]]:
            top = self.dice.choice(mounted)
            await self.client().unmount(top)
            self.owner[top] = ""

    async def archive(self) -> None:
        tree, target, file = self.tree(), self.fresh(), io.BytesIO()
        await self.client().export(tree, file)
        file.seek(0)
        await self.client().rm(tree, recursive=True)
        kept = {name: self.files.pop(f"{tree}/{name}") for name in self.below(tree)}
        await self.client().load(file, target)
        self.files |= {f"{target}/{name}": data for name, data in kept.items()}

    async def check(self) -> None:
        for path, data in self.files.items():
            client = self.client()
            assert await content(client, path) == data, path
            layout = LAYOUTS[int(path[-1])]
            assert (await client.verify(path))["layout"] == layout.pack()
            where = await copies(self.nodes, client, path)
            async for row in client.blocks(path):
                kept = [bytes.fromhex(name) for name in row["fragments"] or [row["name"]]]
                check_level(layout, kept, {name: where[name.hex()] for name in kept}, path)


@pytest.mark.parametrize("seed", range(examples(1)))
async def test_what_is_spread_has_its_level_wherever_it_is_carried(
    start_node: StartNode, connect: Connect, seed: int
) -> None:
    nodes = await cluster(start_node, 3)
    carried = Carried(nodes, [Client(connect(node.endpoint)) for node in nodes], seed)
    for top in TOPS:
        await carried.clients[0].mkdir(top)
    await carried.put()
    await carried.mount()
    for _ in range(8):
        await carried.step()
    await carried.check()
    for node in nodes:  # what was claimed on the way is let go of, and what was left is not wanted
        await give_up(node, 1 << 62)
        await node.held_blocks.review_all()
    await carried.check()
    for node in nodes:
        assert (await audit(node.filesystem.core.store)).faults == []
