"""A path asked of one node is served from another, and directories are what all nodes have."""

from __future__ import annotations

import pytest

from emerge_wasm import codec
from emerge_wasm.errors import Conflict, Invalid, NotFound, Unavailable
from emerge_wasm.filesystem import RunCall, RunOutcome
from emerge_wasm.filesystem.runner import Host
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.node.node import Node

from .conftest import Connect, StartNode, eventually, fall_silent, names, two


def state(**fields: object) -> bytes:
    return codec.encode(fields)


@pytest.fixture
async def nodes(start_node: StartNode) -> tuple[Node, Node]:
    """Node b owns /s and /d/only, node a all else."""
    a, b = await two(start_node)
    for path in ("/s", "/d/only"):
        await a.volumes.change("_cluster_mount", path, b.filesystem.uuid)
    return a, b


async def test_a_path_asked_of_one_node_is_served_from_the_other(nodes: tuple[Node, Node], connect: Connect) -> None:
    a, b = nodes
    to_a, to_b = connect(a.endpoint), connect(b.endpoint)
    await to_b.call("store", ["/s/widget.1", state(price=3.0)])
    assert (await to_a.call("get", ["/s/widget.1"]))["node"] == "b"
    assert codec.decode((await to_a.call("getobject", ["/s/widget.1"]))["state"]) == {"price": 3.0}
    assert await to_a.call("cat", ["/s/widget.1.price"]) == 3.0
    assert len(await to_a.call("versions", ["/s/widget.1"])) == 1
    found = await to_a.call("whohas", [["/s/widget.1", "/none"], []])
    assert found == {"paths": {"/s/widget.1": "b"}, "uuids": {}}
    uuid = (await to_a.call("get", ["/s/widget.1"]))["uuid"]
    assert (await to_a.call("whohas", [[], [uuid, "ff", "x" * 32]]))["uuids"] == {uuid: "b"}
    with pytest.raises(NotFound, match="/s/none"):
        await to_a.call("get", ["/s/none"])
    with pytest.raises(NotFound, match="has no version 9"):
        await to_a.call("get", ["/s/widget.1", 9])


async def test_changes_go_to_where_the_object_is(nodes: tuple[Node, Node], connect: Connect) -> None:
    a, b = nodes
    to_a, to_b = connect(a.endpoint), connect(b.endpoint)
    await to_b.call("store", ["/s/x", state(n=1)])
    stored = await to_a.call("store", ["/s/x", state(n=2)])
    assert (stored["node"], stored["version"]) == ("b", 2)
    assert (await to_a.call("update", ["/s/x", state(m=3)]))["version"] == 3
    with pytest.raises(Conflict) as caught:
        await to_a.call("store", ["/s/x", state(n=9), "", "", 1])
    assert codec.decode(caught.value.details["theirs"]) == {"n": 2, "m": 3}
    assert (await to_a.call("mkdir", ["/s"]))["node"] == "b"
    assert (await to_a.call("store", ["/s/new", state(n=0)]))["node"] == "b"
    assert (await to_b.call("store", ["/new", state(n=0)]))["node"] == "a"
    rows = await to_a.call("storeall", [[["/s/x", state(n=5)]]])
    assert (rows[0]["node"], rows[0]["version"]) == ("b", 4)
    rows = await to_a.call("storeall", [[["/s/x", state(n=5)], ["/new", state(n=5)]]])
    assert [(row["node"], row["name"]) for row in rows] == [("b", "x"), ("a", "new")]
    for row, path in zip(rows, ("/s/x", "/new"), strict=True):
        assert row == await to_a.call("get", [path])
    with pytest.raises(Conflict):
        await to_a.call("storeall", [[["/s/x", state(n=6)], ["/new", state(n=6), "", "", 77]]])
    assert await to_a.call("cat", ["/s/x.n"]) == 5


async def test_directories_show_what_all_nodes_have(nodes: tuple[Node, Node], connect: Connect) -> None:
    a, b = nodes
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
    assert listed == [(f"{n:02}", "a") for n in range(20)] + [("only", "b")]
    assert [entry["name"] async for entry in to_a.stream("dir", ["/d"])] == [name for name, _ in listed]
    tree = [(entry["path"], entry["name"]) async for entry in to_b.stream("tree", ["/d"])]
    assert tree[-2:] == [("/d", "only"), ("/d/only", "inner")] and len(tree) == 22
    objects = await to_a.call("objects", ["/d"])
    assert [codec.decode(row["state"])["n"] for row in objects["objects"]] == list(range(20))
    with pytest.raises(NotFound):
        await to_a.call("list", ["/nowhere"])


async def test_moving_copying_and_removing(nodes: tuple[Node, Node], connect: Connect) -> None:
    a, b = nodes
    to_a, to_b = connect(a.endpoint), connect(b.endpoint)
    await to_b.call("store", ["/s/sub/x", state(n=1)])
    await to_a.call("store", ["/here/y", state(n=2)])
    assert (await to_a.call("cp", ["/s/sub/x", "/s/sub/copy"]))["node"] == "b"
    assert (await to_a.call("mv", ["/s/sub/copy", "/s/sub/moved"]))["node"] == "b"
    assert (await to_a.call("cp", ["/s/sub/x", "/here"]))["node"] == "a"
    assert (await to_b.call("mv", ["/here/x", "/s"]))["node"] == "b"
    with pytest.raises(NotFound):
        await to_a.call("get", ["/here/x"])
    assert await to_a.call("rm", ["/s/sub/moved"]) == 1
    await to_a.call("store", ["/s/sub/z", state(n=2)])
    with pytest.raises(Invalid):
        await to_a.call("rm", ["/s/sub"])
    assert await to_a.call("rm", ["/s/sub", True]) == 3
    with pytest.raises(NotFound):
        await to_b.call("rm", ["/s/sub"])


async def test_a_method_runs_once_on_the_node_that_holds_the_object(nodes: tuple[Node, Node], connect: Connect) -> None:
    ran: list[str] = []

    class Told(Here):
        def __init__(self, node: str) -> None:
            self.node = node

        async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
            ran.append(self.node)
            raise NotFound("what the method looked for is nowhere")

    a, b = nodes
    for node in nodes:
        node.filesystem.runner = Told(node.filesystem.node)
    await connect(b.endpoint).call("store", ["/s/x", state()])
    await connect(a.endpoint).call("store", ["/r/y", state()])
    for path in ("/s/x", "/r/y"):
        with pytest.raises(NotFound, match="looked for"):
            await connect(a.endpoint).call("run", [path, "go"])
    assert ran == ["b", "a"]


async def test_a_holder_that_fell_silent_is_named(nodes: tuple[Node, Node], connect: Connect) -> None:
    a, b = nodes
    to_a = connect(a.endpoint)
    await connect(b.endpoint).call("store", ["/s/x", state(n=1)])
    assert (await to_a.call("get", ["/s/x"]))["node"] == "b"
    fall_silent(b)
    await b.server.stop()
    with pytest.raises(Unavailable, match="node b"):
        await to_a.call("get", ["/s/x"])
    await eventually(lambda: not names(a.cluster), 1.0)
    with pytest.raises(Unavailable, match="node b"):
        await to_a.call("get", ["/s/x"])
    with pytest.raises(Unavailable, match="node b"):
        await to_a.call("store", ["/s/x", state(n=2)])
