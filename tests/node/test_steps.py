"""A node dies in each step of making and unmaking a volume: the path is one thing afterwards, and it is of use."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from emerge_wasm.errors import EmergeError

from .conftest import StartNode
from .mortal import NAMES, Place, make_place


@pytest.fixture
async def place(start_node: StartNode) -> Place:
    return await make_place(start_node)


CASES = [("mount", victim) for victim in NAMES] + [("unmount", victim) for victim in NAMES]


@pytest.mark.parametrize(("change", "victim"), CASES)
async def test_a_node_dies_in_each_step(change: str, victim: str, place: Place) -> None:
    """`/b/v` is made on c, or given back to b; who is asked for it is the registry a, or b, or c."""
    number = 0
    for made in (False, True):
        commit, died = 0, True
        while died:
            number, commit = number + 1, commit + 1
            path, asked = f"/b/v{number}", NAMES[number % len(NAMES)]
            args = [path, "c"] if change == "mount" else [path]
            if change == "unmount":
                await place.call("a", "mount", path, "c")
            for node in place.nodes.values():
                node.handovers.patience = 0.5  # who is asked waits so long for the victim, which lives again only later
            place.stores[victim].die(commit, made)
            try:
                await place.call(asked, change, *args)
            except EmergeError:
                pass
            died = not place.stores[victim].lives
            assert died or commit > 1, "it has no part in this"
            await place.revive()
            async with asyncio.timeout(10):
                await useful(place, f"{path}/x/y")
                await until_done(place, change, args)
                await useful(place, f"{path}/x/z")


async def useful(place: Place, path: str) -> None:
    """A path may be closed for a moment after a node came back."""
    while True:
        try:
            await place.is_of_use(path)
            break
        except EmergeError:
            await asyncio.sleep(0.05)


async def until_done(place: Place, change: str, args: Sequence[object]) -> None:
    """What was interrupted can be done again."""
    volumes = await place.call("b", "volumes")
    is_volume = args[0] in {row["path"] for row in volumes}  # type: ignore[attr-defined]  # rows
    if (change == "mount") != is_volume:
        await place.call("b", "rm", f"{args[0]}/x", True)
        await place.call("b", change, *args)
