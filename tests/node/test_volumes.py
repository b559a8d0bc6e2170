"""Volumes: a name is one thing in a cluster, whoever is asked, and whoever is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from emerge_wasm import EmergeFile, PartialAnswer, codec
from emerge_wasm.clients.client import Client
from emerge_wasm.errors import Conflict, Invalid, Unavailable
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Answer, Context
from emerge_wasm.stores.memory import MemoryStore

from .conftest import OPERATOR, Connect, StartNode, eventually, names, two

STATE = codec.encode({"n": 1})


async def call(node: Node, name: str, *args: object) -> object:
    answer = node.dispatch(name, list(args), OPERATOR)
    return await answer  # type: ignore[misc]


async def test_a_new_path_is_one_object_whoever_stores_it(start_node: StartNode) -> None:
    a, b = await two(start_node)
    await call(a, "mount", "/projects", "b")
    for number in range(20):
        path = f"/{'projects/' if number % 2 else ''}w{number}"
        stored = await asyncio.gather(
            call(a, "store", path, STATE), call(b, "store", path, STATE), return_exceptions=True
        )
        seen = [await call(node, "get", path) for node in (a, b)]
        assert seen[0]["uuid"] == seen[1]["uuid"]
        assert sorted(row["version"] for row in stored) == [1, 2]
        owner = "b" if number % 2 else "a"
        assert seen[0]["node"] == owner
    for node in (a, b):
        assert (await call(node, "count", "/"))["count"] == 20
        tree = [row async for row in node.dispatch("tree", ["/"], OPERATOR)]
        assert sum(row["type"] == "file" for row in tree) == 20
        listed = (await call(node, "list", "/"))["entries"]
        assert [row["name"] for row in listed if row["type"] == "directory"] == ["projects"]


async def test_what_is_away_is_unavailable_and_cannot_be_made_anew(start_node: StartNode, connect: Connect) -> None:
    store_a, store_b = MemoryStore(), MemoryStore()
    a = await start_node("a", store=store_a)
    await a.volumes.found()
    b = await start_node("b", (a.endpoint,), store=store_b)
    await eventually(lambda: names(a.cluster) == ["b"] and names(b.cluster) == ["a"])
    await call(a, "mount", "/projects", "b")
    await call(a, "store", "/projects/x/w", STATE)
    await call(a, "store", "/own", STATE)
    await b.stop()

    async def check(node: Node) -> None:
        for path in ("/projects/x/w", "/projects/never", "/projects"):
            for operation, *args in (("get",), ("store", STATE), ("rm", True), ("mkdir",), ("search",), ("list",)):
                with pytest.raises((Unavailable, Conflict)) as raised:
                    await call(node, operation, path, *args)
                assert "b" in raised.value.message or "volume" in raised.value.message
        assert (await call(node, "count", "/")) == {
            "count": 1,
            "scanned": 1,
            "errors": {"count": 0, "first": []},
            "missing": ["b"],
        }
        page = await call(node, "search", "/")
        assert page["missing"] == ["b"] and len(page["objects"]) == 1
        listed = await call(node, "list", "/")
        assert listed["missing"] == ["b"] and [row.get("missing") for row in listed["entries"]] == [None, "b"]

    await check(a)
    await a.stop()
    a = await start_node("a", store=store_a)
    await check(a)
    assert [row["away"] for row in await call(a, "volumes")] == [False, True]
    b = await start_node("b", (a.endpoint,), store=store_b)
    await eventually(lambda: names(a.cluster) == ["b"] and names(b.cluster) == ["a"])
    assert (await call(a, "get", "/projects/x/w"))["node"] == "b"
    assert (await call(b, "count", "/"))["count"] == 2


async def test_own_things_are_mounted_at_home(start_node: StartNode) -> None:
    a = await start_node("a")
    await call(a, "store", "/inventory/w0", STATE)
    await a.volumes.found()
    store = MemoryStore()
    alone = await start_node("b", store=store)
    await call(alone, "store", "/inventory/w0", STATE)
    await call(alone, "store", "/nodes/w1", STATE)
    await alone.stop()
    b = await start_node("b", (a.endpoint,), store=store)
    await eventually(lambda: names(a.cluster) == ["b"] and names(b.cluster) == ["a"])
    for node in (a, b):
        assert (await call(node, "count", "/"))["count"] == 3
        assert (await call(node, "get", "/inventory/w0"))["node"] == "a"
        assert (await call(node, "get", "/nodes/b/inventory/w0"))["node"] == "b"
        assert (await call(node, "get", "/nodes/b/nodes/w1"))["node"] == "b"


async def test_all_things_come_home_however_many_and_however_often_it_is_begun(start_node: StartNode) -> None:
    a = await start_node("a")
    await a.volumes.found()
    store = MemoryStore()
    alone = await start_node("b", store=store)
    await call(alone, "storeall", [[f"/x{number:04}", STATE] for number in range(1200)])
    for path in ("/nodes/other/w", "/d/e"):
        await call(alone, "store", path, STATE)
    own = alone.filesystem.dispatch
    moved = 0

    def interrupted(name: str, args: Sequence[object], context: Context | None = None) -> Answer:
        nonlocal moved
        moved += name == "mv"
        if moved == 40:
            raise Unavailable("it is killed here")
        return own(name, args, context)

    alone.filesystem.dispatch = interrupted  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="killed"):
        await alone.admission.enter(a.cluster.identity, alone.cluster.link(a.cluster.identity))
    await alone.stop()
    b = await start_node("b", (a.endpoint,), store=store)
    await eventually(lambda: names(a.cluster) == ["b"] and names(b.cluster) == ["a"], 10)
    for node in (a, b):
        assert (await call(node, "count", "/"))["count"] == 1202
        for path in ("/x0000", "/x1199", "/nodes/other/w", "/d/e"):
            assert (await call(node, "get", f"/nodes/b{path}"))["node"] == "b"


async def test_nothing_is_left_beside_what_stays(start_node: StartNode) -> None:
    a = await start_node("a")
    await a.volumes.found()
    b = await start_node("b", mount=("/in/x", "/in/deep/y"))
    for path in ("/in/x/w", "/in/deep/y/w", "/in/deep/z"):
        await call(b, "store", path, STATE)
    link = b.cluster.link(a.cluster.identity)
    with pytest.raises(Invalid, match="/in/deep has z beside what --mount /in/deep/y names"):
        await b.admission.enter(a.cluster.identity, link)
    assert [volume.path for volume in a.volumes.table.volumes] == ["/"]
    await call(b, "rm", "/in/deep/z")
    await b.admission.enter(a.cluster.identity, link)
    assert [volume.path for volume in a.volumes.table.volumes] == ["/in/deep/y", "/in/x", "/"]
    assert (await call(b, "get", "/in/deep/y/w"))["node"] == "b"


async def test_collisions_are_refused(start_node: StartNode) -> None:
    a = await start_node("a")
    await call(a, "store", "/inventory/w0", STATE)
    await a.volumes.found()
    b = await start_node("b")
    await call(b, "store", "/inventory/w0", STATE)
    b.volumes.paths = ("/inventory",)
    with pytest.raises(Conflict, match="/inventory"):
        await b.admission.enter(a.cluster.identity, b.cluster.link(a.cluster.identity))


async def test_a_volume_has_the_rights_of_the_directory_that_it_takes_the_place_of(start_node: StartNode) -> None:
    a, b = await two(start_node)
    for path, node in (("/ours", "b"), ("/ours/deep", "a")):
        await call(a, "mkdir", path)
        await call(a, "chmod", path, "rwxr-x---")
        await call(a, "chown", path, "ann", "staff")
        if node == "b":
            await call(a, "mount", path, node)
        for asked in (a, b):
            top = await call(asked, "get", path)
            assert (top["node"], top["perms"], top["owner"], top["group"]) == ("b", "rwxr-x---", "ann", "staff")


async def test_a_volume_can_be_used_once_it_is_made_however_new_its_owner_is(start_node: StartNode) -> None:
    a = await start_node("a")
    await a.volumes.found()
    starting = asyncio.create_task(start_node("b", (a.endpoint,)))
    while not any(each.node == "b" for each in a.volumes.current().members):  # noqa: ASYNC110  # no later than that
        await asyncio.sleep(0)
    await call(a, "mount", "/tools", "b")
    assert (await call(a, "store", "/tools/saw", STATE))["node"] == "b"
    await starting


async def test_volumes_made_at_once_are_all_made(start_node: StartNode) -> None:
    a, b = await two(start_node)
    places = [f"/{kind}{number}" for kind in ("new", "empty", "full") for number in range(2)]
    for path in places:
        if not path.startswith("/new"):
            await call(a, "mkdir", path)
        if path.startswith("/full"):
            await call(a, "store", f"{path}/w", STATE)
    await asyncio.gather(*(call((a, b)[number % 2], "mount", path, "b") for number, path in enumerate(places)))
    for before, node in enumerate((a, b)):
        for path in places:
            assert (await call(node, "get", path))["node"] == "b"
            assert (await call(node, "count", path))["count"] == before + path.startswith("/full")
            await call(node, "store", f"{path}/{node.filesystem.node}", STATE)


async def test_a_program_is_warned_of_what_is_missing(start_node: StartNode, connect: Connect) -> None:
    a, b = await two(start_node)
    await call(a, "mount", "/projects", "b")
    async with Client(connect(a.endpoint)) as fs:
        await fs.store(EmergeFile(name="own", path="/"))
        await b.stop()
        with pytest.warns(PartialAnswer, match="node b is away: what it holds is left out"):
            found = await fs.search(path="/")
        assert found.missing == ["b"] and [obj.name for obj in found] == ["own"]
        with pytest.warns(PartialAnswer):
            assert (await fs.count()).missing == ["b"]
        with pytest.warns(PartialAnswer):
            assert (await fs.list("/")).missing == ["b"]
        with pytest.warns(PartialAnswer):
            assert [pointer.name async for pointer in fs.tree("/")] == ["own", "projects"]
        answer = await fs.graphql("{ objects { count } }")
        assert "node b is away" in answer["errors"][0]["message"]


NEEDS_B: list[tuple[object, ...]] = [
    ("mount", "/new", "b"),
    ("mount", "/b", "c"),
    ("unmount", "/b"),
    ("mv", "/w", "/b/w"),
    ("mv", "/b/w", "/w2"),
    ("cp", "/w", "/b/w3"),
    ("cp", "/b/w", "/w3"),
    ("cp", "/b", "/d", True),
    ("mixin", "/w", "/b/w", "Both", "both", "/"),
    ("storeall", [["/w", STATE], ["/b/w", STATE]]),
    ("chmod", "/", "a+r", True),
    ("chown", "/b", "ann", "", True),
    ("rm", "/b/w"),
    ("index", "/", ["n"]),
    ("index", "/b", ["n"]),
    ("retain", "/b", "2"),
    ("restore", "/b/w", 1),
    ("run", "/b/w", "name"),
    ("store", "/b/new", STATE),
    ("mkdir", "/b/d/e"),
    ("promote", "/b"),
    *((name, "/b/w") for name in ("get", "getobject", "cat", "versions", "methods", "code", "list", "references")),
]


async def test_whoever_is_away_is_named_and_nothing_is_changed(start_node: StartNode) -> None:
    a, b = await two(start_node)
    c = await start_node("c", (a.endpoint,))
    await eventually(lambda: all(len(names(node.cluster)) == 2 for node in (a, b, c)))
    await call(a, "mount", "/b", "b")
    for path in ("/w", "/b/w"):
        await call(a, "store", path, STATE)
    await b.stop()
    gone = b.cluster.identity
    await eventually(lambda: not any(node.cluster.link(gone).connected for node in (a, c)))  # else it goes under way
    for number, (name, *args) in enumerate(NEEDS_B):
        with pytest.raises(Unavailable if name != "promote" else Invalid) as error:
            await call((a, c)[number % 2], str(name), *args)
        assert error.value.remedy, name
        if name != "promote":  # there is no copy
            assert "node b" in error.value.message and error.value.details["missing"] == ["b"], (name, error.value)
        assert not error.value.details.get("unknown"), (name, error.value)
    assert [(row["path"], row["node"]) for row in await call(a, "volumes")] == [("/", "a"), ("/b", "b")]  # type: ignore[index]
    page = await call(a, "list", "/")
    assert [(row["name"], row["version"]) for row in page["entries"]] == [("b", 1), ("w", 1)]  # type: ignore[index]


async def test_a_table_that_is_not_the_newest_changes_no_answer(start_node: StartNode) -> None:
    """Whoever asks; the one who does not keep the table may be behind."""
    a, b = await two(start_node)
    for number in range(4):
        path, node = f"/v{number}", ("a", "b")[number % 2]
        old = b.volumes.table
        assert old is not None
        await call(a, "mount", path, node)
        for asker in (a, b):
            b.volumes.table = old
            await call(asker, "store", f"{path}/{asker.filesystem.node}", STATE)
            b.volumes.table = old
            assert (await call(asker, "count", path))["count"] == (1 if asker is a else 2)
        for asker in (a, b):
            b.volumes.table = old
            assert (await call(asker, "count", "/"))["count"] == 2 * number + 2
            b.volumes.table = old
            assert len((await call(asker, "search", "/"))["objects"]) == 2 * number + 2


async def test_who_knows_an_older_table_streams_what_all_do(start_node: StartNode) -> None:
    a, b = await two(start_node)
    await call(a, "mount", "/far", "b")
    await call(a, "mkdir", "/d")
    for number in range(3):
        before = b.volumes.table
        path = f"/v{number}"
        await call(a, "mount", path, "b")
        await call(a, "store", f"{path}/x", STATE)
        for name, *args in (("tree", "/"), ("dir", path), ("export", path)):
            items = [item async for item in a.dispatch(name, args, OPERATOR)]
            b.volumes.table = before
            assert [item async for item in b.dispatch(name, args, OPERATOR)] == items != []
            assert b.volumes.table == a.volumes.table
