"""RESTTransport against what can go wrong; the classic names."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

import emerge_wasm
from emerge_wasm import EmergeFile, RESTClient, SQLFileSystem, Z0DBFileSystem, Z0RPCClient
from emerge_wasm.clients.transports.rest import RESTTransport, rest_url
from emerge_wasm.errors import Invalid, LimitExceeded, PermissionDenied, Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from emerge_wasm.rest.node_server import RESTNodeServer
from emerge_wasm.stores.memory import MemoryStore
from emerge_wasm.sync import wait

from .conftest import TOKEN, Start
from .service import Service, soon


@pytest.mark.parametrize(
    "url", ["", "localhost:1", "ws://a:1", "http://", "http://a:b", "http://a:1/?x=1", "http://[", 5]
)
def test_bad_addresses_are_named(url: str) -> None:
    with pytest.raises(Invalid, match="write http://host:port"):
        RESTTransport(str(url))


def test_addresses() -> None:
    assert {rest_url(f"http://a:1{end}") for end in ("", "/", "/api/v1", "/api/v1/")} == {"http://a:1/api/v1"}
    assert rest_url("https://a/emerge") == "https://a/emerge/api/v1"


async def test_nobody_there(start: Start) -> None:
    server = await start()
    url = server.url
    await server.stop()
    async with RESTTransport(url) as transport:
        with pytest.raises(Unavailable, match="nothing answers"):
            await transport.call("hello", [])
        with pytest.raises(Unavailable, match="nothing answers"):
            await anext(transport.stream("tree", ["/"]))


async def test_an_answer_that_does_not_come(start: Start, service: Service) -> None:
    service.answers["cat"] = asyncio.get_running_loop().create_future()
    server = await start()
    async with RESTTransport(server.url, timeout=0.1) as transport:
        with pytest.raises(Unavailable, match="lost"):
            await transport.call("cat", ["/"])
    await soon(service.ended)


async def test_the_wrong_token(start: Start) -> None:
    server = await start(token=TOKEN)
    for token in (None, "wrong"):
        async with RESTTransport(server.url, token) as transport:
            with pytest.raises(PermissionDenied, match="not known"):
                await transport.call("hello", [])


async def test_the_context_goes_along(start: Start, service: Service) -> None:
    service.answers["hello"] = 1
    server = await start()
    async with RESTTransport(server.url) as transport:
        await transport.call("hello", [], {"as": "zoë", "transaction": "t1"})
        assert (service.context.principal, service.context.transaction) == ("zoë", "t1")
        await transport.call("hello", [])
        assert (service.context.principal, service.context.transaction) == ("tester", "")


async def test_requests_have_a_limit(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await start()
    monkeypatch.setattr("emerge_wasm.clients.transports.rest.SIZE_LIMIT", 1000)  # patched: it is 64 MiB
    async with RESTTransport(server.url) as transport:
        with pytest.raises(LimitExceeded):
            await transport.call("update", ["/a", b"x" * 1001])


async def test_closing_ends_what_is_under_way(start: Start, service: Service) -> None:
    service.answers |= {"cat": asyncio.get_running_loop().create_future(), "hello": 1, "watch": [{"n": 1}, ...]}
    server = await start()
    transport = RESTTransport(server.url)
    asking = [asyncio.ensure_future(transport.call("cat", ["/a"])) for _ in range(40)]
    items = transport.stream("watch", ["/"])
    assert await anext(items) == {"n": 1}
    coming = asyncio.ensure_future(anext(items))
    await soon(service.begun)
    await transport.close()
    for ended in (*asking, coming):
        with pytest.raises(Unavailable, match="lost"):
            await ended
    assert await transport.call("hello", []) == 1  # by a new connection
    await transport.close()


async def test_a_call_that_is_cancelled_ends_there(start: Start, service: Service) -> None:
    service.answers["cat"] = asyncio.get_running_loop().create_future()
    server = await start()
    async with RESTTransport(server.url) as transport:
        asking = asyncio.ensure_future(transport.call("cat", ["/a"]))
        await soon(service.begun)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await soon(service.ended)


async def test_many_at_once(start: Start, service: Service) -> None:
    service.answers["cat"] = b"x" * 10_000
    server = await start()
    async with RESTTransport(server.url) as transport:
        answers = await asyncio.gather(*(transport.call("cat", [f"/{n}"]) for n in range(200)))
    assert set(answers) == {b"x" * 10_000}


# --- the classic names


def test_the_classic_names_are_there_and_cost_nothing() -> None:
    code = """
import sys
import emerge_wasm
assert not {"asyncio", "emerge_wasm.clients", "emerge_wasm.classic"} & set(sys.modules)
for name in emerge_wasm.CLASSIC:
    assert callable(getattr(emerge_wasm, name)), name
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    with pytest.raises(AttributeError, match="Z0DBClient"):
        emerge_wasm.Z0DBClient  # noqa: B018


def test_a_filesystem_next_door(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/a.db", str(tmp_path / "b c.db")):
        with SQLFileSystem(url) as fs:
            fs.store(EmergeFile(name="a", path="/d", data=1))
        with SQLFileSystem(url) as fs:
            assert fs.getobject("/d/a").data == 1
    assert (tmp_path / "b c.db").exists()
    with pytest.raises(Invalid, match="begin with zodb:"):
        Z0DBFileSystem("sqlite:///a.db")


def test_classic_clients_of_one_node() -> None:
    async def begin() -> tuple[Filesystem, Node, RESTNodeServer]:
        filesystem = await Filesystem.open(MemoryStore(), node="afar")
        context = Context("tester", superuser=True)
        node = await Node(filesystem, "tcp://127.0.0.1:0", context=context).start()
        return filesystem, node, await RESTNodeServer(filesystem, port=0, token=TOKEN, context=context).start()

    filesystem, node, server = wait(begin())
    port = int(node.endpoint.rpartition(":")[2])
    with Z0RPCClient(port=port) as rpc, RESTClient(server.url, TOKEN) as rest:
        rpc.store(EmergeFile(name="a", path="/d", data=1))
        assert rest.getobject("/d/a").data == 1
        assert [pointer.name for pointer in rest.dir("/d")] == ["a"]
        assert str(port) in repr(rpc) and server.url in repr(rest)
    wait(server.stop())
    wait(node.stop())
    wait(filesystem.close())
