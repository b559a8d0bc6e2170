"""While a move is decided, an object has one name: whoever looks, at whatever step, by whatever question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from emerge_wasm import codec
from emerge_wasm.clients.searches import wire_predicate
from emerge_wasm.errors import NotFound, Unavailable
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from emerge_wasm.store import Batch
from emerge_wasm.stores.memory import MemoryStore
from tests.scale import SCALE

from .conftest import OPERATOR, StartNode, eventually, names
from .test_copies import is_copied

PATIENCE = 0.02


class SteppedStore(MemoryStore):
    """A store that stops before and after each commit, until it may go on."""

    def __init__(self, steps: asyncio.Queue[asyncio.Event]) -> None:
        super().__init__()
        self._steps = steps
        self.stepped = False

    async def commit(self, batch: Batch) -> list[int]:
        await self._stop()
        numbers = await super().commit(batch)
        await self._stop()
        return numbers

    async def _stop(self) -> None:
        if self.stepped:
            on = asyncio.Event()
            self._steps.put_nowait(on)
            await on.wait()


async def call(node: Node, name: str, *args: object, context: Context = OPERATOR) -> Any:
    answer = node.dispatch(name, list(args), context)
    if isinstance(answer, AsyncIterator):
        return [row async for row in answer]
    return await answer


@dataclass
class Three:
    """Nodes a, b and c; a has `/` and b has `/b`, in stores that can be driven step by step."""

    nodes: list[Node]
    stores: list[SteppedStore]
    steps: asyncio.Queue[asyncio.Event]

    def step_by_step(self, stepped: bool) -> None:
        for store in self.stores:
            store.stepped = stepped


@pytest.fixture
async def three(start_node: StartNode) -> Three:
    steps: asyncio.Queue[asyncio.Event] = asyncio.Queue()
    stores = [SteppedStore(steps) for _ in range(2)]
    a = await start_node("a", store=stores[0])
    await a.volumes.found()
    b = await start_node("b", (a.endpoint,), store=stores[1])
    c = await start_node("c", (a.endpoint,))
    nodes = [a, b, c]
    await eventually(lambda: all(len(names(node.cluster)) == 2 for node in nodes))
    await call(a, "mount", "/b", "b")
    for node in nodes:
        node.volumes.undecided.patience = PATIENCE
        node.handovers.patience = 0.1
    return Three(nodes, stores, steps)


def path_of(row: dict[str, Any]) -> str:
    return f"{row['path'].rstrip('/')}/{row['name']}"


async def rows(node: Node, name: str, *args: object) -> tuple[set[str], bool]:
    """The paths that an answer shows, and whether it says that something is missing."""
    try:
        found = await call(node, name, *args)
    except NotFound:
        return set(), False
    except Unavailable:
        return set(), True
    told = bool(found.get("missing")) if isinstance(found, dict) else any("missing" in row for row in found)
    if name == "whohas":
        return {*found["paths"], *found["uuids"]}, told
    if isinstance(found, dict):
        found = found["entries"] if "entries" in found else found.get("objects", [found])
    return {path_of(row.get("pointer", row)) for row in found if "missing" not in row}, told


async def one_name(node: Node, old: str, new: str, uuid: str, *, done: bool = False) -> None:
    """Ask in all ways where the object is: it has one name, or that is not known now."""
    predicate = wire_predicate("o.mark == 7")[0]
    directories = [path.rpartition("/")[0] or "/" for path in (old, new)]
    questions: list[list[tuple[object, ...]]] = [
        *([(name, path) for path in directories] for name in ("list", "dir", "tree", "objects")),
        [("search", path, predicate) for path in directories],
        [("whohas", [path]) for path in (old, new)],
        [("get", path) for path in (old, new)],
        [("get", f"/registry/{uuid}")],
        [("list", "/registry")],
        [("tree", "/")],
        [("search", "/", predicate)],
    ]
    asked = questions if done or SCALE > 1 else Random().sample(questions, 4)
    for each in asked:
        seen, told = set[str](), False
        for name, *args in each:
            shown, missing = await rows(node, str(name), *args)
            seen, told = seen | ({old, new} & shown), told or missing
        assert len(seen) == 1 or (not seen and told), (node.filesystem.node, each, seen, told)
        assert not done or seen == {new}, each
    for name in ("getobject", "cat", "versions", "references"):
        here, there = [await answered(node, name, path) for path in (old, new)]
        assert not (here and there) and (here or there or here is None), (name, here, there)
    count = await counted(node, "/", predicate)
    assert count == 1 or (count == -1 and not done), count


async def answered(node: Node, name: str, path: str) -> bool | None:
    try:
        await call(node, name, path)
    except NotFound:
        return False
    except Unavailable:
        return None
    return True


async def counted(node: Node, path: str, predicate: object) -> int:
    """How many objects there are; -1 where that is not known."""
    try:
        found = await call(node, "count", path, predicate)
    except Unavailable:
        return -1
    return -1 if found.get("missing") else int(found["count"])


CASES = [
    ("/x", "/b/x", ""),
    ("/d/e", "/b/new/e", "/f/g"),
    ("/b/deep/x", "/there/y", ""),
    ("/b/d", "/d", "/x"),
]


@pytest.mark.parametrize(("source", "target", "inside"), CASES)
async def test_it_has_one_name_at_each_step(three: Three, source: str, target: str, inside: str) -> None:
    c = three.nodes[2]
    state = codec.encode({"mark": 7})
    made = await call(c, "store", source + inside, state)
    await call(c, "store", source.rpartition("/")[0] + "/beside", codec.encode({"mark": 1}))
    old, new = source + inside, target + inside
    three.step_by_step(True)
    moving = asyncio.create_task(call(c, "mv", source, target))
    number = 0
    while True:
        stopped = asyncio.create_task(three.steps.get())
        await asyncio.wait([moving, stopped], return_when=asyncio.FIRST_COMPLETED)
        if moving.done():
            stopped.cancel()
            break
        number += 1
        await one_name(three.nodes[number % 3], old, new, made["uuid"])
        stopped.result().set()
    await moving
    three.step_by_step(False)
    while not three.steps.empty():
        three.steps.get_nowait().set()
    assert number > 8
    for node in three.nodes:
        await one_name(node, old, new, made["uuid"], done=True)


async def test_who_cannot_hear_the_target_does_not_tell_the_old_name(three: Three, start_node: StartNode) -> None:
    """Only of what is concerned; after a restart neither; and a copy is no way around it."""
    a, b, c = three.nodes
    await call(a, "mount", "/p", "a")
    for name in ("d/x", "d/y", "beside"):
        await call(a, "store", f"/p/{name}", codec.encode({"mark": 7, "text": "seven"}))
    await call(a, "replicate", "/p", 1)
    where = (await is_copied(a, "/p"))["copies"][0]["node"]
    host = next(node for node in (b, c) if node.filesystem.node == where)
    steps = dict(b.volumes.steps)

    async def lost(*args: Any) -> object:
        if args and steps_called[0] == "decide":
            steps_called[0] = "end"
            await steps["_handover_decide"](*args)
        raise Unavailable("its answers are lost")

    steps_called = ["decide"]
    b.volumes.steps.update(_handover_decide=lost, _handover_end=lost)
    with pytest.raises(Unavailable, match="known when"):
        await call(c, "mv", "/p/d", "/b/d")
    for _ in range(2):
        for node in (a, b, c):
            for name in ("get", "list", "versions"):
                with pytest.raises(Unavailable, match="node b"):
                    await call(node, name, "/p/d")
            with pytest.raises(Unavailable, match="node b"):
                await call(node, "getobject", "/p/d/x")
            assert (await call(node, "get", "/p/beside"))["version"] == 1
            page = await call(node, "list", "/p")
            assert [row["name"] for row in page["entries"]] == ["beside"] and page["missing"] == ["b"]
            await only_that_is_left_out(node)
            assert (await call(node, "get", "/b/d/x"))["version"] == 1
        await asyncio.sleep(0.2)
        near = replace(OPERATOR, max_age=0.1)
        with pytest.raises(Unavailable, match="node b"):
            await call(host, "get", "/p/d/x", context=near)
        await a.stop()
        a = await start_node("a", (b.endpoint,), store=three.stores[0])
        a.volumes.undecided.patience = PATIENCE
        await eventually(lambda a=a: all(len(names(node.cluster)) == 2 for node in (a, b, c)))  # type: ignore[misc]
    b.volumes.steps.update(steps)
    await eventually(lambda: not a.volumes.undecided.has(a.filesystem.uuid))
    for node in (a, b, c):
        with pytest.raises(NotFound):
            await call(node, "get", "/p/d/x")
        assert [row["name"] for row in (await call(node, "list", "/p"))["entries"]] == ["beside"]
        assert (await call(node, "get", "/b/d/x"))["version"] == 1


async def only_that_is_left_out(node: Node) -> None:
    """Of /p, from which /p/d with two objects may have been moved to /b, the third is told, and that b knows more."""
    predicate = wire_predicate("o.mark == 7")[0]
    values = {"n": ["count"], "sum": ["sum", "mark"]}
    for top, there in (("/p", 1), ("/", 3)):
        found = [
            await call(node, "search", top, predicate),
            await call(node, "search", top, predicate, "mark"),
            await call(node, "searchtext", top, "text", "seven"),
        ]
        for page in found:
            paths = {path_of(row["pointer"]) for row in page["objects"]}
            assert "/p/beside" in paths and not any(path.startswith("/p/d") for path in paths)
            assert len(paths) == there and page["missing"] == ["b"]
        assert (await call(node, "count", top, predicate))["count"] == there
        counted = await call(node, "count", top)
        assert counted["count"] == there and counted["missing"] == ["b"]
        table = await call(node, "aggregate", top, values, None, predicate)
        assert table["groups"] == [{"n": there, "sum": 7 * there}] and table["missing"] == ["b"]
        assert table["errors"]["count"] == 0
    shown: list[str] = []
    with pytest.raises(Unavailable, match="node b"):
        async for row in node.dispatch("tree", ["/p"], OPERATOR):  # type: ignore[union-attr]  # a stream
            shown.append(row["name"])
    assert shown == ["beside"]


async def test_who_waits_is_answered_when_it_is_decided(three: Three) -> None:
    a, b, _ = three.nodes
    for node in three.nodes:
        node.volumes.undecided.patience = 5.0
    await call(a, "store", "/x", codec.encode({"mark": 7}))
    decide, going = b.volumes.steps["_handover_decide"], asyncio.Event()

    async def later(*args: Any) -> object:
        await going.wait()
        return await decide(*args)

    b.volumes.steps["_handover_decide"] = later
    moving = asyncio.create_task(call(b, "mv", "/x", "/b/x"))
    await eventually(lambda: a.volumes.undecided.has(a.filesystem.uuid))
    asked = [
        asyncio.create_task(rows(node, name, path))
        for node in three.nodes
        for name, path in (("get", "/x"), ("list", "/"))
    ]
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in asked)
    assert (await call(a, "get", "/b"))["type"] == "directory"
    going.set()
    for task in asked:
        shown, told = await task
        assert "/x" not in shown and not told
    await moving
