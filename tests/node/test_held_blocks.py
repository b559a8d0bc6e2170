"""Blocks of one file on several nodes: laid by their raid level, counted in each store, read and given up."""

from __future__ import annotations

import io

import pytest

from emerge_wasm.blocks.block import BLOCK_SIZE
from emerge_wasm.clients import Client
from emerge_wasm.errors import Unavailable
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.node.node import Node
from tests.contracts.files import content, pattern

from .conftest import Connect, StartNode, eventually


async def cluster(start_node: StartNode, count: int) -> list[Node]:
    first = await start_node("n0")
    await first.volumes.found()
    nodes = [first]
    for number in range(1, count):
        nodes.append(await start_node(f"n{number}", join=(first.endpoint,)))
    await eventually(lambda: all(len(node.cluster.peers()) == count - 1 and node.volumes.table for node in nodes), 10)
    return nodes


async def copies(nodes: list[Node], client: Client, path: str) -> dict[str, set[str]]:
    """Which nodes have each block that is kept of a file, as their stores say."""
    names = [name for row in [row async for row in client.blocks(path)] for name in row["fragments"] or [row["name"]]]
    here = {node: await node.filesystem.core.blocks.has([bytes.fromhex(name) for name in names]) for node in nodes}
    return {name: {node.filesystem.node for node in nodes if bytes.fromhex(name) in here[node]} for name in names}


async def test_blocks_lie_as_the_raid_level_says(start_node: StartNode, connect: Connect) -> None:
    nodes = await cluster(start_node, 3)
    client = Client(connect(nodes[1].endpoint))
    data = pattern(6 * BLOCK_SIZE + 7)
    for raid in (0, 1, 5):
        await client.put(io.BytesIO(data), f"/r{raid}", raid=raid)
        assert await content(client, f"/r{raid}") == data
        where = await copies(nodes, client, f"/r{raid}")
        assert {len(whom) for whom in where.values()} == {2 if raid == 1 else 1}, (raid, where)
        assert set().union(*where.values()) == {"n0", "n1", "n2"}
        rows = [row async for row in client.blocks(f"/r{raid}", verify=True)]
        assert {row["state"] for row in rows} == {"here"}
        assert {name: set(whom) for row in rows for name, whom in row["holders"].items()} == where
        for row in rows:
            held = [next(iter(where[name])) for name in row["fragments"]]
            assert len(set(held)) == len(held)
    with pytest.raises(Unavailable, match="needs 4 nodes"):
        await client.put(io.BytesIO(data), "/r6", raid=6)
    for node in nodes:
        assert (await audit(node.filesystem.core.store)).faults == []
