"""What holders of blocks lose is made again: there, or elsewhere when they are gone. Counted in each node's store."""

from __future__ import annotations

import asyncio
import io
import random
from pathlib import Path

import pytest

from emerge_wasm.clients import Client
from emerge_wasm.errors import EmergeError
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.blocks import elsewhere
from emerge_wasm.filesystem.blocks.hold import drop, holds
from emerge_wasm.filesystem.files.holders import holders_of
from emerge_wasm.node.node import Node
from emerge_wasm.results import ScrubInfo
from tests.contracts.files import content, pattern
from tests.filesystem.repair.damaged import spoil
from tests.scale import examples

from .conftest import Connect, StartNode, eventually
from .test_copies import call, is_copied
from .test_copies import cluster as copied_cluster
from .test_held_blocks import cluster, copies, give_up

SIZE = 300_000
HOW = ["flip", "cut", "gone", "forgotten"]


def nodes_by_name(nodes: list[Node]) -> dict[str, Node]:
    return {node.filesystem.node: node for node in nodes}


async def sound(nodes: list[Node], client: Client, path: str) -> list[dict[str, set[str]]]:
    """For each block: which nodes have each of its pieces whole, as their stores say."""
    found: list[dict[str, set[str]]] = []
    for row in [row async for row in client.blocks(path)]:
        names = [bytes.fromhex(name) for name in row["fragments"] or [row["name"]]]
        whole: dict[str, set[str]] = {name.hex(): set() for name in names}
        for node in nodes:
            for filesystem in (node.filesystem, *node.volumes.hosted.values()):
                blocks = filesystem.core.blocks
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


async def scrubbed(filesystem: Filesystem) -> ScrubInfo:
    """A whole pass of one filesystem."""
    scrubber = filesystem.scrubber
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
    by_name = nodes_by_name(nodes)
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
                assert (await scrubbed(node.filesystem))["losses"] == 0 or node is not nodes[0]
        for raid, data in files.items():
            assert met(raid, await sound(nodes, client, f"/r{raid}")), raid
            assert await content(client, f"/r{raid}") == data
    before = [await node.filesystem.core.blocks.count() for node in nodes]
    assert (await client.repair("/"))["files"] == []
    assert [await node.filesystem.core.blocks.count() for node in nodes] == before


@pytest.mark.parametrize("seed", range(examples(1)))
async def test_two_stores_of_one_node_are_one_holder(
    start_node: StartNode, connect: Connect, tmp_path: Path, seed: int
) -> None:
    """A copy takes the place of an owner whose blocks the store of the copy's own node holds; and files come to it
    from each node, also from its own."""
    dice = random.Random(seed)
    nodes = await copied_cluster(
        start_node, *(f"n{number}" for number in range(1, dice.randrange(6, 8))), copies=tmp_path
    )
    client = Client(connect(nodes[0].endpoint))
    await call(nodes[0], "mount", "/v", "n1")
    files = {raid: pattern(dice.randrange(SIZE), raid + 1) for raid in (0, 1, 5)}
    for raid, data in files.items():
        await client.put(io.BytesIO(data), f"/v/r{raid}", raid=raid, block_size=65_536)
    await call(nodes[0], "replicate", "/v", 1)
    await is_copied(nodes[0], "/v")
    await nodes.pop(1).stop()
    await eventually(lambda: all(len(node.cluster.peers()) == len(nodes) - 1 for node in nodes), 10)
    await call(nodes[0], "promote", "/v")
    files[1] += pattern(SIZE, 9)
    await client.put(io.BytesIO(files[1]), "/v/r1", raid=1, block_size=65_536)
    assert met(1, await sound(nodes, client, "/v/r1")), "it is acknowledged"
    paths = {f"/v/r{raid}": raid for raid in files}
    for node in nodes:
        name = node.filesystem.node
        await call(node, "mkdir", f"/{name}")
        if node is not nodes[0]:
            await call(nodes[0], "mount", f"/{name}", name)
        for raid in files:
            await client.put(io.BytesIO(files[raid]), f"/{name}/r{raid}", raid=raid, block_size=65_536)
            way = dice.choice([client.mv, client.cp])
            await way(f"/{name}/r{raid}", f"/v/{name}{raid}")
            paths[f"/v/{name}{raid}"] = raid
    for _ in range(2):
        await client.repair("/v")
        for path, raid in paths.items():
            assert met(raid, await sound(nodes, client, path)), path
            assert (await client.verify(path))["amiss"] == []
            assert await content(client, path) == files[raid]
        for node in nodes:
            for filesystem in (node.filesystem, *node.volumes.hosted.values()):
                await scrubbed(filesystem)


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


@pytest.mark.parametrize("seed", range(examples(1)))
async def test_copies_too_many_go_soon_whatever_was_in_the_way(
    start_node: StartNode, connect: Connect, seed: int
) -> None:
    """An upload counts on one at the first look, or who gave it up at the owner died before the holder was told."""
    dice = random.Random(seed)
    nodes = await cluster(start_node, 4)
    for node in nodes:
        node.filesystem.collection.pause = 0.05
    client, own = Client(connect(nodes[0].endpoint)), nodes[0].filesystem.core
    data = pattern(SIZE)
    await client.put(io.BytesIO(data), "/r1", raid=1, block_size=8192)
    where = await copies(nodes, client, "/r1")
    claimed: set[str] = set()
    for name, whom in where.items():
        (block,) = await nodes_by_name(nodes)[min(whom)].filesystem.core.blocks.read([bytes.fromhex(name)])
        extra = dice.choice([node for node in nodes[1:] if node.filesystem.node not in whom])
        holder, named = extra.filesystem.uuid, [bytes.fromhex(name)]
        await elsewhere.note(own.blocks, named, holder)
        await holders_of(own).put(holder, {named[0]: block})
        in_the_way = dice.choice(["nothing", "claim", "untold"])
        if in_the_way == "claim":
            await elsewhere.promise(own.blocks, named, "upload")
            claimed.add(name)
        elif in_the_way == "untold":
            stamps = await elsewhere.where_stamps(own.blocks, named)
            await elsewhere.give_back(own.blocks, holder, {named[0]: stamps[named[0]][holder]})
    levels = nodes[0].filesystem.levels
    levels.look_seconds = 0.05
    levels.start(60.0)

    async def until(wanted: dict[str, int]) -> None:
        async with asyncio.timeout(20):
            found: dict[str, int] = {}
            while found != wanted:
                await asyncio.sleep(0.02)
                found = {name: len(whom) for name, whom in (await copies(nodes, client, "/r1")).items()}

    await until({name: 3 if name in claimed else 2 for name in where})
    await own.blocks.release("upload")
    await until(dict.fromkeys(where, 2))
    assert await content(client, "/r1") == data and (await client.repair("/"))["files"] == []


async def test_a_copy_says_which_block_its_owner_lacks_whoever_asks(
    start_node: StartNode, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = await copied_cluster(start_node, "b", copies=tmp_path)
    client = Client(connect(a.endpoint))
    await call(a, "mount", "/v", "b")
    data = pattern(SIZE, 3)
    await client.put(io.BytesIO(data), "/v/f", block_size=65_536)
    name = bytes.fromhex([row async for row in client.blocks("/v/f")][2]["name"])
    (holder,) = [node for node in (a, b) if await node.filesystem.core.blocks.has([name])]
    (kept,) = await holder.filesystem.core.blocks.read([name])
    await spoil(holder.filesystem.core.blocks, name, "gone", random.Random(0))
    caplog.set_level("INFO", "emerge.node")
    for _ in range(5):  # beside the task that keeps the copy up to date
        report = await call(a, "replicate", "/v", 1)
        await asyncio.sleep(0.01)
    assert not report["copies"][0]["same"]
    said = [text for record in caplog.records if "a copy of /v " in (text := record.getMessage())]
    assert len(said) > 5 and all(name.hex()[:16] in each for each in said), said
    await holder.filesystem.core.blocks.remake({name: kept})
    await is_copied(a, "/v")
    assert await content(client, "/v/f") == data


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_what_a_holder_has_for_others_alone_is_held_for_who_counts_on_it(
    start_node: StartNode, connect: Connect, seed: int
) -> None:
    """The owner notes that a holder has a block before that one holds it for the owner: the holder may die between."""
    dice = random.Random(seed)
    nodes = await cluster(start_node, 3)
    client = Client(connect(nodes[0].endpoint))
    for number in (1, 2):
        await client.mount(f"/v{number}", f"n{number}")
    raid, data = dice.choice([0, 1, 5]), pattern(SIZE, seed + 5)
    tops = ["/d", "/v1", "/v2"]
    await client.mkdir("/d")
    for top in tops:
        await client.retain(top, "1")
        await client.put(io.BytesIO(data), f"{top}/f", raid=raid, block_size=65_536)
    left = dice.choice(tops)
    (owner,) = [node for node, top in zip(nodes, tops, strict=True) if top == left]
    for node in nodes:
        held = await holds(node.filesystem.core.blocks, owner.filesystem.uuid, limit=10_000)
        lost = dice.sample(sorted(held), len(held) // 2)
        await drop(node.filesystem.core.blocks, owner.filesystem.uuid, {name: held[name] for name in lost})
    await client.repair(f"{left}/f")
    for top in tops:
        if top != left:
            await client.put(io.BytesIO(b"else"), f"{top}/f")
    for _ in range(2):
        for node in nodes:
            await give_up(node, now=1 << 62)
            await node.held_blocks.review_all()
    assert await content(client, f"{left}/f") == data
    assert met(raid, await sound(nodes, client, f"{left}/f"))
    assert (await client.verify(f"{left}/f"))["amiss"] == []


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_what_somebody_finds_damaged_is_made_again(
    start_node: StartNode, connect: Connect, tmp_path: Path, seed: int
) -> None:
    """Nobody asks for a repair: a file is read, or copied with its volume, which takes every fragment."""
    dice = random.Random(seed)
    nodes = await copied_cluster(start_node, "n1", "n2", "n3", copies=tmp_path)
    client = Client(connect(nodes[0].endpoint))
    await call(nodes[0], "mount", "/v", "n1")
    files = {raid: pattern(SIZE, raid + seed) for raid in (1, 5)}
    for raid, data in files.items():
        await client.put(io.BytesIO(data), f"/v/r{raid}", raid=raid, block_size=65_536)
    levels = nodes[1].filesystem.levels
    levels.look_seconds = 0.05
    levels.start(600.0)
    by_name = nodes_by_name(nodes)
    for raid in files:
        for whole in await sound(nodes, client, f"/v/r{raid}"):
            name = dice.choice(sorted(whole))
            blocks = by_name[dice.choice(sorted(whole[name]))].filesystem.core.blocks
            await spoil(blocks, bytes.fromhex(name), dice.choice(["flip", "cut"]), dice)
    await call(nodes[0], "replicate", "/v", 1)
    for _ in range(400):
        levels._soonest = 0.0  # private: half a minute otherwise
        report = await call(nodes[0], "replicate", "/v")
        if all(row["same"] for row in report["copies"]):
            break
        await asyncio.sleep(0.02)
    assert all(row["same"] for row in report["copies"])
    for raid, data in files.items():
        assert await content(client, f"/v/r{raid}") == data
    assert met(5, await sound(nodes, client, "/v/r5"))


async def test_what_was_damaged_and_is_sound_again_is_not_said_to_be_damaged(
    start_node: StartNode, connect: Connect
) -> None:
    nodes = await cluster(start_node, 3)
    client = Client(connect(nodes[0].endpoint))
    data = pattern(SIZE, 4)
    await client.put(io.BytesIO(data), "/f", block_size=65_536)
    by_name, source = nodes_by_name(nodes), random.Random(0)
    kept: dict[bytes, bytes] = {}
    where = {name: whom for whole in await sound(nodes, client, "/f") for name, whom in whole.items()}
    for text, (who,) in where.items():
        name, blocks = bytes.fromhex(text), by_name[who].filesystem.core.blocks
        (kept[name],) = await blocks.read([name])
        await spoil(blocks, name, "flip", source)
    with pytest.raises(EmergeError):
        await content(client, "/f")
    assert {row["state"] async for row in client.blocks("/f")} != {"here"}
    for text, (who,) in where.items():
        name = bytes.fromhex(text)
        await by_name[who].filesystem.core.blocks.remake({name: kept[name]})
    assert {row["state"] async for row in client.blocks("/f")} == {"here"}
    assert await content(client, "/f") == data
