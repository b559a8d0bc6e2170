"""Answers of a copy while its owner is away: they are marked, and what it has not got is not said to be absent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from emerge_wasm import EmergeFile, StaleAnswer, codec
from emerge_wasm.clients import Client
from emerge_wasm.errors import Unavailable
from emerge_wasm.node.node import Node

from .conftest import OPERATOR, Connect, StartNode, eventually, names, two


@dataclass
class Loaf(EmergeFile):
    """Its fields have the names of marks."""

    stale: str = ""
    value: int = 0


async def call(node: Node, name: str, *args: object) -> object:
    answer = node.dispatch(name, list(args), OPERATOR)
    return await answer  # type: ignore[misc]


async def copied(node: Node) -> None:
    """Wait until the copy of /p has all."""
    for _ in range(250):
        report = await call(node, "replicate", "/p")
        if all(row["same"] for row in report["copies"]):  # type: ignore[index]
            return
        await asyncio.sleep(0.02)
    raise AssertionError(report)


READS: list[Callable[[Client, str], Awaitable[object]]] = [
    lambda fs, path: fs.get(path),
    lambda fs, path: fs.cat(path),
    lambda fs, path: fs.cat(f"{path}.n"),
    lambda fs, path: fs.getobject(path),
    lambda fs, path: fs.versions(path),
    lambda fs, path: fs.list(path),
    lambda fs, path: fs.count(None, path),
    lambda fs, path: fs.search(None, path),
]


async def test_what_a_copy_has_not_got_is_not_absent(start_node: StartNode, connect: Connect) -> None:
    a, b = await two(start_node)
    await call(a, "mount", "/p", "b")
    await call(a, "store", "/p/old", codec.encode({"n": 1}))
    await call(a, "replicate", "/p", 1)
    await copied(a)
    await b.server.stop()  # its copy does not hear of the next
    await b.filesystem.dispatch("store", ["/p/d/new", codec.encode({"n": 1})], OPERATOR)  # type: ignore[misc]
    await b.stop()
    await eventually(lambda: names(a.cluster) == [])
    async with Client(connect(a.endpoint)) as fs:
        for path in ("/p/d/new", "/p/d", "/p/never"):
            for read in READS:
                with pytest.raises(Unavailable, match="b"):
                    await read(fs, path)
        with pytest.raises(Unavailable):
            async for _ in fs.tree("/p/d"):
                pass
        with pytest.warns(StaleAnswer):
            assert (await fs.get("/p/old")).name == "old"


async def test_a_value_is_what_it_was_whatever_its_keys(start_node: StartNode, connect: Connect) -> None:
    a, b = await two(start_node)
    await call(a, "mount", "/p", "b")
    fs = Client(connect(a.endpoint))
    loaf = Loaf(name="x", path="/p", stale="since monday", value=3, data={"stale": "x", "value": 1, "more": 2})
    await fs.store(loaf)
    await call(a, "replicate", "/p", 1)
    await copied(a)
    reads = ["/p/x", "/p/x.data", "/p/x.stale", "/p/x.value", "/p/x.data.more"]
    before = [await fs.cat(path) for path in reads]  # a warning would be an error
    assert before[0]["stale"] == "since monday" and before[1] == loaf.data and before[2:] == ["since monday", 3, 2]
    await b.stop()
    await eventually(lambda: names(a.cluster) == [])
    for path, value in zip(reads, before, strict=True):
        with pytest.warns(StaleAnswer):
            assert await fs.cat(path) == value
    await fs.close()


async def test_a_class_that_only_a_copy_has(start_node: StartNode, connect: Connect) -> None:
    """Whoever has stored nothing here opens an object of a copy with its class, from any node."""
    a, b = await two(start_node)
    c = await start_node("c", (a.endpoint,))
    await eventually(lambda: len(names(c.cluster)) == 2)
    await call(a, "mount", "/p", "b")
    async with Client(connect(b.endpoint)) as writer:
        await writer.store(Loaf(name="x", path="/p", value=3))
    await call(a, "replicate", "/p", 1)
    await copied(a)
    await b.stop()
    await eventually(lambda: [len(names(node.cluster)) for node in (a, c)] == [1, 1])
    for node in (a, c):
        async with Client(connect(node.endpoint)) as fs:
            with pytest.warns(StaleAnswer):
                assert (await fs.getobject("/p/x")).value == 3
