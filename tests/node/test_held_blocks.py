"""Blocks of one file on several nodes: laid by their raid level, counted in each store, read and given up."""

from __future__ import annotations

import asyncio
import gc
import io
import random
from pathlib import Path
from typing import TypeVar

import pytest

from emerge_wasm.blocks.block import block_name
from emerge_wasm.blocks.layout import make_layout
from emerge_wasm.clients import Client, file_writer, upload_beat
from emerge_wasm.clients.file_writer import FileWriter
from emerge_wasm.errors import Conflict, Invalid, LimitExceeded, NotFound, PermissionDenied, Unavailable
from emerge_wasm.filesystem.blocks.blocks import now_micros
from emerge_wasm.filesystem.blocks.collector import collect, keepers
from emerge_wasm.filesystem.blocks.hold import holds, owners
from emerge_wasm.filesystem.blocks.row import ClaimRow
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.files.placement import check_level
from emerge_wasm.node.node import Node
from emerge_wasm.store import Batch
from emerge_wasm.stores.memory import MemoryStore
from tests.contracts.files import content, pattern
from tests.scale import examples

from .conftest import Connect, StartNode, eventually

PART = 20_000
LAYOUTS = {0: make_layout(), 1: make_layout(1), 5: make_layout(5, 2)}
PARTS = [pattern(PART, seed) for seed in range(2, 8)]


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
    data = pattern(12 * PART + 7)
    for raid in (0, 1, 5):
        await client.put(io.BytesIO(data), f"/r{raid}", raid=raid, block_size=PART)
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
    await client.put(io.BytesIO(data), "/r1", raid=1, copies=3, block_size=PART)
    assert {len(whom) for whom in (await copies(nodes, client, "/r1")).values()} == {3}
    with pytest.raises(Unavailable, match="needs 4 nodes"):
        await client.put(io.BytesIO(data), "/more", raid=1, copies=4)
    with pytest.raises(Unavailable, match="needs 4 nodes"):
        await client.put(io.BytesIO(data), "/r6", raid=6)
    for node in nodes:
        assert (await audit(node.filesystem.core.store)).faults == []


class Worker:
    """Puts, versions, moves and removals of one who works beside others, with the same blocks in all files."""

    def __init__(self, name: str, nodes: list[Node], clients: list[Client], seed: int) -> None:
        self.name, self.nodes, self.clients, self.dice = name, nodes, clients, random.Random(f"{name} {seed}")
        self.files: dict[str, bytes] = {}

    async def work(self, steps: int) -> None:
        for _ in range(steps):
            await self.dice.choice([self.put, self.put, self.rm, self.mv, self.read, self.collect, self.review])()

    def client(self) -> Client:
        return self.dice.choice(self.clients)

    def path(self) -> str:
        return f"/{self.dice.choice(['d', 'v'])}/{self.name}{self.dice.randrange(3)}"

    async def put(self) -> None:
        path, data = self.path(), b"".join(self.dice.choices(PARTS, k=self.dice.randrange(1, 5)))
        await self.client().put(io.BytesIO(data), path, raid=self.dice.choice([0, 1, 5]), block_size=PART)
        self.files[path] = data

    async def rm(self) -> None:
        if self.files:
            path = self.dice.choice(sorted(self.files))
            await self.client().rm(path)
            del self.files[path]

    async def mv(self) -> None:
        target = self.path()
        if self.files and target not in self.files:
            path = self.dice.choice(sorted(self.files))
            await self.client().mv(path, target)
            self.files[target] = self.files.pop(path)

    async def read(self) -> None:
        for path, data in self.files.items():
            assert await content(self.client(), path) == data, path

    async def check_levels(self) -> None:
        """Each block is in as many stores as its raid level says, wherever it was moved."""
        for path in self.files:
            where = await copies(self.nodes, self.clients[0], path)
            raid = int((await self.clients[0].verify(path))["layout"][4:5])
            async for row in self.clients[0].blocks(path):
                kept = [bytes.fromhex(name) for name in row["fragments"] or [row["name"]]]
                check_level(LAYOUTS[raid], kept, {name: where[name.hex()] for name in kept}, path)

    async def collect(self) -> None:
        await give_up(self.dice.choice(self.nodes), now=None)

    async def review(self) -> None:
        await self.dice.choice(self.nodes).held_blocks.review_all()


async def give_up(node: Node, now: int | None) -> None:
    """Collect what a node's filesystem does not keep, here and at its holders."""
    await collect(node.filesystem.core.blocks, now)
    await node.filesystem.collection.after()


async def names_in(node: Node) -> set[bytes]:
    return {name for name, _ in await node.filesystem.core.blocks.page(limit=10_000)}


W = TypeVar("W", bound=Worker)


async def work_together(
    kind: type[W], steps: int, start_node: StartNode, connect: Connect, seed: int
) -> tuple[list[Node], list[W]]:
    """Three workers have done so many steps at once, on three nodes, of which two have a volume."""
    nodes = await cluster(start_node, 3)
    clients = [Client(connect(node.endpoint)) for node in nodes]
    await clients[0].mount("/v", "n1")
    await clients[0].mkdir("/d")
    for top in ("/d", "/v"):
        await clients[0].retain(top, "1")
    workers = [kind(name, nodes, clients, seed) for name in "abc"]
    await asyncio.gather(*(each.work(steps) for each in workers))
    return nodes, workers


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_nothing_wanted_goes_and_nothing_unwanted_stays(
    start_node: StartNode, connect: Connect, seed: int
) -> None:
    nodes, workers = await work_together(Worker, 15, start_node, connect, seed)
    for _ in range(2):  # what one gives up frees what another holds
        for node in nodes:
            await give_up(node, now=1 << 62)
            await node.held_blocks.review_all()
    for node in nodes:
        await give_up(node, now=1 << 62)
    for each in workers:
        await each.read()
        await each.check_levels()
    for node in nodes:
        assert (await audit(node.filesystem.core.store)).faults == []
    stored = set().union(*[await names_in(node) for node in nodes])
    wanted = {node.filesystem.uuid: await keepers(node.filesystem.core.blocks, stored) for node in nodes}
    assert stored == set().union(*wanted.values())
    for node in nodes:
        own = node.filesystem.core.blocks
        for owner in await owners(own):
            assert set(await holds(own, owner, limit=10_000)) <= wanted[owner]


async def test_a_holder_gives_and_takes_only_what_its_owner_says(start_node: StartNode, connect: Connect) -> None:
    nodes = await cluster(start_node, 3)
    clients = [Client(connect(node.endpoint)) for node in nodes]
    first, eve = clients[0], [client.as_user("eve") for client in clients]
    await first.mkdir("/open")
    await first.chmod("/open", "rwxrwxrwx")
    await first.put(io.BytesIO(pattern(8 * PART)), "/secret", raid=1, block_size=PART)
    await first.chmod("/secret", "rw-------")
    await eve[0].put(io.BytesIO(pattern(2 * PART, 9)), "/open/hers", raid=1, block_size=PART)
    name = next(iter(await copies(nodes, first, "/secret")))
    for node, client, guest in zip(nodes, clients, eve, strict=True):
        here = await node.filesystem.core.blocks.has([bytes.fromhex(name)])
        given = await first.getblocks("/secret", [name], holder=node.filesystem.node)
        assert given == await client.getblocks("/secret", [name], holder=node.filesystem.node)
        assert (set(given["blocks"]), set(given["lost"])) == (({name}, set()) if here else (set(), {name}))
        for asked in (eve[0], guest):
            with pytest.raises(PermissionDenied):
                await asked.getblocks("/secret", [name], holder=node.filesystem.node)
            with pytest.raises(NotFound):
                await asked.getblocks("/open/hers", [name], holder=node.filesystem.node)
            with pytest.raises(PermissionDenied):
                await asked.findblocks("/secret", [name], ask=True)
    part = pattern(PART, 11)
    sent = {block_name(part).hex(): part}
    for holder in ("n1", "n2"):  # for no upload, or not the caller's, or another path, or something else
        with pytest.raises(Conflict, match="placeblocks"):
            await eve[0].putblocks("/open/x", sent, "u", False, holder)
        placed = await first.placeblocks("/open/x", list(sent), "u", "raid1 1+2")
        assert {key: set(whom) for key, whom in placed["places"].items()} == {next(iter(sent)): {"n0", "n1", "n2"}}
        with pytest.raises(Conflict, match="placeblocks"):
            await eve[0].putblocks("/open/x", sent, "u", False, holder)
        with pytest.raises(Conflict, match="placeblocks"):
            await first.putblocks("/open/y", sent, "u", False, holder)
        with pytest.raises(Invalid, match="damaged"):
            await first.putblocks("/open/x", {next(iter(sent)): b"something else"}, "u", False, holder)
        assert not await nodes[int(holder[1])].filesystem.core.blocks.has([block_name(part)])
    assert await first.putblocks("/open/x", sent, "u", False, "n1") == 1
    left = await first.placeblocks("/open/x", list(sent), "u", "raid1 1+2")
    assert "n1" not in left["places"][next(iter(sent))]


async def test_nodes_that_drain_or_fail_are_gone_round(
    start_node: StartNode, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = await cluster(start_node, 4)
    client = Client(connect(nodes[1].endpoint))
    nodes[2].volumes.takes_blocks = lambda: False

    async def full(*_: object) -> None:
        raise LimitExceeded("no room is left on the disk", limit="room")

    monkeypatch.setattr(file_writer, "PAUSE", 0.01)  # patched: how long a full disk is waited for
    monkeypatch.setattr(nodes[3].filesystem.core.blocks.store, "commit", full)  # patched: a full disk
    for raid in (0, 1):
        await client.put(io.BytesIO(pattern(8 * PART, raid + 2)), f"/r{raid}", raid=raid, block_size=PART)
        where = await copies(nodes, client, f"/r{raid}")
        assert set().union(*where.values()) <= {"n0", "n1"}
        assert {len(whom) for whom in where.values()} == {raid + 1}
    with pytest.raises(Unavailable, match=r"needs 3 nodes .* 2"):
        await client.put(io.BytesIO(pattern(8 * PART, 5)), "/r5", raid=5, block_size=PART)
    with pytest.raises(NotFound):
        await client.get("/r5")


async def test_a_transaction_puts_files_on_several_nodes(start_node: StartNode, connect: Connect) -> None:
    nodes = await cluster(start_node, 3)
    client = Client(connect(nodes[1].endpoint))
    data = {raid: pattern(4 * PART, raid + 2) for raid in (0, 1, 5)}
    async with client.transaction() as tx:
        for raid, each in data.items():
            await tx.put(io.BytesIO(each), f"/new/d/r{raid}", raid=raid, block_size=PART)
            assert await content(tx, f"/new/d/r{raid}") == each
    for raid, each in data.items():
        assert await content(client, f"/new/d/r{raid}") == each
        where = await copies(nodes, client, f"/new/d/r{raid}")
        assert {len(whom) for whom in where.values()} == {1 + (raid == 1)}
    await client.put(io.BytesIO(data[1] + data[0]), "/new/d/r1", raid=1, block_size=PART)  # and another version
    for node in nodes:
        rows = [row async for row in client.blocks("/new/d/r1")]
        names = [row["name"] for row in rows if node.filesystem.node in row["holders"][row["name"]]]
        given = await client.getblocks("/new/d/r1", names, holder=node.filesystem.node)
        assert given["blocks"].keys() == set(names) and not given["lost"]


@pytest.mark.parametrize("raid", [0, 1, 5])
async def test_what_an_upload_sent_that_was_dropped_goes_at_once(
    start_node: StartNode, connect: Connect, raid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in an hour; unless an upload is to go on with it."""
    monkeypatch.setattr(file_writer, "WINDOW", 1 << 16)  # patched: many windows of a small file
    nodes = await cluster(start_node, 3)
    client = Client(connect(nodes[1].endpoint))
    left = []
    for goes_on in (False, True):
        with pytest.raises(ZeroDivisionError):
            async with await client.open("/never", "wb", raid=raid, block_size=4096) as file:
                if goes_on:
                    file.go_on("later")
                for number in range(file_writer.WINDOWS + 1):  # the last waits for the first
                    await file.write(pattern(1 << 16, number + 3))
                raise ZeroDivisionError
        for node in nodes:  # what is under way as it is dropped is found unwanted
            await give_up(node, now=None)
            await node.held_blocks.review_all()
        for node in nodes:
            await give_up(node, now=None)
        left.append(sum([len(await names_in(node)) for node in nodes]))
    assert left[0] == 0 < left[1], left


async def blocks_after(nodes: list[Node], seconds: float) -> int:
    """How many blocks the nodes have in so many seconds, when nobody says anything meanwhile."""
    for _ in range(2):  # what one gives up frees what another holds
        for node in nodes:
            await give_up(node, now_micros() + int(seconds * 1_000_000))
            await node.held_blocks.review_all()
    return sum([len(await names_in(node)) for node in nodes])


async def begin(client: Client, path: str, raid: int, seed: int = 3) -> FileWriter:
    """A file of which a window was sent, and more is there."""
    file = await client.open(path, "wb", raid=raid, block_size=PART)
    for number in range(4):
        await file.write(pattern(PART, number + seed))
    return file


class HeldStore(MemoryStore):
    """A store whose commits wait for a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    async def commit(self, batch: Batch) -> list[int]:
        await self.gate.wait()
        return await super().commit(batch)


async def test_a_writer_goes_on_while_blocks_are_on_their_way_and_only_so_far(
    start_node: StartNode, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the next blocks while several windows of them are under way, and waits when nothing is kept."""
    monkeypatch.setattr(file_writer, "WINDOW", 2 * PART)  # patched: many windows of a small file
    store, most = HeldStore(), 2 * (file_writer.WINDOWS + 1)
    node = await start_node("n0", store=store)
    client = Client(connect(node.endpoint))
    data = pattern(40 * PART)
    written = 0

    async def write(writer: FileWriter) -> None:
        nonlocal written
        for at in range(0, len(data), PART):
            await writer.write(data[at : at + PART])
            written += 1
            assert written - await node.filesystem.core.blocks.count() < most

    async with await client.open("/f", "wb", block_size=PART) as writer:
        store.gate.clear()
        writing = asyncio.create_task(write(writer))
        await eventually(lambda: written == most - 1 or writing.done(), 10)
        store.gate.set()
        await writing
    assert written == 40 and await content(client, "/f") == data


@pytest.mark.parametrize("raid", [0, 5])
async def test_what_a_writer_sent_goes_soon_after_it_was_heard_of_last(
    start_node: StartNode, connect: Connect, raid: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that a later call cannot go on with, at every holder; what such a call finds, and what is open, stay."""
    nodes = await cluster(start_node, 3)
    client = Client(connect(nodes[1].endpoint))
    source = tmp_path / "source"
    source.write_bytes(b"".join(pattern(PART, number + 50) for number in range(4)))
    monkeypatch.setattr(file_writer, "WINDOW", PART)  # patched: else it says nothing of the first 4 MiB
    monkeypatch.setattr(file_writer, "WINDOWS", 1)  # patched: else some come after it was cut off

    def cut(done: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await client.put(source, "/put", raid=raid, block_size=PART, progress=cut)
    put = await blocks_after(nodes, 0)
    silent = await begin(client, "/silent", raid)
    await asyncio.sleep(0.05)
    both = await blocks_after(nodes, 60)
    assert put and both > put
    assert await blocks_after(nodes, 76) == put
    with pytest.raises(Conflict, match="put the file again"):
        await silent.close()

    monkeypatch.setattr(upload_beat, "BEAT_SECONDS", 0.02)  # patched: else it says so each 15 s
    writer = await begin(client, "/open", raid, 5)
    await prolonged(nodes)
    await writer.close()
    assert await content(client, "/open") == b"".join(pattern(PART, number + 5) for number in range(4))
    writer = await begin(client, "/forgotten", raid)
    await prolonged(nodes)
    del writer
    gc.collect()
    with pytest.raises(TimeoutError):
        while True:
            await prolonged(nodes, 0.3)


async def prolonged(nodes: list[Node], patience: float = 10.0) -> None:
    """Wait until some claim is prolonged while nothing is sent."""

    async def claims() -> set[int]:
        found = [await node.filesystem.core.blocks.claims() for node in nodes]
        return {ClaimRow.unpack(raw).until for rows in found for _, raw in rows}

    before, until = await claims(), asyncio.get_running_loop().time() + patience
    while not await claims() - before:
        await asyncio.sleep(0.02)
        if asyncio.get_running_loop().time() > until:
            raise TimeoutError
