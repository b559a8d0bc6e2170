"""Two and three nodes are a cluster: members come and go, and a path asked of one is served from another."""

from __future__ import annotations

import asyncio
import time

import pytest

from emerge_wasm import codec
from emerge_wasm.cluster.membership import Cluster
from emerge_wasm.errors import Conflict, Invalid, NotFound, Unavailable
from emerge_wasm.filesystem import RunCall, RunOutcome
from emerge_wasm.filesystem.runner import Host
from emerge_wasm.filesystem.runs.inside.execute import Here
from emerge_wasm.node.node import Node

from .conftest import OPERATOR, TIMES, Connect, StartNode, eventually


def state(**fields: object) -> bytes:
    return codec.encode(fields)


def names(cluster: Cluster) -> list[str]:
    return [peer.node for peer in cluster.peers()]


async def two(start_node: StartNode) -> tuple[Node, Node]:
    a = await start_node("a")
    b = await start_node("b", (a.endpoint,))
    await eventually(lambda: names(a.cluster) == ["b"] and names(b.cluster) == ["a"])
    return a, b


async def test_three_nodes_meet_each_other_through_one(start_node: StartNode, connect: Connect) -> None:
    a, b = await two(start_node)
    c = await start_node("c", (b.endpoint,))
    await eventually(lambda: names(a.cluster) == ["b", "c"] and names(c.cluster) == ["a", "b"])
    rows = await connect(c.endpoint).call("nodes", [])
    assert {(row["node"], row["rpc"], row["self"]) for row in rows} == {
        ("a", a.endpoint, False),
        ("b", b.endpoint, False),
        ("c", c.endpoint, True),
    }


async def test_a_joiner_that_started_first_retries(start_node: StartNode) -> None:
    a = await start_node("a")
    endpoint = a.endpoint
    await a.stop()
    b = await start_node("b", (endpoint,))
    assert names(b.cluster) == []
    again = await start_node("a", (), endpoint)
    await eventually(lambda: names(b.cluster) == ["a"] and names(again.cluster) == ["b"])


async def test_a_node_that_stops_is_seen_to_leave_at_once(start_node: StartNode) -> None:
    a, b = await two(start_node)
    seen: list[tuple[str, str]] = []
    a.cluster.on_change(lambda how, who: seen.append((how, who.node)))
    await b.stop()
    await eventually(lambda: not names(a.cluster), 0.3)
    assert seen == [("left", "b")]
    assert a.cluster.alone


async def test_a_node_that_stood_still_blames_nobody(start_node: StartNode, connect: Connect) -> None:
    """Its process got no processor for a while: what was said meanwhile waits in its sockets."""
    a, b = await two(start_node)
    await connect(b.endpoint).call("store", ["/s/x", state(n=1)])
    seen: list[str] = []
    a.cluster.on_change(lambda how, who: seen.append(how))
    for _ in range(3):
        asked = asyncio.create_task(connect(a.endpoint).call("cat", ["/s/x"]))
        await asyncio.sleep(0.02)
        time.sleep(2 * max(TIMES.silence, TIMES.patience))  # noqa: ASYNC251
        assert await asked == {"n": 1}
    assert seen == []


async def test_a_node_that_no_longer_hears_this_one_is_missed(start_node: StartNode) -> None:
    """It cannot be asked, and what it has may not be taken for absent."""
    a, b = await two(start_node)
    seen: list[tuple[str, list[str], bool]] = []
    a.cluster.on_change(lambda how, who: seen.append((how, [lost.node for lost in a.cluster.lost()], a.cluster.alone)))
    deaf = {"kind": "here", "self": b.cluster.identity.to_wire(), "hears": [], "peers": []}
    b.cluster._broadcast.say(deaf)  # private: a node says so only when it has lost the other by itself
    await eventually(lambda: len(seen) == 2)
    assert seen == [("gone", ["b"], False), ("joined", [], False)]


async def test_an_observer_sees_and_is_not_seen(start_node: StartNode) -> None:
    a, b = await two(start_node)
    observer = Cluster(observer=True, join=[a.endpoint], times=TIMES)
    await observer.start()
    try:
        await eventually(lambda: names(observer) == ["a", "b"])
        assert names(a.cluster) == ["b"]
        await b.stop()
        await eventually(lambda: names(observer) == ["a"])
    finally:
        await observer.stop()


async def test_malformed_announcements_are_ignored_and_counted(start_node: StartNode) -> None:
    a, b = await two(start_node)
    speaker = b.cluster._broadcast
    before = a.cluster.malformed
    good = b.cluster.identity.to_wire()
    for message in (
        {},
        {"kind": "here"},
        {"kind": []},
        {"kind": "here", "self": {**good, "rpc": 5}, "hears": [], "peers": []},
        {"kind": "here", "self": good, "hears": 7, "peers": []},
        {"kind": "here", "self": good, "hears": [], "peers": 3},
        {"kind": "whohas", "uuid": b.cluster.identity.uuid, "id": b"1", "paths": "x", "uuids": None},
        {"kind": "leaving"},
    ):
        speaker.say(message)
    assert speaker._speaker is not None
    speaker._speaker.send([b"\xc1\xff"])
    await eventually(lambda: a.cluster.malformed == before + 9)
    assert names(a.cluster) == ["b"]


async def test_a_path_asked_of_one_node_is_served_from_the_other(start_node: StartNode, connect: Connect) -> None:
    a, b = await two(start_node)
    to_a, to_b = connect(a.endpoint), connect(b.endpoint)
    await to_b.call("store", ["/stock/widget.1", state(price=3.0)])
    assert (await to_a.call("get", ["/stock/widget.1"]))["node"] == "b"
    assert codec.decode((await to_a.call("getobject", ["/stock/widget.1"]))["state"]) == {"price": 3.0}
    assert await to_a.call("cat", ["/stock/widget.1.price"]) == 3.0
    assert len(await to_a.call("versions", ["/stock/widget.1"])) == 1
    found = await to_a.call("whohas", [["/stock/widget.1", "/none"], []])
    assert found == {"paths": {"/stock/widget.1": "b"}, "uuids": {}}
    uuid = (await to_a.call("get", ["/stock/widget.1"]))["uuid"]
    assert (await to_a.call("whohas", [[], [uuid, "ff", "x" * 32]]))["uuids"] == {uuid: "b"}
    with pytest.raises(NotFound, match="/stock/none"):
        await to_a.call("get", ["/stock/none"])
    with pytest.raises(NotFound, match="has no version 9"):
        await to_a.call("get", ["/stock/widget.1", 9])


async def test_changes_go_to_where_the_object_is(start_node: StartNode, connect: Connect) -> None:
    a, b = await two(start_node)
    to_a, to_b = connect(a.endpoint), connect(b.endpoint)
    await to_b.call("store", ["/s/x", state(n=1)])
    stored = await to_a.call("store", ["/s/x", state(n=2)])
    assert (stored["node"], stored["version"]) == ("b", 2)
    assert (await to_a.call("update", ["/s/x", state(m=3)]))["version"] == 3
    with pytest.raises(Conflict) as caught:
        await to_a.call("store", ["/s/x", state(n=9), "", "", 1])
    assert codec.decode(caught.value.details["theirs"]) == {"n": 2, "m": 3}
    assert (await to_a.call("mkdir", ["/s"]))["node"] == "b"
    assert (await to_a.call("store", ["/s/new", state(n=0)]))["node"] == "a"
    assert await a.filesystem.dispatch("list", ["/s"], OPERATOR) != await b.filesystem.dispatch(
        "list", ["/s"], OPERATOR
    )
    rows = await to_a.call("storeall", [[["/s/x", state(n=5)]]])
    assert (rows[0]["node"], rows[0]["version"]) == ("b", 4)
    with pytest.raises(Invalid, match="several nodes"):
        await to_a.call("storeall", [[["/s/x", state(n=5)], ["/s/new", state(n=5)]]])


async def test_directories_show_what_all_nodes_have(start_node: StartNode, connect: Connect) -> None:
    a, b = await two(start_node)
    to_a, to_b = connect(a.endpoint), connect(b.endpoint)
    for number in range(20):
        await (to_a if number % 3 else to_b).call("store", [f"/d/{number:02}", state(n=number)])
    await to_b.call("store", ["/d/only/inner", state()])
    listed, cursor = [], ""
    while True:
        page = await to_a.call("list", ["/d", cursor, 6])
        assert len(page["entries"]) <= 6
        listed += [(entry["name"], entry["node"]) for entry in page["entries"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert listed == [(f"{n:02}", "a" if n % 3 else "b") for n in range(20)] + [("only", "b")]
    assert [entry["name"] async for entry in to_a.stream("dir", ["/d"])] == [name for name, _ in listed]
    tree = [(entry["path"], entry["name"]) async for entry in to_b.stream("tree", ["/"])]
    assert tree[0] == ("/", "d") and tree[-2:] == [("/d", "only"), ("/d/only", "inner")] and len(tree) == 23
    objects = await to_a.call("objects", ["/d"])
    assert [codec.decode(row["state"])["n"] for row in objects["objects"]] == list(range(20))
    with pytest.raises(NotFound):
        await to_a.call("list", ["/nowhere"])


async def test_moving_copying_and_removing(start_node: StartNode, connect: Connect) -> None:
    a, b = await two(start_node)
    to_a, to_b = connect(a.endpoint), connect(b.endpoint)
    await to_b.call("store", ["/m/x", state(n=1)])
    await to_a.call("store", ["/here/y", state(n=2)])
    assert (await to_a.call("cp", ["/m/x", "/m/copy"]))["node"] == "b"
    assert (await to_a.call("mv", ["/m/copy", "/m/moved"]))["node"] == "b"
    with pytest.raises(Invalid, match=r"on node b.*on node a"):
        await to_a.call("cp", ["/m/x", "/here"])
    assert await to_a.call("rm", ["/m/moved"]) == 1
    await to_a.call("store", ["/m/z", state(n=2)])
    with pytest.raises(Invalid):
        await to_a.call("rm", ["/m"])
    assert await to_a.call("rm", ["/m", True]) == 4
    with pytest.raises(NotFound):
        await to_b.call("rm", ["/m"])


async def test_a_method_runs_once_on_the_node_that_holds_the_object(start_node: StartNode, connect: Connect) -> None:
    ran: list[str] = []

    class Told(Here):
        def __init__(self, node: str) -> None:
            self.node = node

        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            ran.append(self.node)
            raise NotFound("what the method looked for is nowhere")

    a = await start_node("a", runner=Told("a"))
    b = await start_node("b", (a.endpoint,), runner=Told("b"))
    await eventually(lambda: names(a.cluster) == ["b"] and names(b.cluster) == ["a"])
    await connect(b.endpoint).call("store", ["/r/x", state()])
    await connect(a.endpoint).call("store", ["/r/y", state()])
    for path in ("/r/x", "/r/y"):
        with pytest.raises(NotFound, match="looked for"):
            await connect(a.endpoint).call("run", [path, "go"])
    assert ran == ["b", "a"]


async def test_a_holder_that_fell_silent_is_named(start_node: StartNode, connect: Connect) -> None:
    a, b = await two(start_node)
    to_a = connect(a.endpoint)
    await connect(b.endpoint).call("store", ["/g/x", state(n=1)])
    assert (await to_a.call("get", ["/g/x"]))["node"] == "b"
    uuid = b.filesystem.uuid
    b.cluster._broadcast.say = lambda message: None  # type: ignore[method-assign]  # it is cut off, not stopped
    await b.server.stop()
    with pytest.raises(Unavailable, match="node b"):
        await to_a.call("get", ["/g/x"])
    await eventually(lambda: not names(a.cluster), 1.0)
    with pytest.raises(Unavailable, match="node b"):
        await to_a.call("get", ["/g/x"])
    with pytest.raises(Unavailable, match="node b"):
        await to_a.call("store", ["/g/x", state(n=2)])
    assert [lost.filesystem for lost in a.cluster.lost()] == [uuid]
