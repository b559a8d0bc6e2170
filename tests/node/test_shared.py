"""Several nodes that serve one filesystem hold the same: they do not ask each other, and stand in for each other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from emerge_wasm import codec
from emerge_wasm.errors import NotFound, Unavailable
from emerge_wasm.node.forward import Forwarder
from emerge_wasm.node.node import Node
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

    Forwarder(node.filesystem, node.cluster, node.volumes, node.copies).register(register)
    return asked


@pytest.fixture
async def same(start_node: StartNode) -> tuple[Node, Node]:
    store = MemoryStore()
    one = await start_node("one", store=store)
    other = await start_node("other", (one.endpoint,), store=store)
    await eventually(lambda: names(one.cluster) == ["other"] and names(other.cluster) == ["one"])
    return one, other


@pytest.fixture
async def with_third(start_node: StartNode) -> Cluster3:
    """Two nodes of one filesystem, which owns /s, in the cluster that a third founded with a filesystem of its own."""
    third = await start_node("third")
    await third.volumes.found()
    store = MemoryStore()
    one = await start_node("one", (third.endpoint,), store=store)
    other = await start_node("other", (one.endpoint,), store=store)
    for node, others in ((one, ["other", "third"]), (other, ["one", "third"]), (third, ["one", "other"])):
        await eventually(lambda node=node, others=others: names(node.cluster) == others)  # type: ignore[misc]
    await third.volumes.change("_cluster_mount", "/s", one.filesystem.uuid)
    await eventually(lambda: all(node.volumes.table == third.volumes.table for node in (one, other)))
    return one, other, third


async def test_who_shares_the_store_is_in_the_cluster_that_another_founds(
    same: tuple[Node, Node], start_node: StartNode, connect: Connect
) -> None:
    """Though it was there before; what is mounted then is at no time absent for it."""
    one, other = same
    await one.volumes.found()
    assert other.volumes.table == one.volumes.table is not None
    far = await start_node("far", (one.endpoint,))
    await eventually(lambda: len(names(far.cluster)) == 2 and far.volumes.table is not None)
    await connect(one.endpoint).call("mount", ["/far", "far"])
    await connect(far.endpoint).call("store", ["/far/x", state(n=1)])
    for node in (one, other, far):
        assert await connect(node.endpoint).call("cat", ["/far/x"]) == {"n": 1}
        assert (await connect(node.endpoint).call("count", ["/"]))["count"] == 1


async def test_it_hears_of_that_later(same: tuple[Node, Node]) -> None:
    """When it was not reached, or another process changed the store."""
    one, other = same
    one.cluster.peers = list  # type: ignore[method-assign,assignment]  # patched: nobody is told
    await one.volumes.found()
    assert other.volumes.table is None
    await eventually(lambda: other.volumes.table == one.volumes.table)


def chosen_by(third: Node, one: Node, other: Node) -> tuple[Node, Node]:
    """The node that a third asks for what both have, and the other one."""
    (chosen,) = third.cluster.others()
    return (one, other) if one.cluster.identity == chosen else (other, one)


async def test_a_node_of_the_same_filesystem_is_not_asked(same: tuple[Node, Node], connect: Connect) -> None:
    one, other = same
    to_one, to_other = connect(one.endpoint), connect(other.endpoint)
    assert one.cluster.identity.filesystem == other.cluster.identity.filesystem == one.filesystem.uuid
    assert one.cluster.identity.uuid != other.cluster.identity.uuid
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


async def test_of_several_that_hold_the_same_one_is_asked(with_third: Cluster3, connect: Connect) -> None:
    one, other, third = with_third
    to_third = connect(third.endpoint)
    await connect(one.endpoint).call("store", ["/s/x", state(n=1)])
    await connect(third.endpoint).call("store", ["/s/y", state(n=1)])
    chosen, rest = chosen_by(third, one, other)
    asked, not_asked = count_asked(chosen), count_asked(rest)
    assert await to_third.call("cat", ["/s/x"]) == {"n": 1}
    listed = (await to_third.call("list", ["/s"]))["entries"]
    assert [entry["name"] for entry in listed] == ["x", "y"]
    assert (await to_third.call("count", ["/"]))["count"] == 2
    assert await to_third.call("rm", ["/s/x"]) == 1
    assert (asked, not_asked) == (["cat", "list", "count", "rm"], [])
    asked.clear()
    for node in (one, other):
        assert (await connect(node.endpoint).call("count", ["/"]))["count"] == 1  # /, from the third
    assert (asked, not_asked) == ([], [])


@pytest.mark.parametrize("how", ["stopped", "silent"])
async def test_another_one_is_asked_when_it_fails(with_third: Cluster3, connect: Connect, how: str) -> None:
    one, other, third = with_third
    to_third = connect(third.endpoint)
    await connect(one.endpoint).call("store", ["/s/x", state(n=1)])
    assert await to_third.call("cat", ["/s/x"]) == {"n": 1}
    chosen, rest = chosen_by(third, one, other)
    await chosen.server.stop()  # its announcements go on: nobody knows yet
    if how == "silent":
        fall_silent(chosen)
    assert await to_third.call("cat", ["/s/x"]) == {"n": 1}
    assert (await to_third.call("update", ["/s/x", state(n=2)]))["version"] == 2
    assert (await to_third.call("count", ["/"])) == {"count": 1, "scanned": 1, "errors": {"count": 0, "first": []}}
    assert [entry["name"] for entry in (await to_third.call("list", ["/s"]))["entries"]] == ["x"]
    assert (await to_third.call("whohas", [["/s/x"]]))["paths"] == {"/s/x": rest.filesystem.node}


async def test_a_volume_is_away_when_the_last_that_serves_it_is(with_third: Cluster3, connect: Connect) -> None:
    one, other, third = with_third
    to_third = connect(third.endpoint)
    await connect(one.endpoint).call("store", ["/s/x", state(n=1)])
    for node, left in ((one, ["other"]), (other, [])):
        fall_silent(node)
        await node.server.stop()
        await eventually(lambda left=left: names(third.cluster) == left, 2.0)  # type: ignore[misc]
        if left:
            assert await to_third.call("cat", ["/s/x"]) == {"n": 1}
            with pytest.raises(NotFound):
                await to_third.call("cat", ["/s/none"])
            assert "missing" not in await to_third.call("count", ["/"])
    for path in ("/s/x", "/s/none"):
        for name, *args in (("cat",), ("store", state(n=3))):
            with pytest.raises(Unavailable, match="away"):
                await to_third.call(name, [path, *args])
    counted = await to_third.call("count", ["/"])
    assert counted["count"] == 0 and counted["missing"] in (["one"], ["other"])  # both served it


async def test_each_change_is_watched_once_wherever_it_was_made(with_third: Cluster3, connect: Connect) -> None:
    one, other, third = with_third
    seen: dict[str, list[str]] = {}

    async def listen(node: Node) -> None:
        async for change in connect(node.endpoint).stream("watch", ["/s", -1]):
            seen.setdefault(node.filesystem.node, []).append(change["path"])

    tasks = [asyncio.create_task(listen(node)) for node in (one, other, third)]
    await asyncio.sleep(0.15)
    for node in (one, other, third):
        await node.dispatch("store", [f"/s/{node.filesystem.node}", state()], OPERATOR)  # type: ignore[misc]
    paths = {"/s/one", "/s/other", "/s/third"}
    for who in ("one", "other", "third"):
        await eventually(lambda who=who: paths <= set(seen.get(who, ())), 3)  # type: ignore[misc]
    chosen, rest = chosen_by(third, one, other)
    await chosen.stop()
    await rest.filesystem.dispatch("store", ["/s/after", state()], OPERATOR)  # type: ignore[misc]
    await eventually(lambda: "/s/after" in seen["third"], 3)
    await asyncio.sleep(0.1)
    assert sorted(path for path in seen["third"] if path != "/s") == ["/s/after", "/s/one", "/s/other", "/s/third"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
