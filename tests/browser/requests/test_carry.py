"""Copies, moves and new objects of the page, over two filesystems in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

from emerge_wasm import Conflict, EmergeFile
from emerge_wasm.browser.places.place import TabPlace
from emerge_wasm.browser.protocol.step import ChangeReport, ChangeStep
from emerge_wasm.browser.requests.change import change
from emerge_wasm.browser.requests.create import blank, classes
from emerge_wasm.browser.requests.earlier import earlier, removed
from emerge_wasm.browser.requests.edit import read_changes
from emerge_wasm.browser.requests.view import make_view
from emerge_wasm.browser.tab import Tab
from emerge_wasm.clients.client import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runner import Runner
from emerge_wasm.notebook import Notebook, make_cell
from emerge_wasm.stores import open_store


@dataclass
class Wheel:
    spokes: int = 32


@dataclass
class Bike(EmergeFile):
    """Something to ride."""

    price: float
    wheels: list[Wheel] = field(default_factory=lambda: [])
    made: date = date(2026, 5, 1)
    tags: set[str] = field(default_factory=set)
    key: str = field(default_factory=lambda: Bike.new_key())
    colour: str = "red"

    @staticmethod
    def new_key() -> str:
        raise AssertionError("no code of the class runs")

    def ride(self) -> float:
        return self.price


class TwoPlaces:
    """What the handlers need of a tab, over two filesystems."""

    def __init__(self, places: dict[str, TabPlace], runner: Runner | None = None) -> None:
        self.places = places
        self.local, self.cluster = places.values()
        self.runners = dict.fromkeys(places, runner)
        self.events: list[dict[str, Any]] = []

    def find(self, args: Any) -> TabPlace:
        return self.places[args["where"]]

    def send(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    async def under_way(self, number: int, work: Any) -> Any:
        return await work

    async def run_alone(self, work: Any) -> Any:
        return await work

    def printer(self, number: int) -> Callable[[str], None]:
        return lambda text: None

    def client(self, where: str) -> Client:
        return self.places[where].reader

    async def change(self, where: str, *steps: ChangeStep) -> ChangeReport:
        asked = {"where": where, "steps": list(steps), "run": 1}
        return await change(cast("Tab", self), cast("Any", asked))


@asynccontextmanager
async def two_places(runner: Runner | None = None) -> AsyncIterator[TwoPlaces]:
    places: dict[str, TabPlace] = {}
    filesystems = []
    for name in ("local", "cluster"):
        filesystem = await Filesystem.open(await open_store("memory:"), node=name, runner=runner)
        filesystems.append(filesystem)
        places[name] = TabPlace(cast("Any", name), "")
        await places[name].gain(LocalTransport(filesystem), alone=True)
    yield TwoPlaces(places, runner)
    for filesystem in filesystems:
        await filesystem.close()


async def seen(client: Client, path: str) -> dict[str, Any]:
    """What is at a path and below it: types, classes, states, methods, the bytes of files."""
    top = await client.get(path)
    pointers = [top, *([each async for each in client.tree(path)] if top.is_directory else [])]
    found: dict[str, Any] = {}
    for pointer in pointers:
        at = pointer.full_path.removeprefix(path)
        found[at] = [pointer.type, pointer.class_name, pointer.bundle, pointer.perms]
        if pointer.type == "blob":
            async with await client.open(pointer.full_path) as reader:
                found[at].append(await reader.read())
        elif not pointer.is_directory:
            found[at].append((await client.remote.getobject(pointer.full_path))["state"])
            found[at].append(await client.remote.methods(pointer.full_path) if pointer.bundle else [])
    return found


async def fill(client: Client) -> None:
    bike = Bike(name="bike", path="/all/deep", price=3.5, wheels=[Wheel(), Wheel(28)], tags={"a"}, key="k")
    await client.store(bike)
    await client.update("/all/deep/bike", price=4.5)
    await client.chmod("/all/deep/bike", "rwx------")
    plain = EmergeFile(name="plain ü🙂", path="/all", data={"n": (1, {2}, 10**30, float("inf"), b"\0")})
    await client.storeall([plain, EmergeFile(name="large", path="/all", data=b"x" * 2_000_000)])
    await client.store(EmergeFile(name="refers", path="/all", data=await client.reference("/all/deep/bike")))
    await client.store(Notebook(name="book", path="/all", cells=[make_cell("a", "1 + 1")]))
    await client.mkdir("/all/empty")
    for name, size in (("small.txt", 10), ("none", 0), ("big.bin", 1_200_000)):
        async with await client.open(f"/all/{name}", "wb") as writer:
            await writer.write(bytes(range(256)) * (size // 256 + 1) if size else b"")


KINDS = [
    "",
    "/deep/bike",
    "/plain ü🙂",
    "/large",
    "/refers",
    "/book",
    "/empty",
    "/deep",
    "/small.txt",
    "/none",
    "/big.bin",
]


def test_whatever_is_carried_is_the_same_there_and_is_taken_back() -> None:
    async def run() -> None:
        async with two_places() as tab:
            here, there = tab.client("local"), tab.client("cluster")
            await fill(here)
            await here.getobject("/all/deep/bike")  # loaded here
            for source, to, move in (("local", "cluster", False), ("local", "cluster", True)):
                for number, kind in enumerate(KINDS):
                    path, target = f"/all{kind}", f"/got{number}/{kind.rpartition('/')[2] or 'all'}"
                    before = await seen(here, path)
                    step = {"change": "carry", "path": path, "target": target, "to": to, "move": move}
                    report = await tab.change(source, cast("ChangeStep", step))
                    assert report["failures"] == [], kind
                    assert await seen(there, target) == before, kind
                    assert (report["pointer"] or {})["name"] == target.rpartition("/")[2]
                    again = await tab.change(source, *report["undo"])
                    assert await seen(here, path) == before
                    assert not [each async for each in there.tree(target.rpartition("/")[0])]
                    await tab.change(source, *again["undo"])
                    assert await seen(there, target) == before, kind
                    failed = await tab.change(source, cast("ChangeStep", {**step, "path": "/all"}))
                    assert failed["failures"][0]["failure"]["code"] in ("Conflict", "NotFound")
                    assert await seen(there, target) == before
                    await there.rm(target, recursive=True)
                    if move:
                        await here.restore(path)

    asyncio.run(run())


def test_a_new_object_is_made_of_its_class_without_its_code() -> None:
    async def run() -> None:
        async with two_places() as tab:
            client = tab.client("local")
            await client.store(Bike(name="b", path="/bikes", price=1.0, key="k"))
            await client.store(EmergeFile(name="p", path="/other"))
            for inside in (True, False):
                found = await classes(cast("Tab", tab), {"where": "local", "path": "/bikes", "inside": inside})
                (choice,) = found["classes"]
            assert (choice["class_name"], choice["here"], choice["count"]) == ("Bike", 1, 1)
            shown = await blank(cast("Tab", tab), {"where": "local", "bundle": choice["bundle"]})
            assert shown["required"] == ["price"] and shown["made"] == {
                "key": "field(default_factory=lambda: Bike.new_key())"
            }
            texts = {each["name"]: (each["kind"], each["text"]) for each in shown["fields"]}
            assert texts["price"] == ("float", "") and texts["colour"] == ("str", "red")
            assert texts["made"] == ("date", "date(2026, 5, 1)") and texts["tags"][1] == "set()"
            step = {
                "change": "create",
                "path": "/bikes/new",
                "class_name": "Bike",
                "bundle": choice["bundle"],
                "type": choice["type"],
                "fields": {"price": "3", "key": "mine", "colour": 'it\'s "blue"'},
                "kinds": {"price": "float", "key": "str", "colour": "str"},
            }
            made = await tab.change("local", cast("ChangeStep", step))
            assert made["failures"] == []
            bike = await client.getobject("/bikes/new")
            assert bike == Bike(name="new", path="/bikes", price=3.0, key="mine", colour='it\'s "blue"')
            left = {**step, "path": "/bikes/left", "fields": {"price": "1"}, "kinds": {"price": "float"}}
            assert (await tab.change("local", cast("ChangeStep", left)))["failures"] == []
            view = await make_view(tab.local, "/bikes/left", 0)
            (key,) = (each for each in view["fields"] if each["name"] == "key")
            assert (key["kind"], key["text"], key["type"]) == ("str", "", ""), "the class makes it: it is no None"
            edits = await read_changes(tab.local, "/bikes/left", 0, {"key": "it's mine"})
            assert edits.values == {"key": "it's mine"}
            await client.rm("/bikes/left")
            for fields, said in (
                ({}, "price is required"),
                ({"price": "x"}, "price: 'x'"),
                ({"price": "1", "a b": "1"}, "a b"),
            ):
                report = await tab.change("local", cast("ChangeStep", {**step, "path": "/bikes/no", "fields": fields}))
                assert said in report["failures"][0]["failure"]["message"]
            report = await tab.change("local", cast("ChangeStep", step))
            assert report["failures"][0]["failure"]["code"] == "Conflict"
            await tab.change("local", *made["undo"])
            assert [pointer.name for pointer in await client.list("/bikes")] == ["b"]
            plain = {**step, "path": "/plain", "class_name": "", "bundle": "", "type": "file"}
            fields = {"n": "[1, {2}]", "t": "a\nb"}
            await tab.change("local", cast("ChangeStep", {**plain, "fields": fields, "kinds": {"t": "text"}}))
            assert await client.cat("/plain") == {"id": "", "data": None, "n": [1, {2}], "t": "a\nb"}

    asyncio.run(run())


def test_what_was_removed_and_what_was_then_is_told() -> None:
    async def run() -> None:
        async with two_places() as tab:
            client = tab.client("local")
            for path in ("/a", "/a/in", "/b"):
                await client.storeall([EmergeFile(name=f"x{n}", path=path, data=n) for n in range(3)])
            moment = (await client.get("/b/x2")).date
            await client.update("/b/x0", data="later")
            await client.rm("/b/x1")
            await client.rm("/a/x1")
            await client.rm("/a", recursive=True)
            await client.rm("/b/x2")
            await client.store(EmergeFile(name="x2", path="/b", data="another"))

            async def gone(path: str) -> list[tuple[str, int]]:
                page = await removed(cast("Tab", tab), {"where": "local", "path": path, "cursor": ""})
                assert page["cursor"] == ""
                return [(f"{row['pointer']['path']}/{row['pointer']['name']}", row["with_it"]) for row in page["rows"]]

            assert await gone("/") == [("//a", 7), ("/a/x1", 0), ("/b/x1", 0)] or await gone("/") == [
                ("//a", 7),
                ("/b/x1", 0),
            ]
            assert await gone("/b") == [("/b/x1", 0)]
            args = {"where": "local", "path": "/b", "cursor": "", "as_of": moment}
            page = await earlier(cast("Tab", tab), cast("Any", args))
            assert [(row["pointer"]["name"], row["now"]) for row in page["rows"]] == [("x0", 2), ("x1", 0), ("x2", 0)]
            back = await tab.change("local", {"change": "restore", "path": "/a", "version": 0})
            assert back["failures"] == [] and await client.cat("/a/in/x2.data") == 2
            assert [path for path, _ in await gone("/")] == ["/a/x1", "/b/x1"]

    asyncio.run(run())


def test_what_is_there_is_not_replaced_by_what_is_carried() -> None:
    async def run() -> None:
        async with two_places() as tab:
            for where in ("local", "cluster"):
                await tab.client(where).store(EmergeFile(name="a", path="/d", data=where))
            step = {"change": "carry", "path": "/d/a", "target": "/d/a", "to": "cluster", "move": True}
            report = await tab.change("local", cast("ChangeStep", step))
            assert report["failures"][0]["failure"]["code"] == Conflict.code
            assert [await tab.client(where).cat("/d/a.data") for where in ("local", "cluster")] == ["local", "cluster"]

    asyncio.run(run())
