"""The whole way: client, WebSocket, relay, node, filesystem, sandbox, and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from emerge_wasm.clients.client import Client
from emerge_wasm.clients.transports.websocket import WebSocketTransport
from emerge_wasm.errors import ExecutionFailed, LimitExceeded, NotFound
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runs.inside.execute import RunLimits
from emerge_wasm.node.server import RpcServer
from emerge_wasm.operations import Context
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import RelaySettings
from emerge_wasm.sandbox import Pool
from emerge_wasm.stores.memory import MemoryStore

from ..sandbox.thing import Line, Thing
from .conftest import TOKEN, node_is


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with Pool(1, limits=RunLimits(output=1000)) as pool:
        filesystem = await Filesystem.open(MemoryStore(), node="alpha", runner=pool)
        context = Context("operator", superuser=True)
        node = RpcServer(filesystem.dispatch, "tcp://127.0.0.1:*", name="alpha", context=context)
        await node.start()
        settings = RelaySettings(tmp_path, None, (node.endpoint,), port=0, token=TOKEN, beat=0.1)
        async with RelayServer(settings) as server:
            await node_is(server, "alpha")
            async with Client(WebSocketTransport(server.url, token=TOKEN)) as made:
                yield made
        await node.stop()


async def test_store_read_run_and_list(client: Client) -> None:
    thing = Thing(name="one", path="/things", price=2.0, lines=[Line("a", 1.0)])
    pointer = await client.store(thing)
    assert (pointer.full_path, pointer.node, thing.version) == ("/things/one", "alpha", 1)
    back = await client.getobject("/things/one")
    assert back.total(10) == 30.0 and back.lines[0].what == "a"
    assert await client.run("/things/one", "total", 10) == 30.0
    assert await client.run("/things/one", "raise_price") == 3.0
    assert (await client.getobject("/things/one")).price == 3.0
    assert [entry.name for entry in await client.list("/things")] == ["one"]
    assert [entry.name async for entry in client.dir("/things")] == ["one"]


async def test_failures_cross_whole(client: Client) -> None:
    await client.store(Thing(name="one", path="/things"))
    with pytest.raises(ExecutionFailed, match="ZeroDivisionError") as failed:
        await client.run("/things/one", "divide", 0)
    assert "return self.price / by" in failed.value.details["traceback"]
    assert failed.value.path == "/things/one"
    with pytest.raises(LimitExceeded) as stopped:
        await client.run("/things/one", "chatter", 100_000)
    assert stopped.value.details["limit"] == "output"
    with pytest.raises(NotFound, match="no method 'nothing'"):
        await client.run("/things/one", "nothing")
