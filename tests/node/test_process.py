"""Nodes as processes of their own, on SQLite: one is killed, seen as gone, and comes back with its data."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from emerge_wasm import codec
from emerge_wasm.blocks.block import BLOCK_SIZE
from emerge_wasm.clients import Client
from emerge_wasm.errors import PermissionDenied, Unavailable
from emerge_wasm.node.node import Node
from tests.contracts.files import content, pattern

from .conftest import Connect, StartNode, eventually

SCRIPT = """
import asyncio, sys
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.cluster.membership import Times
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from emerge_wasm.stores import open_store

async def main(name, store, bind, *join):
    filesystem = await Filesystem.open(await open_store(store), node=name, url=store)
    node = await Node(filesystem, bind, join=join, times=Times(0.1, 0.5, 0.5), context=Context(superuser=True)).start()
    print(node.endpoint, flush=True)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""

Spawn = Callable[..., Awaitable[tuple[Process, str]]]


@pytest.fixture
async def spawn(tmp_path: Path) -> AsyncIterator[Spawn]:
    """Start a node in a process: it, and its endpoint."""
    async with AsyncExitStack() as stack:

        async def start(name: str, join: str, bind: str = "tcp://127.0.0.1:0") -> tuple[Process, str]:
            store = f"sqlite:///{tmp_path / name}.db"
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", SCRIPT, name, store, bind, join, stdout=PIPE
            )
            stack.push_async_callback(end, process)
            assert process.stdout is not None
            return process, (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()

        yield start


async def end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


def members(node: Node) -> list[str]:
    return [peer.node for peer in node.cluster.peers()]


async def test_a_killed_node_is_gone_and_rejoins(start_node: StartNode, connect: Connect, spawn: Spawn) -> None:
    a = await start_node("a")
    await a.volumes.found()
    seen: list[tuple[str, str]] = []
    a.cluster.on_change(lambda how, who: seen.append((how, who.node)))
    process, endpoint = await spawn("b", a.endpoint)
    await eventually(lambda: members(a) == ["b"])
    to_a = connect(a.endpoint)
    await to_a.call("mount", ["/far", "b"])
    await connect(endpoint).call("store", ["/far/x", codec.encode({"n": 1})])
    assert await to_a.call("cat", ["/far/x"]) == {"n": 1}

    process.kill()
    await process.wait()
    await eventually(lambda: not members(a), 1.5)
    with pytest.raises(Unavailable, match="node b"):
        await to_a.call("cat", ["/far/x"])
    with pytest.raises(Unavailable, match="node b"):
        await to_a.call("store", ["/far/unseen", codec.encode({"n": 1})])

    _, again = await spawn("b", a.endpoint, endpoint)
    assert again == endpoint
    await eventually(lambda: members(a) == ["b"])
    assert await to_a.call("cat", ["/far/x"]) == {"n": 1}
    assert seen == [("joined", "b"), ("gone", "b"), ("joined", "b")]


async def test_a_node_killed_within_a_call_is_unavailable(
    start_node: StartNode, connect: Connect, spawn: Spawn
) -> None:
    a = await start_node("a")
    await a.volumes.found()
    process, endpoint = await spawn("b", a.endpoint)
    await eventually(lambda: members(a) == ["b"])
    to_b = connect(endpoint)
    items = to_b.stream("watch", ["/"])
    waiting = asyncio.ensure_future(anext(items))
    await to_b.call("hello", [])
    process.kill()
    with pytest.raises(Unavailable, match="unknown whether a change was made"):
        await asyncio.wait_for(waiting, 2)


async def test_rights_change_while_a_node_stands_still(start_node: StartNode, connect: Connect, spawn: Spawn) -> None:
    """What it was told before it stood still is not relied on after the change was acknowledged."""
    a = await start_node("a")
    await a.volumes.found()
    process, endpoint = await spawn("b", a.endpoint)
    to_a, to_b = connect(a.endpoint), connect(endpoint)
    await to_a.call("mkdir", ["/shared"])
    await to_a.call("mount", ["/shared/far", "b"])
    await to_b.call("store", ["/shared/far/x", codec.encode({"n": 1})])
    for path in ("/", "/shared", "/shared/far", "/shared/far/x"):
        await to_a.call("chmod", [path, "755"])
    for _ in range(3):
        assert await to_b.call("cat", ["/shared/far/x"], {"as": "anna"}) == {"n": 1}
    process.send_signal(SIGSTOP)
    try:
        await asyncio.wait_for(to_a.call("chmod", ["/shared", "700"]), 3)
    finally:
        process.send_signal(SIGCONT)
    with pytest.raises((PermissionDenied, Unavailable)):
        await to_b.call("cat", ["/shared/far/x"], {"as": "anna"})


async def test_a_file_outlives_a_holder_that_is_killed(start_node: StartNode, connect: Connect, spawn: Spawn) -> None:
    a = await start_node("a")
    await a.volumes.found()
    killed = [await spawn(name, a.endpoint) for name in "bc"]
    await eventually(lambda: members(a) == ["b", "c"])
    client = Client(connect(a.endpoint))
    data = pattern(10 * BLOCK_SIZE)
    async with await client.open("/f", "wb", raid=1) as file:
        await file.write(data[: 9 * BLOCK_SIZE])
        killed[0][0].kill()  # in the midst of it, whatever is on its way
        await file.write(data[9 * BLOCK_SIZE :])
    assert await content(client, "/f") == data
    await spawn("b", a.endpoint, killed[0][1])
    await eventually(lambda: members(a) == ["b", "c"])
    async with await client.open("/f") as file:
        assert await file.read(BLOCK_SIZE) == data[:BLOCK_SIZE]
        killed[1][0].kill()
        assert await file.read() == data[BLOCK_SIZE:]
    names = [bytes.fromhex(row["name"]) async for row in client.blocks("/f")]
    own = await a.filesystem.core.blocks.has(names)
    with_b = await client.findblocks("/f", [name.hex() for name in names], ask=True)
    assert all(name in own or "b" in with_b["holders"][name.hex()] for name in names)
