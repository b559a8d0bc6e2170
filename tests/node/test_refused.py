"""A store refuses one commit of a move, wherever that is: it was done or it was not, and the answer says which."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from emerge_wasm.codec import encode
from emerge_wasm.errors import EmergeError, NotFound, Unavailable

from .conftest import StartNode
from .mortal import NAMES, Place, make_place


@pytest.fixture
async def place(start_node: StartNode) -> Place:
    return await make_place(start_node)


@pytest.mark.parametrize("victim", "bc")
async def test_an_answer_says_what_was_done(victim: str, place: Place) -> None:
    await place.call("a", "mount", "/c", "c")
    number = 0
    refused = True
    while refused:
        number += 1
        source, target, asked = f"/b/d/w{number}", f"/c/w{number}", NAMES[number % len(NAMES)]
        await place.call("a", "store", source, encode({"n": number}))
        store = place.stores[victim]
        store.refuse(number)
        done: bool | None = True
        try:
            await place.call(asked, "mv", source, target)
        except EmergeError as error:
            done = None if error.details.get("unknown") else False
        refused = store.commits >= number
        store.refuse(0)
        here = [await place_of(place, node, source, target) for node in NAMES]
        assert len(set(here)) == 1, (number, here)
        assert done is None or here[0] == (target if done else source), (number, done, here)
    assert number > 2, "it has no part in this"


async def place_of(place: Place, node: str, *paths: str) -> str:
    """Where a node says that it is, once it knows: at one of these paths."""
    async with asyncio.timeout(10):
        while True:
            try:
                found = [path for path in paths if await is_there(place, node, path)]
            except Unavailable:  # it is being moved
                await asyncio.sleep(0.05)
                continue
            assert len(found) == 1, found
            return found[0]


async def is_there(place: Place, node: str, path: str) -> bool:
    try:
        await place.call(node, "get", path)
    except NotFound:
        return False
    return True


async def test_a_volume_that_was_given_away_is_looked_for_where_it_is(place: Place) -> None:
    """Its new owner has it, and the table does not say so yet: a move out of it waits, as all others do."""
    handovers = place.nodes["b"].handovers
    for number, asked in enumerate("abc"):
        volume, target = f"/b/v{number}", f"/{'ac'[number % 2]}/w{number}"
        await place.call("b", "store", f"{volume}/w", encode({"n": number}))
        version = place.nodes["b"].volumes.current().version + 1
        await handovers.give(volume, place.nodes["c"].filesystem.uuid, version)
        with suppress(Unavailable):  # else the table came to say so while it waited
            await place.call(asked, "mv", f"{volume}/w", target)
        assert await place_of(place, asked, f"{volume}/w", target)
