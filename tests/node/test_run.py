"""Running methods across nodes: an object's where it is, a stream, and what a method sees of the cluster."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from emerge_wasm import EmergeFile, ExecutionFailed, Invalid, LimitExceeded, NotFound, PermissionDenied, Unavailable
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.host import give_filesystem
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.filesystem.runs.invoke import OBJECT_LOCKS
from emerge_wasm.node.forward import read_context
from emerge_wasm.node.node import Node
from tests.contracts.filesystem import refused
from tests.node.conftest import Connect, StartNode, eventually


@dataclass
class Crop(EmergeFile):
    tons: int = 0

    def grow(self) -> int:
        print("growing")  # noqa: T201
        if self.tons < 0:
            raise ValueError("no seed")
        self.tons += 1
        return self.tons

    def ask(self, fs: Any, other: str, method: str = "grow", *args: Any) -> Any:
        return fs.run(other, method, *args)

    def ping(self, fs: Any, other: str) -> Any:
        return fs.run(other, "ping", self.path + "/" + self.name)

    async def meet(self) -> None:
        print("here")  # noqa: T201
        await asyncio.sleep(0.2 if self.name == "x" else 9)

    async def wait(self) -> None:
        await asyncio.Event().wait()

    def query(self, fs: Any) -> Any:
        return [pointer.name for pointer in fs.list("/farm")]


@pytest.fixture
async def nodes(start_node: StartNode) -> list[Node]:
    a = await start_node("a", runner=Here(given=give_filesystem))
    await a.volumes.found()
    b = await start_node("b", (a.endpoint,), runner=Here(given=give_filesystem))
    await eventually(lambda: a.cluster.peers() and b.cluster.peers())
    await a.volumes.change("_cluster_mount", "/farm/far", b.filesystem.uuid)
    return [a, b]


@pytest.fixture
async def clients(nodes: list[Node], connect: Connect) -> list[Client]:
    """Clients of both; /farm/x is on the first node, /farm/far/y on the second."""
    clients = [Client(connect(node.endpoint)) for node in nodes]
    await clients[1].store(Crop(name="x", path="/farm"))
    await clients[0].store(Crop(name="y", path="/farm/far"))
    return clients


async def test_objects_run_where_they_are(nodes: list[Node], clients: list[Client]) -> None:
    for count, client in enumerate(clients, 1):
        assert await client.run("/farm", "grow") == [{"path": "/farm/x", "result": count}]
        assert await client.run("/farm/far", "grow") == [{"path": "/farm/far/y", "result": count}]
    assert [(await client.get("/farm/far/y")).node for client in clients] == ["b", "b"]
    await refused(clients[0].run("/nowhere", "grow"), NotFound, "/nowhere")
    async with aclosing(clients[0].runstream("/farm/far/y", "grow")) as stream:
        assert [event["event"] async for event in stream] == ["output", "result"]


async def test_leaving_the_stream_ends_the_run_on_the_other_node(nodes: list[Node], clients: list[Client]) -> None:
    locks = OBJECT_LOCKS.of(nodes[1].filesystem.core)
    async with aclosing(clients[0].runstream("/farm/far", "wait")) as stream:
        await anext(stream)
        await eventually(lambda: len(locks))
    await eventually(lambda: not len(locks))


async def test_query_and_receipts_follow_the_object(nodes: list[Node], clients: list[Client]) -> None:
    assert await clients[0].query("/farm/far/y") == ["far", "x"], "it sees the whole cluster"
    (receipt,) = await clients[0].receipts("/farm/far/y")
    assert (receipt["node"], receipt["method"], receipt["made"]) == ("b", "query", 2)


async def test_a_method_runs_others_on_other_nodes(nodes: list[Node], clients: list[Client]) -> None:
    for client in clients:
        assert await client.run("/farm/x", "ask", "/farm/far/y") > 0
    assert await clients[0].run("/farm/x", "ask", "/farm/far/y", "ask", "/farm/x") == 1, "and back"
    error = await refused(clients[0].run("/farm/x", "ping", "/farm/far/y"), LimitExceeded, "16 runs")
    assert error.details["limit"] == "depth"


async def test_a_method_has_the_callers_rights_on_the_other_node_too(nodes: list[Node], clients: list[Client]) -> None:
    for path in ("/", "/farm", "/farm/far"):
        await clients[1].chmod(path, "rwxrwxrwx")
    await clients[0].chmod("/farm/x", "rwxrwxrwx")
    await clients[0].chmod("/farm/far/y", "rwx------")
    bob = clients[0].as_user("bob")
    await refused(bob.run("/farm/x", "ask", "/farm/far/y"), ExecutionFailed, "PermissionDenied")
    await refused(bob.run("/farm/far/y", "grow"), PermissionDenied)
    assert [row["path"] for row in await bob.run("/farm", "grow")] == ["/farm/x"]


async def test_a_node_that_goes_ends_the_stream(nodes: list[Node], clients: list[Client]) -> None:
    async def watch() -> None:
        async with aclosing(clients[0].runstream("/farm/far", "meet")) as stream:
            async for event in stream:
                if event["event"] == "output":
                    await nodes[1].stop()

    await refused(watch(), Unavailable)


async def test_a_node_without_a_runner_says_so_of_its_own(nodes: list[Node], clients: list[Client]) -> None:
    nodes[1].filesystem.runner = None
    await refused(clients[0].run("/farm/far", "grow"), Exception, "runs no code")
    assert await clients[1].run("/farm/x", "grow") == 1
    hello = [await client.hello() for client in clients]
    assert [each["runs"] for each in hello] == ["browser", ""]


def test_what_a_call_is_inside_of_travels_between_nodes_only() -> None:
    who = {"principal": "ann", "groups": [], "superuser": False, "runs": ["a", "b"]}
    assert read_context(who).runs == ("a", "b")
    for wrong in ("a", [1], {"a": 1}):
        with pytest.raises(Exception, match="uuids"):
            read_context({**who, "runs": wrong})


async def test_a_call_with_an_id_is_done_once_by_the_owner_of_its_path(
    nodes: list[Node], clients: list[Client]
) -> None:
    for where in ("/farm/x", "/farm/far/y"):
        assert [await client.once(where).run(where, "grow") for client in clients * 2] == [1] * 4
        assert [(await client.recall(where, where))["result"] for client in clients] == [1, 1]
        assert await clients[0].once(f"ask {where}").run(where, "ask", where, "grow") == 2
    stored = [await client.once("new").store(Crop(name="new", path="/farm/far")) for client in clients]
    assert stored[0] == stored[1] and stored[0].version == 1 and stored[0].node == "b"
    assert [await client.once("cp").cp("/farm/x", "/farm/z") for client in clients][1].version == 1
    spans = "it works within one"
    await refused(clients[0].once("mv").mv("/farm/z", "/farm/far/z"), Invalid, "a call with an id", spans)
    await refused(clients[0].once("1").run("/farm/x", "ask", "/farm/far/y"), ExecutionFailed, spans)
    await refused(clients[0].once("2").remote.mount("/farm/more", "a"), Invalid, "mount")
    assert [await clients[1].cat(path) for path in ("/farm/x.tons", "/farm/far/y.tons")] == [2, 2]
    again = []
    for client in clients:
        begun = (await client.begin())["transaction"]
        await client.within(transaction=begun).run("/farm/far/y", "grow")
        again.append(await client.once("commit", b"done").commit(begun))
    assert [each["changes"] for each in again] == [1, 1] and await clients[0].cat("/farm/far/y.tons") == 3
