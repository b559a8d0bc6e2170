"""Copies that are lost, or have more than the one that was promoted: they are made again, and nothing is dropped."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from emerge_wasm import codec
from emerge_wasm.errors import EmergeError, Unavailable
from emerge_wasm.node.node import Node
from emerge_wasm.results import CopyReport
from tests.scale import SCALE, examples

from .conftest import OPERATOR, StartNode, eventually, names

STATE = codec.encode({"n": 0})


async def call(node: Node, name: str, *args: object) -> object:
    answer = node.dispatch(name, list(args), OPERATOR)
    return await answer  # type: ignore[misc]


async def copied(node: Node, path: str, number: int) -> CopyReport:
    """The report of a volume's copies, once there are so many and all are what the owner is."""
    report: object = None
    for _ in range(300):
        report = await call(node, "replicate", path)
        assert isinstance(report, dict)
        if len(report["copies"]) == number and all(row["same"] for row in report["copies"]):
            return report  # type: ignore[return-value]  # a map of this type
        await asyncio.sleep(0.03)
    raise AssertionError(report)


async def tree(node: Node, path: str) -> dict[str, object]:
    """The values of all objects below a path, by their paths."""
    rows = [row async for row in node.dispatch("tree", [path], OPERATOR)]  # type: ignore[union-attr]
    found = {}
    for row in rows:
        if row["type"] != "directory":
            where = f"{row['path'].rstrip('/')}/{row['name']}"
            answer = await call(node, "getobject", where)
            assert isinstance(answer, dict) and "stale" not in answer
            found[where] = codec.decode(answer["state"])["n"]
    return found


async def everywhere(node: Node) -> list[object]:
    """All values of the tree."""
    return list((await tree(node, "/")).values())


async def objects(node: Node, path: str) -> list[tuple[str, object]]:
    """The uuids and values of all objects below a path."""
    found = await tree(node, path)
    pointers = [await call(node, "get", where) for where in found]
    return [(str(each["uuid"]), value) for each, value in zip(pointers, found.values(), strict=True)]  # type: ignore[index]


class Hosts:
    """Nodes that stop and start where they were, with their stores and folders."""

    def __init__(self, start_node: StartNode, folder: Path) -> None:
        self._start, self._folder = start_node, folder
        self.nodes: dict[str, Node] = {}
        self._last: dict[str, Node] = {}

    async def start(self, *started: str) -> None:
        for name in started:
            first = next(iter(self.nodes.values()), None)
            last = self._last.get(name)
            self.nodes[name] = self._last[name] = await self._start(
                name,
                (first.endpoint,) if first is not None else (),
                store=last.filesystem.core.store if last is not None else None,
                copies=self._folder / name,
            )
            if last is None and first is None:
                await self.nodes[name].volumes.found()
        await self.meet()

    async def stop(self, *stopped: str) -> None:
        for name in stopped:
            await self.nodes.pop(name).stop()
        await self.meet()

    async def meet(self) -> None:
        here = set(self.nodes)
        await eventually(
            lambda: all({*names(node.cluster), node.filesystem.node} == here for node in self.nodes.values()), 10
        )

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]


@pytest.fixture
def hosts(start_node: StartNode, tmp_path: Path) -> Hosts:
    return Hosts(start_node, tmp_path)


def file_of(folder: Path) -> Path:
    (found,) = folder.glob("*/*.copy.db")
    return found


def cut(folder: Path) -> None:
    for more in file_of(folder).parent.glob("*-wal"):
        more.unlink()
    file_of(folder).write_bytes(b"")


def spoil(folder: Path) -> None:
    for more in file_of(folder).parent.glob("*-*"):
        more.unlink()
    file_of(folder).write_bytes(b"no database" * 1000)


LOSSES: dict[str, Callable[[Path], object]] = {
    "the folder is deleted": shutil.rmtree,
    "the file is deleted": lambda folder: file_of(folder).unlink(),
    "the file is empty": cut,
    "the file is rubbish": spoil,
}


@pytest.mark.parametrize("loss", list(LOSSES)[:: 2 if SCALE == 1 else 1])
async def test_a_copy_is_made_again_whatever_became_of_its_store(hosts: Hosts, tmp_path: Path, loss: str) -> None:
    await hosts.start("a", "b")
    await call(hosts["a"], "store", "/w", STATE)
    await call(hosts["a"], "replicate", "/", 1)
    first = await copied(hosts["a"], "/", 1)
    running = "deleted" in loss
    if not running:
        await hosts.stop("b")
    LOSSES[loss](tmp_path / "b")
    if not running:
        await hosts.start("b")
    notes = set[str]()
    for _ in range(300):
        report = await call(hosts["a"], "replicate", "/")
        assert isinstance(report, dict)
        notes.update(report["notes"])
        (row,) = report["copies"]
        if row["same"] and row["filesystem"] != first["copies"][0]["filesystem"]:
            break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError(report)
    assert any("has lost its copy" in note for note in notes), notes
    await call(hosts["a"], "store", "/x", STATE)
    assert (await copied(hosts["a"], "/", 1))["copies"][0]["objects"] == 2
    await hosts.stop("b")  # and it is there after a restart
    await hosts.start("b")
    again = (await copied(hosts["a"], "/", 1))["copies"][0]
    assert again["filesystem"] == row["filesystem"]


async def test_a_copy_is_made_elsewhere_where_a_node_has_no_room(hosts: Hosts, tmp_path: Path) -> None:
    await hosts.start("a", "b", "c")
    await call(hosts["a"], "store", "/w", STATE)
    await call(hosts["a"], "replicate", "/", 1)
    (row,) = (await copied(hosts["a"], "/", 1))["copies"]
    shutil.rmtree(tmp_path / row["node"])
    (tmp_path / row["node"]).write_text("a file where the folder was")
    other = {"b": "c", "c": "b"}[row["node"]]
    for _ in range(200):
        (now,) = (await copied(hosts["a"], "/", 1))["copies"]
        if now["node"] == other:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(now)


async def test_a_copy_is_made_when_a_node_for_it_comes(hosts: Hosts) -> None:
    await hosts.start("a")
    report = await call(hosts["a"], "replicate", "/", 1)
    assert isinstance(report, dict) and "0 of 1 copies" in report["notes"][0]
    await call(hosts["a"], "store", "/w", STATE)
    await hosts.start("b")
    assert (await copied(hosts["a"], "/", 1))["copies"][0]["node"] == "b"


async def test_an_owner_whose_file_is_gone_changes_nothing_and_loses_nothing(hosts: Hosts, tmp_path: Path) -> None:
    await hosts.start("a", "b", "c")
    await call(hosts["a"], "mount", "/p", "b")
    await call(hosts["a"], "replicate", "/p", 2)
    await call(hosts["a"], "store", "/p/w", STATE)
    await copied(hosts["a"], "/p", 2)
    await call(hosts["a"], "promote", "/p", "c")
    await copied(hosts["a"], "/p", 2)
    stored = []
    shutil.rmtree(tmp_path / "c")
    for number in range(300):
        try:
            await call(hosts["a"], "store", f"/p/x{number}", STATE)
            stored.append(f"/p/x{number}")
        except Unavailable as error:
            assert "gone" in error.message and "promote" in (error.remedy or "")
            break
        await asyncio.sleep(0.02)
    else:
        raise AssertionError("it goes on with a file that is gone")
    report = await call(hosts["b"], "replicate", "/p")
    assert isinstance(report, dict) and report["owner"]["lost"] and "promote" in report["notes"][0]
    await call(hosts["b"], "promote", "/p")
    assert (await tree(hosts["b"], "/p")).keys() >= {"/p/w", *stored}  # the last one may have been made
    assert await tree(hosts["a"], "/p") == await tree(hosts["b"], "/p")
    await copied(hosts["a"], "/p", 2)


class Writes:
    """Operations at random below /p, each value once."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self._paths = [f"/p/{x}" for x in ("a", "b", "c", "d/a", "d/b", "e/d/a")]
        self._number = 0

    async def work(self, node: Node, steps: int) -> None:
        for _ in range(steps):
            self._number += 1
            path, other = self.dice.choice(self._paths), self.dice.choice([*self._paths, "/p/e", "/p/f"])
            what = self.dice.choice(("store", "store", "store", "mv", "rm", "cp", "chmod", "retain"))
            args = {
                "store": (path, codec.encode({"n": self._number})),
                "mv": (path, other),
                "cp": (path, other, True),
                "rm": (path, True),
                "chmod": (path, self.dice.choice(("go-rwx", "a+rx")), False),
                "retain": (self.dice.choice(("/p", "/p/d")), self.dice.choice(("2", "all"))),
            }[what]
            try:
                await call(node, what, *args)
            except EmergeError:  # it makes no sense now
                continue


@pytest.mark.parametrize("seed", range(examples(1)))
async def test_what_a_copy_has_more_than_the_promoted_one_is_kept(hosts: Hosts, seed: int) -> None:
    """The copy on c goes on while a is away; then a's is promoted, and c comes back."""
    writes = Writes(seed)
    await hosts.start("a", "b", "c")
    await call(hosts["a"], "mount", "/p", "b")
    await call(hosts["a"], "replicate", "/p", 2)
    await writes.work(hosts["a"], 15)
    await copied(hosts["a"], "/p", 2)
    await hosts.stop("a")
    await writes.work(hosts["c"], writes.dice.choice((0, 3, 15)))
    had = await objects(hosts["c"], "/p")
    await asyncio.sleep(0.2)  # until the copy has it
    await hosts.stop("b", "c")
    await hosts.start("a")
    promoted = await call(hosts["a"], "promote", "/p", "a")
    assert isinstance(promoted, list)
    before = await objects(hosts["a"], "/p")
    await writes.work(hosts["a"], writes.dice.choice((0, 3, 15)))
    now = await tree(hosts["a"], "/p")
    await hosts.start("c")
    await copied(hosts["a"], "/p", 1)
    alone = [value for uuid, value in had if (uuid, value) not in before]
    found = await everywhere(hosts["c"])
    assert [value for value in alone if value not in found] == [], "something was dropped"
    rows = await call(hosts["c"], "volumes")
    assert isinstance(rows, list) and bool(rows[1]["conflicts"]) == bool(alone)
    assert await tree(hosts["c"], "/p") == now, "the volume is the promoted copy's"
    await hosts.start("b")
    await copied(hosts["a"], "/p", 2)
    assert [value for value in alone if value not in await everywhere(hosts["b"])] == []
    assert await tree(hosts["b"], "/p") == now


async def test_equal_versions_are_no_conflicts(hosts: Hosts) -> None:
    """A copy that followed an earlier owner is promoted; the last owner comes back with what it had of that one."""
    await hosts.start("a", "b", "c", "d")
    await call(hosts["a"], "mount", "/p", "b")
    await call(hosts["a"], "replicate", "/p", 3)
    for number in range(5):
        await call(hosts["a"], "store", f"/p/x{number}", codec.encode({"n": number}))
    await call(hosts["a"], "rm", "/p/x4")
    await copied(hosts["a"], "/p", 3)
    await hosts.stop("b", "d")
    await call(hosts["a"], "promote", "/p", "c")
    await call(hosts["a"], "store", "/p/alone", codec.encode({"n": 99}))
    await hosts.stop("c")
    await hosts.start("d")
    await call(hosts["a"], "promote", "/p", "d")
    await hosts.start("c", "b")
    await copied(hosts["a"], "/p", 3)
    found = await tree(hosts["a"], "/")
    assert sorted(value for path, value in found.items() if path.startswith("/p/")) == [0, 1, 2, 3]
    assert {value for path, value in found.items() if "/conflicts/" in path} == {99}
