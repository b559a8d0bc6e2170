"""A client that gets a file from the nodes that have its blocks, directly, while they die, stand still and lie."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path

import pytest

from emerge_wasm import connect
from emerge_wasm.blocks.block import BLOCK_SIZE
from emerge_wasm.clients import Client
from emerge_wasm.clients.keys.credential import Credential
from emerge_wasm.clients.keys.known_keys import MEMBER, Ring, RingEntry
from emerge_wasm.clients.transfer import Transfer
from emerge_wasm.clients.transports.registry import open_transport
from emerge_wasm.errors import Unavailable
from tests.cluster.keyed import KeyedPlace
from tests.conftest import Server, start_server
from tests.contracts.files import content, pattern

from .conftest import eventually

DATA = pattern(16 * BLOCK_SIZE + 5)


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Four nodes of one cluster, each a process."""
    folder = tmp_path_factory.mktemp("nodes")
    with ExitStack() as stack:
        servers: list[Server] = []
        for number in range(4):
            join = ("--join", servers[0].found["node"]) if servers else ()
            store = f"sqlite:///{folder}/{number}.db"
            words = ("node", "start", "--name", f"n{number}", "--port", "0", "--store", store, *join)
            servers.append(start_server(*words, sandbox=False))
            stack.callback(servers[-1].kill)
            with connect(servers[0].host) as fs:
                if number == 0:
                    fs.foundcluster()
                while len(fs.nodes()) <= number:
                    time.sleep(0.01)
        yield servers


async def see(client: Client, count: int) -> None:
    """Wait until so many nodes are there, and take blocks."""
    for _ in range(400):
        with suppress(Unavailable):
            if sum(not row.get("away") for row in await client.nodes()) == count:
                await client.remote.placeblocks("/x", [], "", f"raid1 1+{count - 1}", None)
                return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{count} nodes do not see each other")


@pytest.mark.parametrize("raid", [0, 1])
async def test_an_upload_goes_on_when_a_node_stands_still(processes: list[Server], raid: int) -> None:
    """Nothing says that it does: its answers are late, and others are given its part."""
    data = [pattern(BLOCK_SIZE, 40 * raid + number) for number in range(28)]
    victim: Server | None = None
    longest = 0.0
    async with Client(open_transport(processes[0].found["node"])) as client:
        await see(client, len(processes))
        file = (await client.open(f"/still{raid}", "wb", raid=raid)).go_on("u", transfer := Transfer())
        for part in data:
            before = time.monotonic()
            await file.write(part)
            longest = max(longest, time.monotonic() - before)
            if victim is None and (busy := [each for each in processes[1:] if transfer.holders[each.found["name"]]]):
                victim = busy[0]
                os.kill(victim.process.pid, signal.SIGSTOP)
        await file.close()
        assert victim is not None
        os.kill(victim.process.pid, signal.SIGCONT)
        assert await content(client, f"/still{raid}") == b"".join(data)
    assert longest < 2.5, longest


async def test_an_upload_goes_on_when_a_node_dies_that_takes_blocks(processes: list[Server], tmp_path: Path) -> None:
    def kill(_: int) -> None:
        victims = [server for server in processes[1:] if transfer.holders[server.found["name"]]]
        if all(server.process.poll() is None for server in processes):
            victims[0].process.kill()

    (tmp_path / "up").write_bytes(DATA)
    async with Client(open_transport(processes[0].found["node"])) as client:
        transfer = Transfer(kill)
        await client.put(tmp_path / "up", "/up", raid=1, progress=transfer)
        assert sum(server.process.poll() is not None for server in processes) == 1
        assert await content(client, "/up") == DATA
        rows = [row async for row in client.blocks("/up")]
        assert {len(whom) for row in rows for whom in row["holders"].values()} <= {2, 3}


@pytest.mark.parametrize(
    ("whom", "number"), [("a holder", signal.SIGSTOP), ("a holder", signal.SIGKILL), ("the owner", signal.SIGKILL)]
)
async def test_the_next_verified_block_comes_soon(processes: list[Server], whom: str, number: signal.Signals) -> None:
    """Who gives blocks is killed, or stands still, in the middle, be it the node that is talked to: others give."""
    path = f"/{whom.replace(' ', '')}{int(number)}"
    alive = [server for server in processes if server.process.poll() is None]
    async with Client(open_transport(",".join(server.found["node"] for server in alive))) as client:
        await see(client, len(alive))
        await client.put(io.BytesIO(DATA), path, raid=1)
        async with await client.open(path) as file:
            assert await file.read(6 * BLOCK_SIZE) == DATA[: 6 * BLOCK_SIZE]
            serving = [server for server in alive if file.given[server.found["name"]]]
            assert len(serving) > 1
            victim = alive[0] if whom == "the owner" else next(each for each in serving if each is not alive[0])
            os.kill(victim.process.pid, number)
            longest, before = 0.0, time.monotonic()
            while part := await file.read_some(BLOCK_SIZE):
                assert part == DATA[file.tell() - len(part) : file.tell()]
                longest, before = max(longest, time.monotonic() - before), time.monotonic()
            assert file.tell() == len(DATA)
        if number == signal.SIGSTOP:
            os.kill(victim.process.pid, signal.SIGCONT)
    assert longest < 1.0


@pytest.mark.parametrize("known", [3, 1])
async def test_with_keys_it_goes_directly_to_whom_is_known(stack: AsyncExitStack, tmp_path: Path, known: int) -> None:
    """A client that knows the key of one node only has the others called by that one."""
    place = KeyedPlace(tmp_path, stack)
    first = await place.node("n0")
    nodes = [first, *[await place.node(f"n{number}", join=(first.endpoint,)) for number in (1, 2)]]
    await eventually(lambda: all(len(node.cluster.peers()) == 2 and node.volumes.table for node in nodes), 10)
    credential = place.key("ada", superuser=True)
    own = Ring(tmp_path / "own")
    for node in nodes[:known]:
        own.add(RingEntry(MEMBER, node.filesystem.node, place.credential(node.filesystem.node).pair.public))
    transport = place.connect(first.endpoint, Credential(credential.path, own))
    client, transfer = Client(transport), Transfer()
    await client.put(io.BytesIO(DATA), "/f", raid=1)
    await client.fetch("/f", tmp_path / "f", progress=transfer)
    assert (tmp_path / "f").read_bytes() == DATA and {"n0", "n1", "n2"} <= {*transfer.holders}
    direct = [each.connected for each in transport._beside.values()]  # private: nothing else tells it
    assert direct == [known == 3] * 2
