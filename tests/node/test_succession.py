"""Moves, deaths and promotions: an object is at one name in one store, and what only one store has is kept."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from emerge_wasm import codec
from emerge_wasm.errors import EmergeError
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.handover import arrival, departure
from emerge_wasm.node.node import Node
from tests.scale import SCALE, examples

from .conftest import OPERATOR, StartNode, eventually, names
from .mortal import Place, make_place


def number(value: int) -> bytes:
    return codec.encode({"n": value})


async def rows(filesystem: Filesystem, path: str) -> list[tuple[str, str]]:
    """The uuids and paths of all objects that a filesystem itself has below a path."""
    answer = filesystem.dispatch("tree", [path], OPERATOR)
    try:
        found = [row async for row in answer]  # type: ignore[union-attr]  # a stream
    except EmergeError:
        return []
    return [(row["uuid"], f"{row['path'].rstrip('/')}/{row['name']}") for row in found if row["type"] != "directory"]


async def owned(nodes: list[Node]) -> list[tuple[str, str]]:
    """The uuids and paths of all objects in the stores that own something."""
    table = max((node.volumes.current() for node in nodes), key=lambda each: each.version)
    copies = {copy.filesystem for volume in table.volumes for copy in table.copies(volume.path)}
    found = []
    for node in nodes:
        for filesystem in (node.filesystem, *node.volumes.hosted.values()):
            if filesystem.uuid not in copies:
                found += await rows(filesystem, "/")
    return found


async def values(node: Node) -> dict[str, object]:
    """The values of all objects in the tree, by path."""
    found = {}
    async for row in node.dispatch("tree", ["/"], OPERATOR):  # type: ignore[union-attr]  # a stream
        if row["type"] != "directory":
            path = f"{row['path'].rstrip('/')}/{row['name']}"
            answer = await node.dispatch("getobject", [path], OPERATOR)  # type: ignore[misc]
            found[path] = codec.decode(answer["state"])["n"]
    return found


async def settled(place: Place, *, quiet: bool = True) -> list[tuple[str, str]]:
    """Everything in the stores that own something, once no uuid is there twice; `quiet`: and nothing waits."""
    found: list[tuple[str, str]] = []
    for _ in range(150):
        found = await owned(list(place.nodes.values()))
        if len({uuid for uuid, _ in found}) == len(found) and not (quiet and await waiting(place)):
            return found
        await asyncio.sleep(0.05)
    double = [uuid for uuid, count in Counter(uuid for uuid, _ in found).items() if count > 1]
    raise AssertionError(sorted((uuid, path) for uuid, path in found if uuid in double), await waiting(place))


async def waiting(place: Place) -> list[object]:
    """What is unfinished in any store."""
    found: list[object] = []
    for node in place.nodes.values():
        for filesystem in (node.filesystem, *node.volumes.hosted.values()):
            for each in (*await departure.intents(filesystem.core), *await arrival.arrivals(filesystem.core)):
                found.append((node.filesystem.node, filesystem.uuid[:8], each))
    return found


async def copied(place: Place, path: str, copies: int) -> None:
    for _ in range(300):
        report = await place.call("a", "replicate", path)
        assert isinstance(report, dict)
        if len(report["copies"]) == copies and all(row["same"] for row in report["copies"]):
            return
        await asyncio.sleep(0.03)
    raise AssertionError(report)


async def stop(place: Place, name: str) -> None:
    """End a process; it may be started again with what it had committed."""
    store = place.stores[name]
    store.lives = False
    await place.nodes.pop(name).stop()
    place.stores[name] = store.reborn()
    here = set(place.nodes)
    await eventually(
        lambda: all(
            {each.node for each in node.cluster.peers()} == here - {node.filesystem.node}
            for node in place.nodes.values()
        ),
        10,
    )


async def start(place: Place, name: str) -> None:
    await place.start(name)
    await meet(place)


async def meet(place: Place) -> None:
    nodes, here = list(place.nodes.values()), set(place.nodes)
    await eventually(lambda: all({*names(node.cluster), node.filesystem.node} == here for node in nodes), 10)


async def make(start_node: StartNode, folder: Path) -> Place:
    """a has /, b has /b with copies on the others, c has /c; some objects in /b."""
    place = await make_place(start_node, folder)
    await place.call("a", "mount", "/c", "c")
    await place.call("a", "replicate", "/b", 2)
    for value, path in enumerate(("/b/x", "/b/d/y", "/b/d/e/z", "/b/stays")):
        await place.call("a", "store", path, number(value))
    await copied(place, "/b", 2)
    return place


@pytest.mark.parametrize(
    ("taker", "changed"), [("away", True), ("here", False), ("away", False)][: 1 if SCALE == 1 else 3]
)
async def test_what_a_copy_did_not_know_to_be_moved_is_let_go(
    start_node: StartNode, tmp_path: Path, taker: str, changed: bool
) -> None:
    """a's copy does not hear that something is moved to c; b is lost, and a's is promoted."""
    place = await make(start_node, tmp_path)
    await stop(place, "a")
    for source, target in (("/b/x", "/c/x"), ("/b/d", "/c/d")):
        await place.call("c", "mv", source, target)
    await stop(place, "b")
    if taker == "away":
        await stop(place, "c")
    await start(place, "a")
    await place.call("a", "promote", "/b", "a")
    if taker == "here":
        assert sorted(path for path in await values(place.nodes["a"]) if path.startswith("/b/")) == ["/b/stays"]
    elif changed:
        await place.call("a", "update", "/b/x", number(97))
        await place.call("a", "store", "/b/d/e/z", number(98))
        await place.call("a", "store", "/b/d/new", number(99))
    if taker == "away":
        await start(place, "c")
    await settled(place)
    if taker == "away":  # it is noticed a moment later
        for _ in range(100):
            if "/b/x" not in await values(place.nodes["a"]):
                break
            await asyncio.sleep(0.05)
    found = await values(place.nodes["c"])
    expected = {"/b/stays": 3, "/c/x": 0, "/c/d/y": 1, "/c/d/e/z": 2}
    assert {path: value for path, value in found.items() if path[:3] in ("/b/", "/c/")} == expected
    kept = {value for path, value in found.items() if "/conflicts/" in path}
    assert kept == ({97, 98, 99} if changed and taker == "away" else set())
    if kept:
        volumes = await place.call("a", "volumes")
        assert any(row["conflicts"] for row in volumes)  # type: ignore[attr-defined]
    await start(place, "b")
    await copied(place, "/b", 2)
    await settled(place)
    assert await values(place.nodes["b"]) == found


async def test_what_is_moved_there_and_back_stays(start_node: StartNode, tmp_path: Path) -> None:
    place = await make(start_node, tmp_path)
    await stop(place, "a")
    for source, target in (("/b/x", "/c/x"), ("/b/d", "/c/d"), ("/c/x", "/b/x"), ("/c/d", "/b/d")):
        await place.call("c", "mv", source, target)
    await stop(place, "b")
    await start(place, "a")
    await place.call("a", "promote", "/b", "a")
    expected = {"/b/stays": 3, "/b/x": 0, "/b/d/y": 1, "/b/d/e/z": 2}
    for name in ("", "b"):
        if name:
            await start(place, name)
            await copied(place, "/b", 2)
        await settled(place)
        assert await values(place.nodes["c"]) == expected


async def test_what_was_moved_within_a_lost_store_is_let_go_when_it_is_back(
    start_node: StartNode, tmp_path: Path
) -> None:
    place = await make_place(start_node, tmp_path)
    await place.call("a", "mount", "/more", "b")
    await place.call("a", "replicate", "/b", 2)
    for value, path in enumerate(("/b/x", "/b/d/y", "/more/z")):
        await place.call("a", "store", path, number(value))
    await copied(place, "/b", 2)
    await stop(place, "a")
    for source, target in (("/b/x", "/more/x"), ("/b/d", "/more/d"), ("/more/z", "/b/z")):
        await place.call("b", "mv", source, target)
    await stop(place, "b")
    await start(place, "a")
    await place.call("a", "promote", "/b", "a")
    await start(place, "b")
    await copied(place, "/b", 2)
    await settled(place)
    found = await values(place.nodes["c"])
    assert {path: value for path, value in found.items() if "/conflicts/" not in path} == {"/more/x": 0, "/more/d/y": 1}
    assert {value for path, value in found.items() if "/conflicts/" in path} == {2}


@pytest.mark.parametrize("seed", range(examples(1)))
async def test_a_move_in_doubt_is_at_one_place_whoever_is_replaced(
    start_node: StartNode, tmp_path: Path, seed: int
) -> None:
    """The source or the target of a move dies at one of its commits, and is replaced; then it comes back."""
    dice = random.Random(seed)
    place = await make(start_node, tmp_path)
    await place.call("a", "replicate", "/c", 2)
    await copied(place, "/c", 2)
    dies = dice.choice("bc")
    place.stores[dies].die(dice.randrange(1, 9), dice.random() < 0.5)
    source, target = dice.choice((("/b/x", "/c/x"), ("/b/d", "/c/d")))
    try:
        await asyncio.wait_for(place.call("a", "mv", source, target), 10)
        await copied(place, f"/{dies}", 2)  # else what a copy has not yet is a conflict
    except (EmergeError, TimeoutError, AssertionError):
        pass
    await stop(place, dies)
    await place.call("a", "promote", f"/{dies}", "a")
    found = await settled(place, quiet=False)
    await place.call("a", "store", "/b/later", number(50))
    await start(place, dies)
    await copied(place, f"/{dies}", 2)
    found = await settled(place)
    there = await values(place.nodes["a"])
    assert set(there.values()) == {0, 1, 2, 3, 50} and len(found) == len(there), there
    ordinary = [value for path, value in there.items() if "/conflicts/" not in path]
    assert len(set(ordinary)) == len(ordinary) == 5, there


class Game:
    """Objects that are moved about, whose nodes are killed and replaced; each value is stored once."""

    def __init__(self, place: Place, seed: int) -> None:
        self.place, self.dice = place, random.Random(seed)
        self.last: dict[str, int] = {}
        self._number = 100

    def path(self) -> str:
        return self.dice.choice(("/b/", "/b/d/", "/c/", "/c/d/", "/o/")) + self.dice.choice("uvw")

    async def play(self, steps: int) -> None:
        for _ in range(steps):
            node = self.dice.choice(list(self.place.nodes))
            path, self._number = self.path(), self._number + 1
            what = self.dice.choice(("store", "store", "mv", "mv", "mv", "tree"))
            try:
                if what == "store":
                    row = await self.place.call(node, "store", path, number(self._number))
                    self.last[row["uuid"]] = self._number  # type: ignore[index]
                elif what == "mv":
                    await self.place.call(node, "mv", path, self.path())
                else:
                    one, other = self.dice.sample(["/b", "/c"], 2)
                    await self.place.call(node, "mv", f"{one}/d", f"{other}/{self.dice.choice('de')}")
            except EmergeError:
                continue

    async def replace_one(self) -> None:
        """One node's copies stop hearing; the owner is killed, perhaps in a commit; another one's copy is promoted."""
        owner = self.dice.choice("bc")
        deaf = self.dice.choice(sorted(set("abc") - {owner}))
        await stop(self.place, deaf)
        if self.dice.random() < 0.5:
            self.place.stores[owner].die(self.dice.randrange(1, 40), self.dice.random() < 0.5)
        await self.play(6)
        await stop(self.place, owner)
        await start(self.place, deaf)
        for row in await self.place.call(deaf, "volumes"):  # type: ignore[attr-defined]
            if row["node"] == owner:
                try:
                    await self.place.call(deaf, "promote", row["path"])
                except EmergeError:  # it has no copy now
                    continue
        await self.play(6)
        await start(self.place, owner)


@pytest.mark.parametrize("seed", range(examples(1)))
async def test_after_any_moves_deaths_and_promotions_a_uuid_is_at_one_name(
    start_node: StartNode, tmp_path: Path, seed: int
) -> None:
    place = await make(start_node, tmp_path)
    await place.call("a", "replicate", "/c", 2)
    game = Game(place, seed)
    await game.play(8)
    for _ in range(2):
        await game.replace_one()
        await game.play(4)
    await copied(place, "/b", 2)
    await copied(place, "/c", 2)
    found = await settled(place)
    for node in place.nodes.values():
        there = await values(node)
        assert sorted(there) == sorted(path for _, path in found)
        assert [value for value in game.last.values() if value not in there.values()] == [], "something was dropped"
