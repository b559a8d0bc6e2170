"""The operations of the object model over two nodes: each where its path is, directories as both have them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from emerge_wasm import EmergeFile, codec
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import Conflict, Invalid, NotFound, PermissionDenied, Unavailable
from emerge_wasm.node.node import Node

from .conftest import OPERATOR, Connect, StartNode, two


@dataclass
class Note(EmergeFile):
    lines: list[str] = field(default_factory=list)
    about: Any = None

    def count(self) -> int:
        """How many lines."""
        return len(self.lines)


@dataclass
class Stamp(EmergeFile):
    colour: str = "red"


@dataclass
class Two:
    """Two nodes, and what speaks to each."""

    a: Node
    b: Node
    to_a: ZeroMQTransport
    to_b: ZeroMQTransport


@pytest.fixture
async def nodes(start_node: StartNode, connect: Connect) -> Two:
    """Node b owns these volumes, node a all else."""
    a, b = await two(start_node)
    to_a = connect(a.endpoint)
    for path in ("/notes", "/far", "/d/sub"):
        await to_a.call("mount", [path, "b"])
    return Two(a, b, to_a, connect(b.endpoint))


def state(**fields: object) -> bytes:
    return codec.encode(fields)


def moment() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


async def everything(items: Any) -> list[Any]:
    return [item async for item in items]


async def test_an_object_is_read_and_changed_where_it_is(nodes: Two) -> None:
    await Client(nodes.to_b).store(Note(name="n", path="/notes", lines=["one"]))
    to_a = nodes.to_a
    assert (await to_a.call("add", ["/notes/n", "lines", codec.encode(["two"])]))["node"] == "b"
    assert await to_a.call("cat", ["/notes/n.lines"]) == ["one", "two"]
    assert await to_a.call("cat", ["/notes/n.lines", 1]) == ["one"]
    assert [row["field"] for row in (await to_a.call("diff", ["/notes/n", 1, 2]))["fields"]] == ["lines"]
    assert (await to_a.call("restore", ["/notes/n", 1]))["version"] == 3
    assert await to_a.call("cat", ["/notes/n.lines"]) == ["one"]
    assert [row["operation"] for row in await to_a.call("versions", ["/notes/n"])] == ["restore", "add", "store"]
    assert [row["name"] for row in await to_a.call("methods", ["/notes/n", 1])] == ["count"]
    assert "How many lines" in await to_a.call("help", ["/notes/n", "count", 1])
    assert "def count" in await to_a.call("code", ["/notes/n", "count", 1])
    assert (await to_a.call("chmod", ["/notes/n", "600"]))["perms"] == "rw-------"
    assert (await to_a.call("chown", ["/notes/n", "ann"]))["owner"] == "ann"
    assert (await to_a.call("get", ["/notes/n"]))["node"] == "b"


async def test_references_and_uuids_lead_to_the_other_node(nodes: Two) -> None:
    client = Client(nodes.to_b)
    target = await client.store(Note(name="target", path="/notes"))
    await client.store(Note(name="source", path="/notes", about=codec.Reference(target.uuid)))
    to_a = nodes.to_a
    found = await to_a.call("references", ["/notes/source"])
    assert [entry["name"] for entry in found["entries"]] == ["target"]
    found = await to_a.call("references", ["/notes/target", True])
    assert [entry["name"] for entry in found["entries"]] == ["source"]
    by_uuid = f"/registry/{target.uuid}"
    assert (await to_a.call("get", [by_uuid]))["name"] == "target"
    assert await to_a.call("cat", [f"{by_uuid}.lines"]) == []
    await to_a.call("update", [by_uuid, state(lines=["x"])])
    assert (await to_a.call("mv", [by_uuid, "/notes/moved"]))["node"] == "b"
    assert await to_a.call("cat", [f"{by_uuid}.lines"]) == ["x"]
    assert await to_a.call("rm", [by_uuid]) == 1
    with pytest.raises(NotFound, match="was removed"):
        await to_a.call("getobject", [by_uuid])
    with pytest.raises(NotFound, match="no object"):
        await to_a.call("getobject", ["/registry/" + "ab" * 16])


async def test_the_registry_is_that_of_all_nodes(nodes: Two) -> None:
    for number in range(7):
        await nodes.to_a.call("store", [f"/{'far' if number % 2 else 'r'}/{number}", state()])
    await nodes.to_a.call("rm", ["/r/4"])
    listed: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await nodes.to_a.call("list", ["/registry", cursor, 2])
        assert len(page["entries"]) <= 2
        listed += page["entries"]
        cursor = page["cursor"]
        if not cursor:
            break
    assert {"0", "1", "2", "3", "4", "5", "6", "r", "far"} <= {entry["name"] for entry in listed}
    assert [entry["uuid"] for entry in listed] == sorted({entry["uuid"] for entry in listed})
    assert [entry["name"] for entry in listed if entry["removed"]] == ["4"]
    assert listed == await everything(nodes.to_b.stream("dir", ["/registry"]))
    with pytest.raises(Invalid, match="registry"):
        await everything(nodes.to_a.stream("tree", ["/registry"]))


async def test_what_was_there_is_found_where_it_was(nodes: Two) -> None:
    to_a, to_b = nodes.to_a, nodes.to_b
    await to_b.call("store", ["/d/sub/x", state(n=1)])
    await to_a.call("store", ["/d/y", state(n=2)])
    then = moment()
    await asyncio.sleep(0.002)
    await to_b.call("rm", ["/d/sub/x"])
    await to_a.call("store", ["/d/sub/x", state(n=3)])
    assert await to_a.call("cat", ["/d/sub/x"]) == {"n": 3}
    assert await to_a.call("cat", ["/d/sub/x", 0, then]) == {"n": 1}
    assert codec.decode((await to_a.call("getobject", ["/d/sub/x", 0, then]))["state"]) == {"n": 1}
    listed = (await to_a.call("list", ["/d", "", 10, then]))["entries"]
    assert [(entry["name"], entry["node"]) for entry in listed] == [("sub", "b"), ("y", "a")]
    tree = [entry["name"] for entry in await everything(to_a.stream("tree", ["/d", then]))]
    assert tree == ["sub", "x", "y"]
    assert len(await everything(to_a.stream("tree", ["/", "2001-01-01"]))) == 0
    with pytest.raises(NotFound):
        await to_a.call("cat", ["/d/sub/x", 0, "2001-01-01"])


async def test_what_was_removed_comes_back_where_it_was(nodes: Two) -> None:
    await nodes.to_b.call("store", ["/far/gone/x", state(n=1)])
    await nodes.to_b.call("rm", ["/far/gone", True])
    assert (await nodes.to_a.call("restore", ["/far/gone"]))["node"] == "b"
    assert await nodes.to_a.call("cat", ["/far/gone/x"]) == {"n": 1}
    with pytest.raises(NotFound):
        await nodes.to_a.call("restore", ["/never"])


async def test_what_goes_on_below_a_directory_goes_on_in_the_volumes_there(nodes: Two) -> None:
    await nodes.to_a.call("store", ["/d/a", state()])
    await nodes.to_a.call("store", ["/d/sub/b", state()])
    assert (await nodes.to_b.call("chmod", ["/d", "rwx------", True]))["node"] == "a"
    await nodes.to_a.call("chown", ["/d", "ann", None, True])
    for path in ("/d", "/d/a", "/d/sub", "/d/sub/b"):
        found = await nodes.to_a.call("get", [path])
        assert (found["perms"], found["owner"]) == ("rwx------", "ann")
    with pytest.raises(NotFound):
        await nodes.to_a.call("chmod", ["/none", "700"])
    await nodes.b.stop()
    with pytest.raises(Unavailable, match="node b"):
        await nodes.to_a.call("chmod", ["/d", "rwxrwxrwx", True])
    assert (await nodes.to_a.call("get", ["/d"]))["perms"] == "rwx------"


async def test_a_directory_with_a_volume_in_it_stays_where_it_is(nodes: Two) -> None:
    await nodes.to_a.call("store", ["/d/a", state()])
    await nodes.to_a.call("store", ["/d/sub/b", state()])
    for name, args in (("mv", ["/d", "/e"]), ("mv", ["/d/sub", "/e"]), ("rm", ["/d", True]), ("rm", ["/d/sub", True])):
        with pytest.raises(Conflict, match="/d/sub is a volume"):
            await nodes.to_b.call(name, args)
    await nodes.to_b.call("mv", ["/d/a", "/d/c"])
    assert [entry["name"] async for entry in nodes.to_b.stream("tree", ["/d"])] == ["c", "sub", "b"]


async def test_a_stale_update_is_merged_where_the_object_is(nodes: Two) -> None:
    note = Note(name="n", path="/notes", lines=["one"])
    await Client(nodes.to_b).store(note)
    await nodes.to_b.call("update", ["/notes/n", state(lines=["two"])])
    assert (await nodes.to_a.call("update", ["/notes/n", state(about="x"), 1]))["version"] == 3
    assert [await nodes.to_a.call("cat", [f"/notes/n.{field}"]) for field in ("lines", "about")] == [["two"], "x"]
    with pytest.raises(Conflict, match="lines"):
        await nodes.to_a.call("update", ["/notes/n", state(lines=["three"]), 1])
    with pytest.raises(Conflict, match="removed"):
        await nodes.to_a.call("update", ["/notes/gone", state(lines=[]), 1])


async def test_references_lead_to_the_other_node(nodes: Two) -> None:
    """There and back."""
    to_a, to_b = Client(nodes.to_a), Client(nodes.to_b)
    last = await to_a.store(Note(name="last", path="/near", lines=["end"]))
    far = await to_b.store(Note(name="far", path="/far", about=codec.Reference(last.uuid)))
    await to_a.store(Note(name="first", path="/near", about=codec.Reference(far.uuid)))
    for client in (to_a, to_b):
        assert await client.cat("/near/first.about.about.lines") == ["end"]
        assert await client.cat("/near/first.about.name") == "far"
        assert [pointer.full_path for pointer in await client.references("/near/first")] == ["/far/far"]
        assert [pointer.full_path for pointer in await client.references("/far/far")] == ["/near/last"]
        assert [pointer.full_path for pointer in await client.references("/far/far", back=True)] == ["/near/first"]
        assert [pointer.full_path for pointer in await client.references("/near/last", back=True)] == ["/far/far"]
    await to_b.chmod("/far/far", "rwx------")
    for path in ("/", "/near", "/far", "/near/first"):
        await to_b.chmod(path, "rwxr-xr-x")
    bob = to_a.as_user("bob")
    assert await bob.references("/near/first") == []
    with pytest.raises(PermissionDenied):
        await bob.cat("/near/first.about.name")
    await to_b.rm("/far/far")
    with pytest.raises(NotFound, match="removed"):
        await to_a.cat("/near/first.about.name")
    assert await to_a.references("/near/first") == []


async def test_references_back_come_from_all_nodes(nodes: Two) -> None:
    to_a, to_b = Client(nodes.to_a), Client(nodes.to_b)
    target = codec.Reference((await to_a.store(Note(name="target"))).uuid)
    for number in range(5):
        await to_b.store(Note(name=f"n{number}", path=("/near", "/far")[number % 2], about=target))
    for client in (to_a, to_b):
        assert {each.name for each in await client.references("/target", back=True)} == {f"n{n}" for n in range(5)}
        found, cursor = [], ""
        while cursor or not found:
            page = await client.transport.call("references", ["/target", True, cursor, 2])
            assert len(page["entries"]) <= 2
            found += [entry["name"] for entry in page["entries"]]
            cursor = page["cursor"]
        assert sorted(found) == [f"n{number}" for number in range(5)]
        with pytest.raises(Invalid, match="cursor"):
            await client.transport.call("references", ["/target", True, "nonsense", 2])


async def test_a_mixin_is_made_of_objects_wherever_they_are(nodes: Two) -> None:
    client = Client(nodes.to_b)
    await client.store(Note(name="note", path="/notes"))
    await client.store(Stamp(name="stamp", path="/notes"))
    await Client(nodes.to_a).store(Stamp(name="near", path="/n"))
    to_a = nodes.to_a
    assert (await to_a.call("mixin", ["/notes/note", "/notes/stamp", "NoteStamp", "both", "/notes"]))["node"] == "b"
    assert (await to_a.call("cat", ["/notes/both.colour"])) == "red"
    for first, second, path, node in (
        ("/notes/note", "/n/near", "/notes", "b"),
        ("/n/near", "/notes/note", "/n", "a"),
        ("/notes/note", "/notes/stamp", "/n", "a"),
    ):
        name = f"of{node}{path.count('t')}{first.count('r')}"
        mixed = await to_a.call("mixin", [first, second, "Apart", name, path])
        assert (mixed["node"], mixed["class_name"]) == (node, "Apart")
        assert (await to_a.call("cat", [f"{path}/{name}.colour"])) == "red"
        with pytest.raises(Conflict, match="there already"):
            await to_a.call("mixin", [first, second, "Apart", name, path])
    with pytest.raises(NotFound, match="/notes/none"):
        await to_a.call("mixin", ["/notes/note", "/notes/none", "None_", "none", "/notes"])


async def test_a_tree_of_two_nodes_is_exported_and_loaded_whole(nodes: Two, start_node: StartNode) -> None:
    await nodes.to_a.call("store", ["/d/a", state(n=1)])
    await nodes.to_b.call("store", ["/d/sub/b", state(n=2)])
    records = await everything(nodes.to_a.stream("export", ["/d"]))
    assert [record["path"] for record in records] == ["/", "/a", "/sub", "/sub/b"]
    assert [record["path"] for record in await everything(nodes.to_a.stream("export", ["/d/sub/b"]))] == ["/b"]
    fresh = await start_node("fresh")
    loading: Any = fresh.filesystem.dispatch("load", ["/copy", records], OPERATOR)
    await loading
    tree = fresh.filesystem.dispatch("tree", ["/"], OPERATOR)
    assert [entry["name"] for entry in await everything(tree)] == ["copy", "a", "sub", "b"]
    await nodes.to_a.call("mount", ["/copy/sub", "b"])
    for path in ("/d/a", "/d/sub/b"):
        await nodes.to_a.call("rm", [path])
    assert await nodes.to_a.call("load", ["/copy", records]) == 4
    found = [await nodes.to_b.call("get", [path]) for path in ("/copy/a", "/copy/sub/b")]
    assert [(row["node"], row["uuid"]) for row in found] == [
        ("a", records[1]["uuid"]),
        ("b", records[3]["uuid"]),
    ]
    await nodes.b.stop()
    with pytest.raises(Unavailable, match="node b"):
        await everything(nodes.to_a.stream("export", ["/d"]))


async def test_a_transaction_works_within_one_node(nodes: Two) -> None:
    to_a, to_b = nodes.to_a, nodes.to_b
    await to_b.call("store", ["/far/x", state(n=1)])
    await to_a.call("store", ["/near/x", state(n=1)])
    far = {"transaction": (await to_a.call("begin", []))["transaction"]}
    await to_a.call("update", ["/far/x", state(n=7)], far)
    assert await to_a.call("cat", ["/far/x.n"], far) == 7
    with pytest.raises(Invalid, match="/near/x is on node a, the transaction on b"):
        await to_a.call("update", ["/near/x", state(n=7)], far)
    assert await to_b.call("cat", ["/far/x.n"]) == 1
    assert (await to_a.call("commit", [far["transaction"]]))["changes"] == 1
    assert await to_b.call("cat", ["/far/x.n"]) == 7
    dropped = {"transaction": (await to_a.call("begin", []))["transaction"]}
    await to_a.call("rm", ["/far/x"], dropped)
    assert await to_a.call("rollback", [dropped["transaction"]])
    assert await to_b.call("cat", ["/far/x.n"]) == 7
    inside = {"transaction": (await to_a.call("begin", []))["transaction"]}
    await to_a.call("update", ["/near/x", state(n=2)], inside)
    await to_a.call("store", ["/near/y", state(n=3)], inside)
    assert await to_a.call("cat", ["/near/x.n"], inside) == 2
    assert [entry["name"] async for entry in to_a.stream("dir", ["/near"], inside)] == ["x", "y"]
    for name, args in (
        ("store", ["/far/x", state()]),
        ("storeall", [[["/near/z", state()], ["/far/x", state()]]]),
        ("cat", ["/far/x.n"]),
        ("getobject", ["/far/x"]),
        ("cp", ["/near/x", "/far/x"]),
        ("mv", ["/far/x", "/near/z"]),
        ("list", ["/far"]),
    ):
        with pytest.raises(Invalid, match=r"/far\S* is on node b, the transaction on a"):
            await to_a.call(name, args, inside)
    with pytest.raises(Invalid, match="on node b"):
        await everything(to_a.stream("tree", ["/far"], inside))
    assert await to_b.call("cat", ["/near/x"]) == {"n": 1}
    assert (await to_a.call("commit", [inside["transaction"]]))["changes"] == 2
    assert await to_b.call("cat", ["/near/x"]) == {"n": 2}
    with pytest.raises(NotFound):
        await to_a.call("cat", ["/near/x"], inside)


async def test_what_another_node_removed_is_not_made_anew(nodes: Two) -> None:
    """The nodes of one cluster are one filesystem for what was read from it; what is from elsewhere is new."""
    to_a, to_b = Client(nodes.to_a), Client(nodes.to_b)
    await to_b.storeall([Note(name="n", path="/notes"), Note(name="m", path="/notes")])
    read = [await to_a.getobject("/notes/n"), await to_a.getobject("/notes/m")]
    assert read[0].node == "b"
    await to_b.rm("/notes/n")
    with pytest.raises(Conflict, match="moved or removed"):
        await to_a.store(read[0])
    with pytest.raises(Conflict, match="moved or removed"):
        await to_a.storeall(read)
    with pytest.raises(Conflict, match="moved or removed"):
        async with to_a.transaction() as inside:
            await inside.store(read[0])
    for each in read:
        each.node, each.uuid = "afar", f"{int(each.uuid, 16) ^ 1:032x}"
    assert (await to_a.store(read[0])).node == "b"
    with pytest.raises(Conflict, match="another object"):
        await to_a.store(read[1])
    read[1].name = "l"
    assert [pointer.node for pointer in await to_a.storeall([read[1]])] == ["b"]
    assert (await to_b.versions("/notes/l"))[0]["from"].startswith("afar:")
