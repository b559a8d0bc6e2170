"""Running methods across nodes: a directory that several have, a stream, and what a method sees of the cluster."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from emerge_wasm import EmergeFile, ExecutionFailed, LimitExceeded, NotFound, PermissionDenied, Unavailable
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.host import give_filesystem
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.filesystem.runs.invoke import OBJECT_LOCKS
from emerge_wasm.node.forward import read_context
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
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
    b = await start_node("b", (a.endpoint,), runner=Here(given=give_filesystem))
    await eventually(lambda: a.cluster.peers() and b.cluster.peers())
    return [a, b]


@pytest.fixture
async def clients(nodes: list[Node], connect: Connect) -> list[Client]:
    """Clients of both; /farm/x is on the first node, /farm/y on the second."""
    for node, name in zip(nodes, "xy", strict=True):
        await beside(node).store(Crop(name=name, path="/farm"))
    return [Client(connect(node.endpoint)) for node in nodes]


def beside(node: Node) -> Client:
    """A client of one node's own filesystem."""
    return Client(LocalTransport(node.filesystem, Context("operator", superuser=True)))


async def test_each_node_runs_its_own_objects_of_a_directory(nodes: list[Node], clients: list[Client]) -> None:
    for count, client in enumerate(clients, 1):
        rows = await client.run("/farm", "grow")
        assert rows == [{"path": "/farm/x", "result": count}, {"path": "/farm/y", "result": count}]
    assert [(await client.get("/farm/y")).node for client in clients] == ["b", "b"]
    await refused(clients[0].run("/nowhere", "grow"), NotFound, "/nowhere")


async def test_what_happens_on_all_nodes_is_one_stream(nodes: list[Node], clients: list[Client]) -> None:
    await clients[0].update("/farm/y", tons=-1)
    async with aclosing(clients[0].runstream("/farm", "grow")) as stream:
        events = [event async for event in stream]
    assert events[-1] == {"event": "progress", "done": 2, "failed": 1, "total": 2}
    assert {event["path"]: event["event"] for event in events if event["event"] in ("result", "error")} == {
        "/farm/x": "result",
        "/farm/y": "error",
    }
    assert {event["path"] for event in events if event["event"] == "output"} == {"/farm/x", "/farm/y"}
    async with aclosing(clients[0].runstream("/farm/y", "grow")) as stream:
        assert [event["event"] async for event in stream] == ["output", "error"], "of an object elsewhere"


async def test_leaving_the_stream_ends_the_run_on_the_other_node(nodes: list[Node], clients: list[Client]) -> None:
    locks = OBJECT_LOCKS.of(nodes[1].filesystem.core)
    async with aclosing(clients[0].runstream("/farm", "wait")) as stream:
        await anext(stream)
        await eventually(lambda: len(locks))
    await eventually(lambda: not len(locks))


async def test_query_and_receipts_follow_the_object(nodes: list[Node], clients: list[Client]) -> None:
    assert await clients[0].query("/farm/y") == ["x", "y"], "it sees the whole cluster"
    (receipt,) = await clients[0].receipts("/farm/y")
    assert (receipt["node"], receipt["method"], receipt["made"]) == ("b", "query", 2)


async def test_a_method_runs_others_on_other_nodes(nodes: list[Node], clients: list[Client]) -> None:
    for client in clients:
        assert await client.run("/farm/x", "ask", "/farm/y") > 0
    assert await clients[0].run("/farm/x", "ask", "/farm/y", "ask", "/farm/x") == 1, "and back"
    error = await refused(clients[0].run("/farm/x", "ping", "/farm/y"), LimitExceeded, "16 runs")
    assert error.details["limit"] == "depth"


async def test_a_method_has_the_callers_rights_on_the_other_node_too(nodes: list[Node], clients: list[Client]) -> None:
    for node in nodes:
        for path in ("/", "/farm"):
            await beside(node).chmod(path, "rwxrwxrwx")
    await clients[0].chmod("/farm/x", "rwxrwxrwx")
    await clients[0].chmod("/farm/y", "rwx------")
    bob = clients[0].as_user("bob")
    await refused(bob.run("/farm/x", "ask", "/farm/y"), ExecutionFailed, "PermissionDenied")
    await refused(bob.run("/farm/y", "grow"), PermissionDenied)
    assert [row["path"] for row in await bob.run("/farm", "grow")] == ["/farm/x"]


async def test_a_node_that_goes_loses_no_results_of_the_others(nodes: list[Node], clients: list[Client]) -> None:
    events = []

    async def watch() -> None:
        async with aclosing(clients[0].runstream("/farm", "meet")) as stream:
            async for event in stream:
                events.append(event)
                if event["event"] == "output" and event["path"] == "/farm/y":
                    await nodes[1].stop()

    await refused(watch(), Unavailable)
    assert [event["path"] for event in events if event["event"] == "result"] == ["/farm/x"]


async def test_a_node_without_a_runner_says_so_of_its_own(nodes: list[Node], clients: list[Client]) -> None:
    nodes[1].filesystem.runner = None
    await refused(clients[0].run("/farm", "grow"), Exception, "runs no code")
    assert await clients[1].run("/farm/x", "grow") == 2
    hello = [await client.hello() for client in clients]
    assert [each["runs"] for each in hello] == ["browser", ""]


def test_what_a_call_is_inside_of_travels_between_nodes_only() -> None:
    who = {"principal": "ann", "groups": [], "superuser": False, "runs": ["a", "b"]}
    assert read_context(who).runs == ("a", "b")
    for wrong in ("a", [1], {"a": 1}):
        with pytest.raises(Exception, match="uuids"):
            read_context({**who, "runs": wrong})
