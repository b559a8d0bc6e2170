"""What holders of blocks lose is made again: there, or elsewhere when they are gone. Counted in each node's store."""

from __future__ import annotations

import asyncio
import io
import random

import pytest

from emerge_wasm.clients import Client
from emerge_wasm.node.node import Node
from emerge_wasm.results import ScrubInfo
from tests.contracts.files import content, pattern
from tests.filesystem.repair.damaged import spoil
from tests.scale import examples

from .conftest import Connect, StartNode, eventually
from .test_held_blocks import cluster

SIZE = 300_000
HOW = ["flip", "cut", "gone", "forgotten"]


async def sound(nodes: list[Node], client: Client, path: str) -> list[dict[str, set[str]]]:
    """For each block: which nodes have each of its pieces whole, as their stores say."""
    found: list[dict[str, set[str]]] = []
    for row in [row async for row in client.blocks(path)]:
        names = [bytes.fromhex(name) for name in row["fragments"] or [row["name"]]]
        whole: dict[str, set[str]] = {name.hex(): set() for name in names}
        for node in nodes:
            blocks = node.filesystem.core.blocks
            amiss = await blocks.unsound(names)
            for name in await blocks.has(names) - amiss.keys():
                whole[name.hex()].add(node.filesystem.node)
        found.append(whole)
    return found


def met(raid: int, found: list[dict[str, set[str]]]) -> bool:
    """Whether each block is where its level wants it: copies on two nodes, fragments on nodes of their own."""
    for whole in found:
        if raid == 1 and min(map(len, whole.values())) < 2:
            return False
        if min(map(len, whole.values())) < 1:
            return False
        if raid == 5 and len(set().union(*whole.values())) < len(whole):
            return False
    return True


async def put_all(client: Client) -> dict[int, bytes]:
    files = {raid: pattern(SIZE, raid + 1) for raid in (0, 1, 5)}
    for raid, data in files.items():
        await client.put(io.BytesIO(data), f"/r{raid}", raid=raid, block_size=65_536)
    return files


async def scrubbed(node: Node) -> ScrubInfo:
    """A whole pass of one node."""
    scrubber = node.filesystem.scrubber
    before = (await scrubber.report())["last"]
    scrubber.ask()
    for _ in range(500):
        last = (await scrubber.report())["last"]
        if last is not None and (before is None or last["begun"] > before["begun"]):
            return last
        await asyncio.sleep(0.01)
    raise AssertionError("it is never scrubbed")


async def spoil_some(nodes: list[Node], client: Client, source: random.Random) -> None:
    """Spoil one piece of each block of the files of level 1 and 5, at a holder of it."""
    by_name = {node.filesystem.node: node for node in nodes}
    for raid in (1, 5):
        for whole in await sound(nodes, client, f"/r{raid}"):
            name = source.choice(sorted(whole))
            blocks = by_name[source.choice(sorted(whole[name]))].filesystem.core.blocks
            await spoil(blocks, bytes.fromhex(name), source.choice(HOW), source)


@pytest.mark.parametrize("how", ["repair", "scrub"])
async def test_what_holders_lose_is_made_again(start_node: StartNode, connect: Connect, how: str) -> None:
    nodes = await cluster(start_node, 4)
    client = Client(connect(nodes[1].endpoint))
    files = await put_all(client)
    for seed in range(examples(1)):
        await spoil_some(nodes, client, random.Random(seed))
        assert not met(1, await sound(nodes, client, "/r1"))
        if how == "repair":
            report = await client.repair("/")
            assert report["readable"] and [len(each["lost"]) for each in report["files"]] == [0, 0]
        else:
            for node in [*nodes, nodes[0]]:  # those who hold, then the owner
                assert (await scrubbed(node))["losses"] == 0 or node is not nodes[0]
        for raid, data in files.items():
            assert met(raid, await sound(nodes, client, f"/r{raid}")), raid
            assert await content(client, f"/r{raid}") == data
    before = [await node.filesystem.core.blocks.count() for node in nodes]
    assert (await client.repair("/"))["files"] == []
    assert [await node.filesystem.core.blocks.count() for node in nodes] == before


async def test_who_is_away_is_waited_for(start_node: StartNode, connect: Connect) -> None:
    """What it had is made elsewhere when it stays away, without being asked."""
    nodes = await cluster(start_node, 4)
    client = Client(connect(nodes[0].endpoint))
    await client.put(io.BytesIO(pattern(SIZE)), "/r1", raid=1, block_size=65_536)
    levels = nodes[0].filesystem.levels
    levels.look_seconds = 0.05
    levels.start(2.0)
    lost, left = nodes[2], [node for node in nodes if node is not nodes[2]]
    had = await lost.filesystem.core.blocks.count()
    counts = [await node.filesystem.core.blocks.count() for node in left]
    await lost.stop()
    await eventually(lambda: (len(nodes[0].cluster.peers()) == 2 and levels.absences.any()) or not had, 10)
    await asyncio.sleep(0.2)
    assert [await node.filesystem.core.blocks.count() for node in left] == counts
    for _ in range(400):
        if met(1, await sound(left, client, "/r1")):
            break
        await asyncio.sleep(0.02)
    assert met(1, await sound(left, client, "/r1"))
    assert sum([await node.filesystem.core.blocks.count() for node in left]) == sum(counts) + had


async def test_what_a_node_had_that_is_gone_is_made_elsewhere(start_node: StartNode, connect: Connect) -> None:
    nodes = await cluster(start_node, 4)
    client = Client(connect(nodes[0].endpoint))
    files = await put_all(client)
    lost = nodes[2]
    assert await lost.filesystem.core.blocks.count()
    left = [node for node in nodes if node is not lost]
    await lost.stop()
    await eventually(lambda: all(len(node.cluster.peers()) == 2 for node in left), 10)
    report = await client.repair("/")
    assert met(1, await sound(left, client, "/r1"))
    assert all(all(whole.values()) for whole in await sound(left, client, "/r5"))  # though two are on one node
    gone = {name for whole in await sound(left, client, "/r0") for name, who in whole.items() if not who}
    told = [row["name"] for each in report["files"] for row in each["lost"]]
    assert set(told) == gone and {each["path"] for each in report["files"] if each["lost"]} <= {"/r0"}
    assert all(
        [fault for row in each["lost"] for fault in row["amiss"].values()] == ["away"] * len(each["lost"])
        for each in report["files"]
    )
    left.append(await start_node("n4", join=(nodes[0].endpoint,)))
    await eventually(lambda: all(len(node.cluster.peers()) == 3 for node in left), 10)
    await client.repair("/")
    for raid in (1, 5):
        assert met(raid, await sound(left, client, f"/r{raid}"))
        assert await content(client, f"/r{raid}") == files[raid]
