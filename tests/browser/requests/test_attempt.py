"""Deeds of the page that are asked for again, since an answer was lost: each is done once, and answered alike."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm import EmergeError, EmergeFile, Unavailable
from emerge_wasm.browser.places.attempt import AGAIN, Attempt, attempt
from emerge_wasm.browser.requests.handlers import DEEDS, HANDLERS
from emerge_wasm.browser.tab import Tab
from emerge_wasm.clients.client import Client
from emerge_wasm.clients.exchange import loader
from emerge_wasm.clients.transports.host import give_filesystem
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.notebook import Notebook, make_cell
from emerge_wasm.operations import TABLE, Transport, Values, Wire

from .test_carry import TwoPlaces, two_places


@dataclass
class Shelf(EmergeFile):
    """Holds things."""

    held: int = 0

    def put(self, count: int = 1) -> int:
        self.held += count
        return self.held

    def look(self, count: int = 1) -> int:
        return self.held * count

    def fail(self, count: int = 0) -> None:
        raise ValueError("it is broken")


# --- what is asked for
PATHS = ["/a", "/b", "/d/a", "/d/b", "/d", "/book"]
SOME = st.sampled_from(PATHS)
VERSIONS = st.integers(0, 3)


def change(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    """A step, of fixed and of drawn fields."""
    drawn = {name: each if isinstance(each, st.SearchStrategy) else st.just(each) for name, each in fields.items()}
    return st.fixed_dictionaries({"path": SOME, **drawn})


STEPS: dict[str, st.SearchStrategy[Any]] = {
    "remove": change(),
    "mkdir": change(path=st.sampled_from(["/a", "/n/m", "/d/n"])),
    "move": change(target=SOME),
    "copy": change(target=SOME),
    "restore": change(version=VERSIONS),
    "set": change(version=VERSIONS, fields=st.sampled_from([{"held": "3"}, {"data": "[1]"}, {"held": "x"}])),
    "chown": change(owner="", group=st.sampled_from(["", "sales"])),
    "chmod": change(perms=st.sampled_from(["g+w", "750", "wrong"])),
    "run": change(method=st.sampled_from(["put", "fail"]), args=st.sampled_from(["", "2"])),
    "carry": change(target=st.sampled_from(["/a", "/n", "/n/m"]), to="local", move=st.booleans()),
    "uncarry": change(target=st.sampled_from(["/a", "/n"]), to="local", move=st.booleans()),
    "create": change(class_name="", bundle="", type="file", fields={"n": "7"}, kinds={"n": "int"}),
}
STEP = st.one_of([each.map(lambda step, name=name: {"change": name, **step}) for name, each in STEPS.items()])
COLUMNS = [{"column": name, "field": name, "kind": kind} for name, kind in (("name", "text"), ("held", "integer"))]
FILES = {
    1: b"name,held\na,1\nx,2\ny,3\nb,4\nz,5\nw,6\n",
    2: b"",  # an archive, made below
    3: b"bytes of a file",
}
SHEET = {
    "path": "/d",
    "encoding": "",
    "delimiter": "",
    "header": True,
    "columns": COLUMNS,
    "class_name": "",
    "bundle": "",
    "type": "file",
    "numbered": False,
    "check": False,
}
CELLS = [make_cell("c", "1 + 1")]
CALLED = {
    "method": st.sampled_from(["put", "look", "fail"]),
    "args": st.sampled_from(["", "2"]),
    "run": st.just(9),
}
REQUESTS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "change": st.fixed_dictionaries({"steps": st.lists(STEP, min_size=1, max_size=3), "run": st.just(9)}),
    "save": st.fixed_dictionaries({"path": SOME, "version": VERSIONS, "changes": st.just({"held": "8"})}),
    "loadsheet": st.one_of(
        st.sampled_from(["replace", "keep", "both"]).map(
            lambda taken: {**SHEET, "run": 1, "size": len(FILES[1]), "format": "csv", "taken": taken}
        ),
        st.just({**SHEET, "run": 2, "format": "emerge", "taken": "replace"}),
    ),
    "keepnotebook": st.fixed_dictionaries(
        {"path": st.sampled_from(["/book", "/a"]), "version": VERSIONS, "cells": st.just(CELLS)}
    ).map(lambda args: {**args, "requirements": []}),
    "makenotebook": SOME.map(lambda path: {"path": path, "name": "book", "cells": CELLS, "requirements": []}),
    "readipynb": st.just({"path": "/", "name": "book", "text": '{"cells": [], "nbformat": 4}'}),
    "graphql": st.sampled_from(
        ["{ shelves { held } }", 'mutation { remove(path: "/d/a") run(path: "/a", method: "put") }']
    ).map(lambda query: {"path": "/", "query": query, "variables": ""}),
    "index": st.just({"path": "/", "field": "held", "make": True}),
    "repair": st.fixed_dictionaries({"path": SOME, "version": st.just(0), "run": st.just(9)}),
    "run": st.fixed_dictionaries({"path": SOME, "place": st.sampled_from(["here", "there"]), **CALLED}),
    "runall": st.fixed_dictionaries({"path": st.sampled_from(["/", "/d", "/a"]), **CALLED}),
    "upload": SOME.map(lambda path: {"path": path, "raid": 0, "size": len(FILES[3]), "upload": "u", "run": 3}),
}
ASKED = st.one_of([each.map(lambda args, kind=kind: (kind, args)) for kind, each in REQUESTS.items()])
LOSSES = st.lists(st.sampled_from(["answered", "answered", "asked", "half", "done"]), max_size=12)
"""What becomes of the calls, one after the other: the later ones are answered. Of a stream half can come."""


def test_every_deed_is_tried() -> None:
    assert REQUESTS.keys() == DEEDS


# --- who asks
class Losing:
    """A transport that loses calls, or the answers to them."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.losses: Iterator[str] = iter(())
        self.changed = 0

    async def call(self, name: str, args: Values, context: Wire | None = None) -> Any:
        loss = next(self.losses, "answered")
        answer = None if loss == "asked" else await self.transport.call(name, args, context)
        self.changed += TABLE[name].changes
        if loss != "answered":
            raise Unavailable("the connection was lost while this was under way", remedy="look", unknown=True)
        return answer

    async def stream(self, name: str, args: Values, context: Wire | None = None) -> Any:
        loss = next(self.losses, "answered") if TABLE[name].changes else "answered"
        if loss != "asked":
            async with aclosing(cast("Any", self.transport.stream(name, args, context))) as items:
                async for item in items:
                    if loss != "done":
                        yield item
                    if loss == "half":
                        break
        if loss != "answered":
            raise Unavailable("the connection was lost while this was under way", remedy="look", unknown=True)

    async def close(self) -> None: ...


class Given:
    """The files that the page gave: web/transfer.ts."""

    async def read(self, run: int, begin: int, end: int) -> Any:
        return SimpleNamespace(to_bytes=lambda: FILES[run][begin:end])

    async def drop(self, run: int) -> None: ...


@pytest.fixture(scope="module", autouse=True)
def files() -> Iterator[None]:
    """Files that can be read by their runs; rows are stored two at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "emerge_transfer", cast("Any", Given()))
        patch.setattr(loader, "BATCH", 2)
        patch.setitem(FILES, 2, asyncio.run(archive()))
        yield


async def archive() -> bytes:
    async with two_places() as tab:
        client, file = tab.client("local"), io.BytesIO()
        for name in ("a", "t"):
            await client.store(EmergeFile(name=name, path="/in", data=name))
        await client.update("/in/a", data="later")
        await client.export("/in", file)
        return file.getvalue()


MOVING = frozenset({"uuid", "date", "revision", "milliseconds", "id", "receipt", "created"})


def plainly(answer: Any) -> Any:
    """An answer without what is of a moment."""
    if isinstance(answer, dict):
        return {name: plainly(each) for name, each in answer.items() if name not in MOVING}
    return [*map(plainly, answer)] if isinstance(answer, list) else answer


async def ask(tab: TwoPlaces, kind: str, args: Any, deed: Attempt | None) -> tuple[bool, Any]:
    """Ask once: whether the answer was lost, and the answer."""
    whole = {"where": "cluster", **args}
    tab.events.clear()
    if kind == "loadsheet":
        whole["size"] = len(FILES[args["run"]])
    try:
        with attempt(deed):
            answer: Any = await HANDLERS[kind](cast("Tab", tab), whole)
    except EmergeError as error:
        assert deed is None or error.code != "Unavailable" or error.remedy == AGAIN
        return error.code == "Unavailable", error.code
    if kind == "runall":
        ran = {each["path"]: each["text"] for each in tab.events if each["event"] == "ran"}
        return False, [plainly(answer), ran]
    failed = [each["failure"] for each in answer.get("failures", ())] if kind == "change" else []
    lost = [each for each in failed if each["code"] == "Unavailable"]
    assert all(each["remedy"] == AGAIN for each in lost)
    return bool(lost), plainly({**answer, "failures": [each["code"] for each in failed]})


async def insist(tab: TwoPlaces, kind: str, args: Any, id: str) -> Any:
    """Ask until it is known what came of it."""
    again = False
    while True:
        lost, answer = await ask(tab, kind, args, Attempt(id, again))
        if not lost:
            return answer
        again = True


async def held(client: Client) -> dict[str, Any]:
    """What is where, and how often it was changed."""
    pointers = [each async for each in client.tree("/")]
    found = {each.full_path: [each.type, each.version, each.perms, each.group] for each in pointers}
    for path, each in found.items():
        if each[0] not in ("directory", "blob"):
            each.append(await client.cat(path))
    return found


async def fill(client: Client) -> None:
    for path in ("/", "/d"):
        await client.store(Shelf(name="a", path=path))
    await client.update("/a", held=1)
    await client.store(Notebook(name="book", path="/", cells=[make_cell("a", "1")]))


@given(st.lists(st.tuples(ASKED, LOSSES), min_size=1, max_size=4))
def test_what_is_asked_for_again_is_done_once_whatever_was_lost(deeds: list[tuple[tuple[str, Any], list[str]]]) -> None:
    """In the end all is as if nothing had been lost, and so was answered."""

    async def work() -> None:
        runner = Here(given=give_filesystem)
        async with two_places(runner) as plain, two_places(runner) as lossy:
            for tab in (plain, lossy):
                await fill(tab.client("cluster"))
            losing = [Losing(place.now()) for place in lossy.places.values()]
            for place, each in zip(lossy.places.values(), losing, strict=True):
                place.behind = each
            for number, ((kind, args), losses) in enumerate(deeds):
                _, said = await ask(plain, kind, args, None)
                refused = kind == "change" and said["failed"] and len(args["steps"]) > 1
                what = iter([] if refused else losses)  # what was refused is tried anew, after what was done since
                for each in losing:
                    each.losses = what
                assert await insist(lossy, kind, args, f"deed {number}") == said, (kind, args)
                for each in losing:
                    each.losses = iter(())
                for where in ("cluster", "local"):
                    assert await held(lossy.client(where)) == await held(plain.client(where)), (kind, args)

    asyncio.run(work())


async def test_another_deed_of_the_same_words_is_another() -> None:
    """What was removed, made anew and removed again is gone."""
    async with two_places() as tab:
        client = tab.client("cluster")
        for id in ("one", "other"):
            await client.store(EmergeFile(name="a", path="/", data=1))
            said = await insist(tab, "change", {"steps": [{"change": "remove", "path": "/a"}], "run": 1}, id)
            assert (said["done"], said["failed"]) == (1, 0)
            assert "/a" not in await held(client)
