"""Announcements are hints: however many are lost, every node comes to know who is here, which volumes there are, and
who has what; and nobody is taken for gone who is not."""

from __future__ import annotations

import asyncio
import random

import pytest

from emerge_wasm import codec
from emerge_wasm.node.node import Node
from emerge_wasm.stores.memory import MemoryStore
from tests.node.conftest import TIMES, Connect, StartNode, broadcast_of, eventually, names
from tests.scale import examples

WITHIN = 4 * TIMES.silence
"""Seconds in which all views come to be the same after a change: 14 at the times of a real node."""


def lose(node: Node, chance: random.Random, share: float) -> None:
    """Of what is announced, a share does not reach this node."""
    broadcast = broadcast_of(node)
    hear = broadcast._hear  # private: nothing but the network loses messages
    broadcast._hear = lambda message, who: None if chance.random() < share else hear(message, who)


def agree(nodes: dict[str, Node]) -> bool:
    """Whether each sees just the others, and all have one mount table."""
    seen = all(names(node.cluster) == sorted(nodes.keys() - {name}) for name, node in nodes.items())
    tables = {node.volumes.table and node.volumes.table.version for node in nodes.values()}
    return seen and len(tables) == 1


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("seed", range(examples(1)))
async def test_views_converge(start_node: StartNode, connect: Connect, seed: int, share: float) -> None:
    chance = random.Random(seed)
    stores = {name: MemoryStore() for name in "abcd"}
    nodes: dict[str, Node] = {}
    departures: list[tuple[str, str, str]] = []

    async def start(name: str) -> None:
        join = tuple(node.endpoint for node in chance.sample(list(nodes.values()), min(len(nodes), 1)))
        node = await start_node(name, join, store=stores[name])
        lose(node, chance, share)
        node.cluster.on_change(
            lambda event, who: departures.append((event, name, who.node)) if event in ("gone", "unreachable") else None
        )
        if not nodes:
            await node.volumes.found()
        nodes[name] = node

    async def settled() -> None:
        await eventually(lambda: agree(nodes), WITHIN)

    for name in "abc":
        await start(name)
    await settled()
    owners: set[str] = set()
    for round in range(3):
        owner = chance.choice(sorted(nodes))
        path = f"/v{round}"
        owners.add(owner)
        await nodes["a"].volumes.change("_cluster_mount", path, nodes[owner].filesystem.uuid)
        await settled()
        pointer = await connect(nodes[owner].endpoint).call("store", [f"{path}/x", codec.encode({"n": 1})])
        for node in nodes.values():
            found = await connect(node.endpoint).call("whohas", [[f"{path}/x", "/none"], [pointer["uuid"], "0" * 32]])
            assert found.pop("missing", []) == sorted(owners - nodes.keys())
            assert found == {"paths": {f"{path}/x": owner}, "uuids": {pointer["uuid"]: owner}}
        if "d" in nodes:
            await nodes.pop("d").stop()
        else:
            await start("d")
        await settled()
    await asyncio.sleep(2 * TIMES.silence)
    assert agree(nodes)
    assert {who for event, _, who in departures if event == "gone"} <= {"d"}, departures
    assert "unreachable" not in {event for event, _, _ in departures}, departures
