"""What is asked while a volume goes from one node to another is answered as if it stood still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from emerge_wasm.clients.searches import wire_predicate
from emerge_wasm.codec import encode
from emerge_wasm.errors import EmergeError, Unavailable

from .conftest import StartNode
from .mortal import NAMES, Place, make_place

COUNT = 5
TURNS = 4
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
        moving = asyncio.create_task(until_done(place, *change))
        asking = [asyncio.create_task(ask(place, dice, moving)) for _ in range(8)]
        await moving
        for wrong in await asyncio.gather(*asking):
            assert not wrong, f"seed {seed}, {change}: {wrong}"


@pytest.mark.parametrize("change", ["mount", "unmount"])
async def test_what_was_given_is_named_whatever_else_is_mounted_meanwhile(change: str, place: Place) -> None:
    """The registry dies before the table says whose it is; when it is back, somebody mounts something else first."""
    if change == "unmount":
        await place.call("b", "mount", TOP, "c")
    await place.call("b", "store", f"{TOP}/d/x", encode({"n": 1}))
    place.stores["a"].die(1, made=False)
    with pytest.raises(EmergeError):
        await place.call("a", change, *([TOP, "c"] if change == "mount" else [TOP]))
    await place.restart("a")
    await until_done(place, "mount", "/other", "b")
    for name in "bc":  # as they do every two seconds
        await place.nodes[name].volumes.steps["_handover_done"]()
    async with asyncio.timeout(10):
        await until_done(place, "get", f"{TOP}/d/x")
        await until_done(place, "update", f"{TOP}/d/x", encode({"n": 2}))
        assert FOUND["count"](await until_done(place, "count", "/", EVERYTHING)) == 1


async def until_done(place: Place, *call: object) -> object:
    while True:
        try:
            return await place.call("b", *call)  # type: ignore[arg-type]
        except Unavailable:
            await asyncio.sleep(0.02)


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
