"""What is moved from one volume to another while somebody searches both is found once, or the answer says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from emerge_wasm import codec
from emerge_wasm.clients.searches import wire_predicate
from emerge_wasm.errors import Unavailable
from emerge_wasm.node.node import Node
from tests.scale import SCALE

from .conftest import OPERATOR, StartNode, eventually, names

OBJECTS = 6
SECONDS = 1.5 * SCALE
PREDICATE = wire_predicate("o.mark == 7")[0]

STEADY = (OBJECTS, False)
"""All are found, and the answer does not say that it may be wrong."""


async def call(node: Node, name: str, *args: object) -> Any:
    answer = node.dispatch(name, list(args), OPERATOR)
    if isinstance(answer, AsyncIterator):
        return [row async for row in answer]
    return await answer


@pytest.fixture
async def two(start_node: StartNode) -> list[Node]:
    """Nodes a, b and c; a has `/`, b has `/b`; objects in both, some of them in directories."""
    a = await start_node("a")
    await a.volumes.found()
    nodes = [a, *[await start_node(name, (a.endpoint,)) for name in "bc"]]
    await eventually(lambda: all(len(names(node.cluster)) == 2 for node in nodes))
    await call(a, "mount", "/b", "b")
    for number in range(OBJECTS):
        for place in ("/x", "/b/x"):
            await call(a, "store", f"{place}/{number}", codec.encode({"mark": 1, "text": "other"}))
    for number in range(OBJECTS):
        inside = "/inside" if number % 2 else ""
        await call(a, "store", f"/d{number}{inside}", codec.encode({"mark": 7, "text": "looked for"}))
    return nodes


async def move(nodes: list[Node], number: int, ended: asyncio.Event, made: list[int]) -> None:
    """Move a thing from one volume to the other and back, again and again; note what was `made`."""
    places = [f"/d{number}", f"/b/d{number}"]
    while not ended.is_set():
        try:
            await call(nodes[number % 3], "mv", *places)
        except Unavailable:
            await asyncio.sleep(0.01)
            continue
        places.reverse()
        made.append(number)
        await asyncio.sleep(Random(len(made)).uniform(0, 0.02))


async def pages(node: Node, name: str, *args: object, limit: int) -> tuple[list[str], bool]:
    """The uuids that a search finds, and whether it says that they may be wrong."""
    found: list[str] = []
    cursor, told = "", False
    while True:
        sent = [*args, limit, cursor]
        page = await call(node, name, *sent)
        found += [row["pointer"]["uuid"] for row in page["objects"]]
        told = told or bool(page.get("moved") or page.get("missing"))
        cursor = page["cursor"]
        if not cursor:
            return found, told


async def look(node: Node, kind: str) -> tuple[int, bool]:
    """How many objects one kind of question finds, and whether the answer says that it may be wrong."""
    if kind == "count":
        found = await call(node, "count", "/", PREDICATE)
        return found["count"], bool(found.get("moved") or found.get("missing"))
    if kind == "aggregate":
        values = {"n": ["count"], "sum": ["sum", "mark"]}
        found = await call(node, "aggregate", "/", values, None, PREDICATE)
        rows = found["groups"]
        number = rows[0]["n"] if rows else 0
        assert not rows or rows[0]["sum"] == 7 * number
        return number, bool(found.get("moved") or found.get("missing"))
    if kind == "text":
        uuids, told = await pages(node, "searchtext", "/", "text", "looked", limit=4)
    else:
        order, limit = {"all": ("", 100), "paged": ("", 4), "ordered": ("mark", 4)}[kind]
        uuids, told = await pages(node, "search", "/", PREDICATE, order, False, limit=limit)
    assert told or len(set(uuids)) == len(uuids), (kind, "twice")
    return len(uuids), told


@pytest.mark.parametrize("kind", ["count", "aggregate", "all", "paged", "ordered", "text"])
async def test_what_moves_is_found_once(two: list[Node], kind: str) -> None:
    ended = asyncio.Event()
    made: list[int] = []
    movers = [asyncio.create_task(move(two, number, ended, made)) for number in range(2)]
    answers: list[tuple[int, bool]] = []
    until = asyncio.get_running_loop().time() + SECONDS / 3
    async with asyncio.timeout(20 * SCALE):  # a busy machine makes few moves, and may tell of one in each answer
        while asyncio.get_running_loop().time() < until or len(made) < 5 or not (kind == "paged" or STEADY in answers):
            answers.append(await look(two[len(answers) % 3], kind))
    ended.set()
    await asyncio.gather(*movers)
    wrong = [found for found, told in answers if found != OBJECTS and not told]
    assert not wrong, (kind, wrong, len(answers))
    assert await look(two[0], kind) == STEADY
