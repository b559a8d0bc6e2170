"""Several nodes that serve one filesystem hold the same: they do not ask each other, and stand in for each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from emerge_wasm import codec
from emerge_wasm.errors import NotFound, Unavailable
from emerge_wasm.node.forward import Forwarder
from emerge_wasm.node.node import Node
from emerge_wasm.node.paths import held
from emerge_wasm.operations import Context, Dispatch
from emerge_wasm.stores.memory import MemoryStore

from .conftest import OPERATOR, Connect, StartNode, eventually, fall_silent, names

Cluster3 = tuple[Node, Node, Node]


def state(**fields: object) -> bytes:
    return codec.encode(fields)


def count_asked(node: Node) -> list[str]:
    """What other nodes ask this one for, from now on."""
    asked: list[str] = []

    def register(name: str, handler: Dispatch) -> None:
        def counted(name: str, args: list[Any], context: Context) -> Any:
            asked.append(args[0])
            return handler(name, args, context)

        node.server.register(name, counted)

    async def counted_held(paths: list[str], uuids: list[str]) -> tuple[list[str], list[str]]:
        asked.append("held")
        return await held(node.filesystem, paths, uuids)

    Forwarder(node.filesystem, node.cluster).register(register)
    node.cluster.serve(node.server.register, counted_held)
    return asked


async def never(paths: list[str], uuids: list[str]) -> tuple[list[str], list[str]]:
    """Hear a question, and say nothing."""
    await asyncio.Event().wait()
    raise AssertionError


@pytest.fixture
async def same(start_node: StartNode) -> tuple[Node, Node]:
    store = MemoryStore()
    one = await start_node("one", store=store)
    other = await start_node("other", (one.endpoint,), store=store)
    await eventually(lambda: names(one.cluster) == ["other"] and names(other.cluster) == ["one"])
    return one, other


@pytest.fixture
def with_third(same: tuple[Node, Node], start_node: StartNode) -> Callable[[], Awaitable[Cluster3]]:
    async def start() -> Cluster3:
        """The two, and a third that serves a filesystem of its own."""
        third = await start_node("third", (same[0].endpoint,))
        for node, others in zip((*same, third), (["other", "third"], ["one", "third"], ["one", "other"]), strict=True):
            await eventually(lambda node=node, others=others: names(node.cluster) == others)  # type: ignore[misc]
        return (*same, third)

    return start


async def test_a_node_of_the_same_filesystem_is_not_asked(same: tuple[Node, Node], connect: Connect) -> None:
    one, other = same
    to_one, to_other = connect(one.endpoint), connect(other.endpoint)
    assert one.cluster.identity.filesystem == other.cluster.identity.filesystem == one.filesystem.uuid
    assert one.cluster.identity.uuid != other.cluster.identity.uuid
    assert one.cluster.alone and other.cluster.alone
    asked = count_asked(other)
    await to_one.call("store", ["/s/x", state(n=1)])
    assert await to_other.call("cat", ["/s/x"]) == {"n": 1}
    assert [entry["name"] for entry in (await to_one.call("list", ["/s"]))["entries"]] == ["x"]
    assert [entry["name"] async for entry in to_one.stream("tree", ["/"])] == ["s", "x"]
    with pytest.raises(NotFound):
        await to_one.call("get", ["/s/none"])
    assert (await to_one.call("whohas", [["/s/x"]]))["paths"] == {"/s/x": "one"}
    assert await to_one.call("rm", ["/s", True]) == 2
    assert asked == []
    rows = await to_one.call("nodes", [])
    assert [(row["node"], row["self"]) for row in rows] == [("one", True), ("other", False)]


async def test_of_several_that_hold_the_same_one_is_asked(
    with_third: Callable[[], Awaitable[Cluster3]], connect: Connect
) -> None:
    one, other, third = await with_third()
    to_third = connect(third.endpoint)
    await connect(one.endpoint).call("store", ["/s/x", state(n=1)])
    await connect(third.endpoint).call("store", ["/s/y", state(n=1)])
    asked = {node.filesystem.node: count_asked(node) for node in (one, other)}
    assert await to_third.call("cat", ["/s/x"]) == {"n": 1}
    listed = (await to_third.call("list", ["/s"]))["entries"]
    assert [entry["name"] for entry in listed] == ["x", "y"]
    assert await to_third.call("rm", ["/s", True]) == 4  # x and its directory, y and its directory
    assert sorted(map(len, asked.values())) == [0, 5], asked  # held, cat, list, held, rm: all of one of them


@pytest.mark.parametrize("how", ["stopped", "hung"])
async def test_another_one_is_asked_when_it_fails(
    with_third: Callable[[], Awaitable[Cluster3]], connect: Connect, how: str
) -> None:
    one, other, third = await with_third()
    to_third = connect(third.endpoint)
    await connect(one.endpoint).call("store", ["/s/x", state(n=1)])
    chosen = next(node for node in (one, other) if node.cluster.identity == third.cluster.others()[0])
    rest = other if chosen is one else one
    assert await to_third.call("cat", ["/s/x"]) == {"n": 1}
    if how == "stopped":
        await chosen.server.stop()  # its announcements go on: nobody knows yet
    else:
        chosen.cluster.serve(chosen.server.register, never)
    assert await to_third.call("cat", ["/s/x"]) == {"n": 1}
    assert (await to_third.call("update", ["/s/x", state(n=2)]))["node"] in (rest.filesystem.node, "one", "other")
    assert [entry["name"] for entry in (await to_third.call("list", ["/s"]))["entries"]] == ["x"]
    assert (await to_third.call("whohas", [["/s/x"]]))["paths"] == {"/s/x": rest.filesystem.node}


async def test_one_that_is_lost_is_not_missed_while_another_serves_the_same(
    with_third: Callable[[], Awaitable[Cluster3]], connect: Connect
) -> None:
    one, other, third = await with_third()
    to_third = connect(third.endpoint)
    await connect(one.endpoint).call("store", ["/s/x", state(n=1)])
    assert await to_third.call("cat", ["/s/x"]) == {"n": 1}
    for node, left in ((one, ["other"]), (other, [])):
        fall_silent(node)
        await node.server.stop()
        await eventually(lambda left=left: names(third.cluster) == left, 2.0)  # type: ignore[misc]
        if left:
            assert third.cluster.lost() == [] and not third.cluster.alone
            assert await to_third.call("cat", ["/s/x"]) == {"n": 1}
            with pytest.raises(NotFound):
                await to_third.call("cat", ["/s/none"])
    assert {lost.node for lost in third.cluster.lost()} == {"one", "other"}
    with pytest.raises(Unavailable, match="out of reach"):
        await to_third.call("cat", ["/s/x"])


async def test_each_change_is_watched_once_wherever_it_was_made(
    with_third: Callable[[], Awaitable[Cluster3]], connect: Connect
) -> None:
    one, other, third = await with_third()
    seen: dict[str, list[str]] = {}

    async def listen(node: Node) -> None:
        async for change in connect(node.endpoint).stream("watch", ["/w", -1]):
            seen.setdefault(node.filesystem.node, []).append(change["path"])

    tasks = [asyncio.create_task(listen(node)) for node in (one, other, third)]
    await asyncio.sleep(0.15)
    for node in (one, other, third):
        await node.filesystem.dispatch("store", [f"/w/{node.filesystem.node}", state()], OPERATOR)  # type: ignore[misc]
    paths = {"/w/one", "/w/other", "/w/third"}
    for who in ("one", "other", "third"):
        await eventually(lambda who=who: paths <= set(seen.get(who, ())), 3)  # type: ignore[misc]
    chosen = next(node for node in (one, other) if node.cluster.identity == third.cluster.others()[0])
    rest = other if chosen is one else one
    await chosen.stop()
    await rest.filesystem.dispatch("store", ["/w/after", state()], OPERATOR)  # type: ignore[misc]
    await eventually(lambda: "/w/after" in seen["third"], 3)
    await asyncio.sleep(0.1)
    assert sorted(path for path in seen["third"] if path != "/w") == ["/w/after", "/w/one", "/w/other", "/w/third"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
