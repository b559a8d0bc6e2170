"""Nodes that had things before they enter a cluster, whatever they are called: each is at one path afterwards."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from emerge_wasm import codec
from emerge_wasm.errors import Conflict, EmergeError, Invalid
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Transport
from emerge_wasm.paths import split_path
from emerge_wasm.stores.memory import MemoryStore
from tests.scale import examples

from .conftest import OPERATOR, StartNode, eventually, names

PARTS = ("inventory", "w0", "nodes", "a", "b", "Ä b", "x.y", ".z", "名前", "w" * 120, "0", "-r", "a%2f", "registry2")


async def call(node: Node, name: str, *args: object) -> object:
    answer = node.dispatch(name, list(args), OPERATOR)
    return await answer  # type: ignore[misc]


def random_paths(dice: Random) -> list[str]:
    """Paths of objects, of which none is above another."""
    made: list[str] = []
    for _ in range(dice.randint(0, 8)):
        path = "/" + "/".join(dice.choice(PARTS) for _ in range(dice.randint(1, 4)))
        if all(not f"{path}/".startswith(f"{each}/") and not f"{each}/".startswith(f"{path}/") for each in made):
            made.append(path)
    return made


async def plant(node: Node, paths: list[str]) -> dict[str, str]:
    """The uuid of each, by path."""
    found = {}
    for path in paths:
        row = await call(node, "store", path, codec.encode({"at": path}))
        found[path] = str(row["uuid"])  # type: ignore[index]  # a pointer
    return found


async def all_here(nodes: list[Node]) -> None:
    await eventually(lambda: all(len(names(node.cluster)) == len(nodes) - 1 for node in nodes))


async def all_objects(node: Node) -> dict[str, list[str]]:
    """The paths that each object has as a node shows it, by uuid."""
    found: dict[str, list[str]] = {}
    async for row in node.dispatch("tree", ["/"], OPERATOR):  # type: ignore[union-attr]  # it streams
        if row["type"] == "file":
            found.setdefault(row["uuid"], []).append(f"{row['path'].rstrip('/')}/{row['name']}")
    return found


async def test_what_everybody_had_is_there_once(start_node: StartNode) -> None:
    dice = Random()
    seed = dice.getrandbits(32)
    for number in range(examples(5)):
        dice.seed(seed + number)
        stores = {name: MemoryStore() for name in ("a", "b", "c")}
        had = {name: {} for name in stores}  # type: dict[str, dict[str, str]]
        for name, store in stores.items():
            alone = await start_node(name, store=store)
            had[name] = await plant(alone, random_paths(dice))
            await alone.stop()
        first = await start_node("a", store=stores["a"])
        await first.volumes.found()
        nodes, stay = [first], {"a": list(had["a"])}
        for name in ("b", "c"):
            tops = sorted({f"/{split_path(path)[0]}" for path in had[name]})
            stay[name] = dice.sample(tops, dice.randint(0, min(2, len(tops))))
            node = await start_node(name, store=stores[name])
            node.volumes.paths = tuple(stay[name])
            link = node.cluster.link(first.cluster.identity)
            try:
                await node.admission.enter(first.cluster.identity, link)
            except (Conflict, Invalid) as error:
                assert any(path in error.message for path in (*stay[name], f"/nodes/{name}")), (seed + number, error)
                left = {path for paths in (await all_objects(node)).values() for path in paths}
                assert left == set(had[name]), (seed + number, error, stay)
                await node.stop()
            else:
                nodes.append(node)
                await all_here(nodes)
        inside = {node.filesystem.node for node in nodes}
        for node in nodes:
            found = await all_objects(node)
            assert set(found) == {uuid for name in inside for uuid in had[name].values()}, seed + number
            for name in inside:
                for path, uuid in had[name].items():
                    stays = name == "a" or f"/{split_path(path)[0]}" in stay[name]
                    stays = stays or path.startswith(f"/nodes/{name}/")  # as if it were there already
                    assert found[uuid] == [path if stays else f"/nodes/{name}{path}"] or stays
                    assert (await call(node, "get", found[uuid][0]))["uuid"] == uuid  # type: ignore[index]
        for node in nodes:
            await node.stop()


REFUSED = [
    (["/x/o"], ["/registry"], Invalid),
    (["/x/o", "/y/o"], ["/y", "/"], Invalid),
    (["/x/o", "/taken/sub/o"], ["/taken/sub"], Conflict),
    (["/x/o", "/nodes/b/o", "/y"], ["/x", "/taken"], Conflict),
    (["/nodes/o", "/nodes/b/o", "/y"], ["/taken"], Conflict),
    (["/x/o", "/quick/o"], ["/quick"], Conflict),
    (["/x/o", "/nodes/o", "/nodes/b/o", "/quick/o"], ["/quick"], Conflict),
    (["/x", "/nodes/b/o", "/quick/o"], ["/quick"], Conflict),
    (["/early/o", "/quick/o"], ["/early", "/quick"], Conflict),
    (["/x", "/early/in/o", "/early/to/p", "/quick/o", "/z/o"], ["/early/in", "/early/to", "/quick", "/z"], Conflict),
]


class Quicker:
    """A way to a node at which something else is stored just before a volume is to be mounted there."""

    def __init__(self, first: Node, link: Transport) -> None:
        self._first = first
        self._link = link

    async def call(self, name: str, args: list[object]) -> object:
        if name == "_cluster_mounts" and "/quick" in args[0]:  # type: ignore[operator]  # paths
            await plant(self._first, ["/quick/other"])
        return await self._link.call(name, args)


async def test_who_is_refused_has_changed_nothing(start_node: StartNode) -> None:
    """Also when another one is quicker, after all was found to be free."""
    first = await start_node("a")
    await first.volumes.found()
    await plant(first, ["/taken/o"])
    await call(first, "mount", "/taken/sub", "a")
    for number, (had, stay, kind) in enumerate(REFUSED):
        node = await start_node(f"b{number}")
        before = await plant(node, [path.replace("/b/", f"/b{number}/") for path in had])
        node.volumes.paths = tuple(stay)
        link: Any = Quicker(first, node.cluster.link(first.cluster.identity))
        with pytest.raises(kind):
            await node.admission.enter(first.cluster.identity, link)
        await call(first, "rm", "/quick", True) if "/quick" in stay else None
        assert [row["path"] for row in await call(first, "volumes")] == ["/", "/taken/sub"]  # type: ignore[index]
        for path in stay if number > 4 else ():
            await call(first, "store", f"{path}/again", codec.encode({}))
            await call(first, "rm", f"/{split_path(path)[0]}", True)
        assert {paths[0]: uuid for uuid, paths in (await all_objects(node)).items()} == before, (had, stay)
        await node.stop()


async def test_what_is_above_is_mounted_first(start_node: StartNode) -> None:
    first = await start_node("a")
    await first.volumes.found()
    node = await start_node("b")
    had = await plant(node, ["/in/the/first/o", "/in/o", "/registry2/o"])
    node.volumes.paths = ("/in/the/first", "/registry2", "/in")
    await node.admission.enter(first.cluster.identity, node.cluster.link(first.cluster.identity))
    await all_here([first, node])
    assert {paths[0]: uuid for uuid, paths in (await all_objects(first)).items()} == had


async def test_a_name_is_one_thing_whoever_makes_it_and_whatever_they_make(start_node: StartNode) -> None:
    """Objects, directories and trees of one name, stored through all nodes at once, in the root and in volumes."""
    dice = Random()
    seed = dice.getrandbits(32)
    dice.seed(seed)
    first = await start_node("a")
    await first.volumes.found()
    nodes = [first, await start_node("b", (first.endpoint,)), await start_node("c", (first.endpoint,))]
    await all_here(nodes)
    await call(first, "mount", "/b", "b")
    await call(first, "mount", "/b/c", "c")
    for number in range(examples(15)):
        path = f"{dice.choice(['', '/b', '/b/c'])}/{dice.choice(PARTS)}{number}"
        ways = [("store", path, codec.encode({"n": 1})), ("mkdir", path), ("store", f"{path}/deep/x", codec.encode({}))]
        asked = [(node, dice.choice(ways)) for node in nodes for _ in range(2)]
        done = await asyncio.gather(*(call(node, *way) for node, way in asked), return_exceptions=True)
        assert all(isinstance(each, (dict, EmergeError)) for each in done), (seed, done)
        seen = [await call(node, "get", path) for node in nodes]
        assert len({(row["uuid"], row["type"], row["node"]) for row in seen}) == 1, seed  # type: ignore[index]
        folder = path.rpartition("/")[0] or "/"
        for node in nodes:
            page = await call(node, "list", folder)
            listed = [row["name"] for row in page["entries"]]  # type: ignore[index]
            assert listed.count(path.rpartition("/")[2]) == 1 and len(set(listed)) == len(listed)
