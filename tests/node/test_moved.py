"""What is asked while a volume goes from one node to another is answered as if it stood still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from emerge_wasm.clients.searches import wire_predicate
from emerge_wasm.codec import encode
from emerge_wasm.errors import Unavailable

from .conftest import StartNode
from .mortal import NAMES, Place, make_place

COUNT = 6
TURNS = 8
EVERYTHING = wire_predicate("o.n >= 0")[0]

TOP = "/b/v"
ASKED: dict[str, Callable[[int], list[object]]] = {
    "get": lambda number: [f"{TOP}/d/x{number}"],
    "getobject": lambda number: [f"{TOP}/d/x{number}"],
    "cat": lambda number: [f"{TOP}/d/x{number}.n"],
    "versions": lambda number: [f"{TOP}/d/x{number}"],
    "update": lambda number: [f"{TOP}/d/x{number}", encode({"n": number})],
    "chmod": lambda number: [f"{TOP}/d/x{number}", "a+r"],
    "list": lambda number: [f"{TOP}/d"],
    "tree": lambda number: [TOP],
    "count": lambda number: ["/b", EVERYTHING],
    "search": lambda number: ["/", EVERYTHING],
}
FOUND: dict[str, Callable[[object], int]] = {
    "list": lambda page: len(page["entries"]),  # type: ignore[index]  # as the operation answers
    "tree": lambda rows: len(rows) - 1,  # type: ignore[arg-type]
    "count": lambda answer: int(answer["count"] if isinstance(answer, dict) else answer),  # type: ignore[call-overload]
    "search": lambda page: len(page["objects"]),  # type: ignore[index]
}


@pytest.fixture
async def place(start_node: StartNode) -> Place:
    return await make_place(start_node)


async def test_nothing_is_absent_while_it_goes_to_another_node(place: Place) -> None:
    seed = Random().getrandbits(32)
    dice = Random(seed)
    for number in range(COUNT):
        await place.call("b", "store", f"{TOP}/d/x{number}", encode({"n": number}))
    for turn in range(TURNS):
        change = ("unmount", TOP) if turn % 2 else ("mount", TOP, "c")
        moving = asyncio.create_task(place.call(dice.choice(NAMES), *change))
        asking = [asyncio.create_task(ask(place, dice, moving)) for _ in range(8)]
        await moving
        for wrong in await asyncio.gather(*asking):
            assert not wrong, f"seed {seed}, {change}: {wrong}"


async def ask(place: Place, dice: Random, moving: asyncio.Task[object]) -> str:
    """Ask one thing after another until all has gone; what was answered wrong."""
    while not moving.done():
        name, number = dice.choice(list(ASKED)), dice.randrange(COUNT)
        try:
            answer = await place.call(dice.choice(NAMES), name, *ASKED[name](number))
        except Unavailable:  # a moment later it is there
            continue
        except Exception as error:
            return f"{name} {number}: {error!r}"
        if name in FOUND and FOUND[name](answer) != COUNT:
            return f"{name} has {FOUND[name](answer)}: {answer}"
        await asyncio.sleep(0)
    return ""
