"""Reads by a copy on the node that is asked, for who said how old an answer may be: never older than what they saw."""

from __future__ import annotations

import asyncio
import random
import warnings
from dataclasses import replace

import pytest

from emerge_wasm import StaleAnswer, codec
from emerge_wasm.clients import Client
from emerge_wasm.errors import Invalid, NotFound
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from tests.scale import examples

from .conftest import OPERATOR, Connect, StartNode, eventually, names
from .test_copies import is_copied

NEAR = replace(OPERATOR, max_age=1.0)


async def call(node: Node, context: Context, name: str, *args: object) -> dict[str, object]:
    answer = node.dispatch(name, list(args), context)
    return await answer  # type: ignore[misc]


async def pair(start_node: StartNode) -> tuple[Node, Node]:
    """The owner of /p, and a node that has a copy of it."""
    a, b = await start_node("a"), None
    await a.volumes.found()
    b = await start_node("b", (a.endpoint,))
    await eventually(lambda: names(a.cluster) == ["b"] and names(b.cluster) == ["a"])
    await call(a, OPERATOR, "mount", "/p", "a")
    await call(a, OPERATOR, "store", "/p/x", codec.encode({"n": 0}))
    await call(a, OPERATOR, "replicate", "/p", 1)
    await is_copied(a, "/p")
    return a, b


async def nearby(node: Node, context: Context = NEAR) -> dict[str, object]:
    """An answer of the copy, once it is fresh enough."""
    for _ in range(300):
        found = await call(node, context, "getobject", "/p/x")
        if "stale" in found:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("the copy never answers")


async def test_a_copy_answers_for_who_allows_it_and_says_so(start_node: StartNode, connect: Connect) -> None:
    a, b = await pair(start_node)
    assert str((await nearby(b))["stale"]).startswith("20")
    assert "stale" not in await call(b, OPERATOR, "getobject", "/p/x")
    assert "stale" not in await call(a, NEAR, "getobject", "/p/x")
    await nearby(b)
    assert (await call(b, NEAR, "count", "/p"))["count"] == 1
    rows = [row async for row in b.dispatch("tree", ["/p"], NEAR)]  # type: ignore[union-attr]  # a stream
    assert len(rows) == 1
    for name, path in (("getobject", "/p/none"), ("list", "/p/none")):  # the copy has not got it: the owner knows
        with pytest.raises(NotFound):
            await call(b, NEAR, name, path)
    with pytest.raises(NotFound):
        async for _ in b.dispatch("tree", ["/p/none"], NEAR):  # type: ignore[union-attr]  # a stream
            pass
    fs = Client(connect(b.endpoint))
    await nearby(b)
    with pytest.warns(StaleAnswer):
        await fs.within(max_age=1.0).get("/p/x")
    for wrong in (-1, "soon", True, 1e9):
        with pytest.raises(Invalid, match="max_age"):
            await fs.within(max_age=wrong).get("/p/x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await fs.get("/p/x")
    await fs.close()


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_who_goes_on_at_one_node_never_sees_what_is_older(start_node: StartNode, seed: int) -> None:
    """Several callers at one node, and one at the owner's: what a caller wrote or saw is there in its next read."""
    a, b = await pair(start_node)
    dice = random.Random(seed)
    written, near = 0, 0
    seen = dict.fromkeys(("ann", "bob", "eve"), 0)
    await nearby(b, replace(NEAR, principal="ann"))
    for _ in range(400):
        who = dice.choice(list(seen))
        context = replace(NEAR, principal=who)
        what = dice.choice(("read", "read", "read", "read", "fresh", "write", "elsewhere", "wait"))
        if what == "wait":
            await asyncio.sleep(dice.choice((0, 0.01, 0.05)))
        elif what in ("write", "elsewhere") and dice.random() < 0.3:
            written += 1
            await call(a if what == "elsewhere" else b, context, "store", "/p/x", codec.encode({"n": written}))
            if what == "write":
                seen[who] = written
        elif what in ("read", "fresh"):
            asked = context if what == "read" else replace(context, max_age=0.0)
            found = await call(b, asked, "getobject", "/p/x")
            near += "stale" in found
            value = codec.decode(found["state"])["n"]  # type: ignore[arg-type]
            assert value >= seen[who], "older than what this caller saw"
            assert what == "read" or value == written
            seen[who] = value
    await nearby(b, replace(NEAR, principal="ann"))
    assert near
