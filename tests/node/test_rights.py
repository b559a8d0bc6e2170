"""A change of rights goes on over volumes of several owners: it reaches all, or the error says which it did not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import pytest

from emerge_wasm import Unavailable, codec
from emerge_wasm.errors import EmergeError, PermissionDenied
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Answer, Context
from tests.scale import examples

from .conftest import OPERATOR, StartNode, eventually, names

ANN = Context("ann", via="zeromq")
OLD, NEW = "rwxr-xr-x", "rwx--x--x"


async def call(node: Node, name: str, *args: object, who: Context = OPERATOR) -> dict[str, object]:
    answer = node.dispatch(name, list(args), who)
    return await answer  # type: ignore[misc]


@pytest.fixture
async def nodes(start_node: StartNode) -> list[Node]:
    first = await start_node("a")
    await first.volumes.found()
    made = [first, *[await start_node(name, (first.endpoint,)) for name in "bcd"]]
    await eventually(lambda: all(len(names(node.cluster)) == 3 for node in made))
    return made


async def plant(nodes: list[Node], dice: Random, top: str) -> dict[str, str]:
    """Directories of ann's below a top, some of them volumes, one object in each: who owns which."""
    places = {top: "a"}
    for number in range(6):
        path = f"{dice.choice(list(places))}/d{number}"
        owner = dice.choice(nodes).filesystem.node
        above = {places[each] for each in places if path.startswith(each + "/")}
        try:
            await call(nodes[0], "mount", path, owner)
        except EmergeError:
            assert owner in above  # and not the nearest
            await call(nodes[0], "mkdir", path)
        places[path] = owner
    for path in places:
        await call(nodes[0], "store", f"{path}/x", codec.encode({}))
    for path in [each for place in places for each in (place, f"{place}/x")]:
        await call(nodes[0], "chmod", path, OLD)
        await call(nodes[0], "chown", path, "ann")
    return places


async def changed(nodes: list[Node], places: Sequence[str]) -> set[str]:
    """The directories whose rights, and those of the object in them, were changed; both are or none."""
    found = set()
    for path in places:
        perms = {str((await call(nodes[0], "get", each))["perms"]) for each in (path, f"{path}/x")}
        assert perms in ({OLD}, {NEW}), path
        if perms == {NEW}:
            found.add(path)
    return found


async def test_all_are_changed_or_the_error_says_which(nodes: list[Node]) -> None:
    dice = Random()
    seed = dice.getrandbits(32)
    for number in range(examples(2)):
        dice.seed(seed + number)
        top = f"/t{number}"
        places = await plant(nodes, dice, top)
        asked = dice.choice(nodes)
        spoilt = dice.choice(["", *places, *places])
        if spoilt:
            await call(nodes[0], "chown", spoilt, "bob")
        who = "chmod", top, NEW, True
        if not spoilt:
            await call(asked, *who, who=ANN)
            assert await changed(nodes, list(places)) == set(places), seed + number
            continue
        with pytest.raises(PermissionDenied) as raised:
            await call(asked, *who, who=ANN)
        await check_told(raised.value, nodes, list(places))


async def check_told(error: EmergeError, nodes: list[Node], places: Sequence[str]) -> None:
    """What an error says of each volume is what became of it; it says nothing where one owner has all."""
    now = await changed(nodes, places)
    told, left = error.details.get("changed", []), error.details.get("unchanged", [places[0]])
    for path in places:
        volume = max((each for each in (*told, *left) if f"{path}/".startswith(f"{each}/")), key=len)
        assert (path in now) == (volume in told), (path, error)
    assert len(told) + len(left) == 1 or all(path in error.message for path in (*told, *left))


@pytest.mark.parametrize("made", [False, True])
async def test_an_owner_goes_in_the_middle(nodes: list[Node], made: bool) -> None:
    """It is killed when it is asked, before it did it or after; nothing that was done elsewhere is kept quiet."""
    dice = Random()
    a, b, c, d = nodes
    for path, owner in (("/t", "b"), ("/t/one", "c"), ("/t/two", "d"), ("/t/one/three", "d")):
        await call(a, "mount", path, owner)
    places = ["/t", "/t/one", "/t/two", "/t/one/three"]
    for path in places:
        await call(a, "store", f"{path}/x", codec.encode({}))
    for path in [each for place in places for each in (place, f"{place}/x")]:
        await call(a, "chmod", path, OLD)
    own = c.filesystem.dispatch

    def dying(name: str, args: Sequence[object], context: Context | None = None) -> Answer:
        async def die() -> object:
            if made:
                await own(name, args, context)  # type: ignore[misc]  # it does not stream
            dead.append(asyncio.ensure_future(c.server.stop()))
            await asyncio.sleep(60)
            return None

        return die() if name == "chmod" else own(name, args, context)

    dead: list[asyncio.Future[None]] = []
    c.filesystem.dispatch = dying  # type: ignore[method-assign]
    with pytest.raises(Unavailable) as raised:
        await call(dice.choice([a, b, d]), "chmod", "/t", NEW, True)
    error = raised.value
    assert error.details["unknown"] and error.details["changed"] == ["/t/two", "/t/one/three"]
    assert error.details["unchanged"] == ["/t"]
    assert "may have been done at /t/one" in error.message and "was not done at /t" in error.message
    assert await changed([a], ["/t", "/t/two", "/t/one/three"]) == {"/t/two", "/t/one/three"}
