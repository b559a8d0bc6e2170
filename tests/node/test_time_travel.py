"""Whoever looks back sees in a cluster what one filesystem shows, whatever was moved, mounted and unmounted since."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from emerge_wasm import codec
from emerge_wasm.errors import EmergeError, NotFound
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from tests.scale import SCALE, examples

from .conftest import OPERATOR
from .test_copies import is_copied
from .test_handover import ANN, BEN, World, do_one, now, step
from .test_handover import alone as alone
from .test_handover import bare as bare
from .test_handover import call_of as call_of

TOPS = ("/p", "/p/in", "/q")
PLACES = ("/p/x", "/p/in", "/p/in/x", "/q", "/q/y", "/free/z")
LOW = ("/p/x", "/p/in/x", "/q/y", "/free/z")
PRUNED = "kept no more"
SPACES = ("entries", "versions", "links")


async def asked(world: World, name: str, *args: object, context: Context = OPERATOR) -> object:
    """What a call answers, in terms of both worlds; the kind of its error."""
    try:
        answer: Any = await world.call(name, *args, context=context)
    except EmergeError as error:
        return PRUNED if isinstance(error, NotFound) and PRUNED in error.message else type(error).__name__
    if name == "getobject":
        return [world.pointer(answer["pointer"]), answer["state"] and world.told(decode(answer["state"]))]
    if name == "list":
        answer = answer["entries"]
    if name == "count":
        return answer["count"]
    return [world.pointer(row) for row in answer] if isinstance(answer, list) else world.pointer(answer)


def decode(state: bytes) -> dict[str, Any]:
    found = codec.decode(state)
    assert isinstance(found, dict)
    return found


async def looked_back(world: World, moments: list[str], contexts: list[Context]) -> dict[tuple[str, ...], object]:
    """All that can be asked of some moments."""
    found: dict[tuple[str, ...], object] = {}
    for moment in moments:
        rows = await asked(world, "tree", "/", moment)
        paths = [f"{row['path'].rstrip('/')}/{row['name']}" for row in rows] if isinstance(rows, list) else []
        for context in contexts:
            who = context.principal
            if context != OPERATOR:
                rows = await asked(world, "tree", "/", moment, context=context)
            found[moment, who, "tree"] = sorted(map(str, rows)) if isinstance(rows, list) else rows
            for path in paths:
                found[moment, who, "get", path] = await asked(world, "get", path, 0, moment, context=context)
                found[moment, who, "object", path] = await asked(world, "getobject", path, 0, moment, context=context)
                for version in (1, 2, 3):
                    found[moment, who, "version", path, str(version)] = await asked(
                        world, "getobject", path, version, moment, context=context
                    )
                found[moment, who, "list", path] = await asked(world, "list", path, "", 100, moment, context=context)
                found[moment, who, "count", path] = await asked(world, "count", path, None, moment, context=context)
                found[moment, who, "versions", path] = await asked(
                    world, "versions", path, 0, 100, moment, context=context
                )
    return found


def compare(alone: dict[tuple[str, ...], object], cluster: dict[tuple[str, ...], object]) -> None:
    """What is kept no more in one filesystem may be known in a cluster, by who had it once."""
    for key, value in alone.items():
        if value != PRUNED:
            assert cluster.get(key) == value, key


async def change_volumes(cluster: World, random: Random) -> None:
    """Mount something, or unmount it, or do not, if others are in the way."""
    path = random.choice(TOPS)
    try:
        if random.random() < 0.3:
            await cluster.call("unmount", path)
        else:
            await cluster.call("mount", path, random.choice("abc"))
    except EmergeError:
        return


@pytest.mark.parametrize("pruned", [False, True])
@pytest.mark.parametrize("seed", range(examples(1)))
async def test_looking_back_is_as_in_one_filesystem(bare: list[Node], alone: World, seed: int, pruned: bool) -> None:
    cluster, random = World(call_of(*(node.dispatch for node in bare))), Random(seed * 2 + pruned)
    for path in ("/free", *TOPS):
        for world in (alone, cluster):
            world.label((await world.call("mkdir", path))["uuid"], path)
            await world.call("chmod", path, "rwxrwxrwx")
            await world.call("retain", path, "2" if pruned else "all")
    moments, number = list[str](), 0
    for _ in range(10 if SCALE > 1 else 5):
        for _ in range(6):
            await do_one(alone, cluster, random, number, PLACES, LOW)
            number += 1
        moments.append(now())
        await change_volumes(cluster, random)
        some, contexts = random.sample(moments, min(len(moments), 2)), [OPERATOR, random.choice([ANN, BEN])]
        compare(*[await looked_back(world, some, contexts) for world in (alone, cluster)])
    for node in bare:
        assert (await audit(node.filesystem.core.store)).faults == []


@pytest.mark.parametrize("seed", range(examples(1)))
async def test_a_copy_is_what_its_owner_is_whatever_was_moved_and_mounted(bare: list[Node], seed: int) -> None:
    """Its log names each version once. Old versions may be more: not each rule of another filesystem is its own."""
    cluster, random = World(call_of(*(node.dispatch for node in bare))), Random(seed)
    for path in ("/free", *TOPS):
        await cluster.call("mkdir", path)
    await cluster.call("replicate", "/", 1)
    number = 0
    for _ in range(20 if SCALE > 1 else 6):
        for _ in range(8):
            there = [f"{row['path']}/{row['name']}" for row in await cluster.call("tree", "/") if row["path"] != "/"]
            name, *args = step(random, number, there, PLACES, LOW)
            await cluster.tried(str(number), str(name), *args)
            number += 1
        await change_volumes(cluster, random)
        if random.random() < 0.5:
            await is_copied(bare[0], "/")
    report = await is_copied(bare[0], "/")
    (copied,) = report["copies"]
    copy = next(node.volumes.hosted[copied["filesystem"]] for node in bare if node.volumes.hosted)
    own, other = bare[0].filesystem.core.store, copy.core.store
    assert (await audit(other)).faults == []
    rows = {space: [await each.scan(space, limit=100_000) for each in (own, other)] for space in SPACES}
    assert rows["entries"][0] == rows["entries"][1]
    assert not any(set(here) - set(there) for here, there in rows.values())


async def test_what_was_gone_before_the_volume_was_made_is_searched_too(bare: list[Node]) -> None:
    call = call_of(*(node.dispatch for node in bare))
    for number in range(3):
        await call("store", f"/q/y/o{number}", codec.encode({"n": number}))
    moment = now()
    await call("rm", "/q", True)
    await call("mount", "/q", "b")
    await call("store", "/q/y/other", codec.encode({"n": 9}))
    values = {"sum": ["sum", "n"]}
    for path, count in (("/q", 3), ("/q/y", 3), ("/q/y/o1", 1), ("/", 3)):
        for _ in bare:
            assert (await call("count", path, None, moment))["count"] == count, path
            for order in ("", "n"):
                page = await call("search", path, None, order, False, 1, "", moment)
                seen = len(page["objects"])
                while page["cursor"]:
                    page = await call("search", path, None, order, False, 1, page["cursor"], moment)
                    seen += len(page["objects"])
                assert seen == count, (path, order)
    assert (await call("aggregate", "/q/y", values, None, None, moment))["groups"] == [{"sum": 3}]
