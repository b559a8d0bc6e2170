"""Volumes whose changes are acknowledged only when a copy has them: a promotion loses none that was acknowledged."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from emerge_wasm import codec
from emerge_wasm.errors import Invalid, Unavailable
from emerge_wasm.node.node import Node
from emerge_wasm.node.synchrony import SILENCE

from .conftest import OPERATOR, TIMES, StartNode, eventually, names
from .test_copies import OWNER, SharedStore, end

STATE = codec.encode({"n": 1})


async def call(node: Node, name: str, *args: object) -> dict[str, object]:
    answer = node.dispatch(name, list(args), OPERATOR)
    return await answer  # type: ignore[misc]


async def three(start_node: StartNode) -> tuple[Node, Node, Node]:
    """The node of `/`; the owner of /p; one more."""
    a = await start_node("a")
    await a.volumes.found()
    b, c = [await start_node(name, (a.endpoint,)) for name in "bc"]
    await eventually(lambda: all(len(names(node.cluster)) == 2 for node in (a, b, c)))
    await call(a, "mount", "/p", "b")
    return a, b, c


async def accepted(node: Node, path: str) -> None:
    """Store at a path once a copy is here."""
    for _ in range(200):
        try:
            await call(node, "store", path, STATE)
            return
        except Unavailable as error:
            assert "no copy" in error.message
            await asyncio.sleep(0.02)
    raise AssertionError("it is never accepted")


async def test_every_acknowledged_write_is_there_after_a_promotion(
    start_node: StartNode, tmp_path: Path, stack: AsyncExitStack
) -> None:
    a = await start_node("a")
    await a.volumes.found()
    c = await start_node("c", (a.endpoint,))
    args = [f"sqlite:///{tmp_path}/b.db", a.endpoint, *map(str, TIMES)]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", OWNER, *args, stdout=PIPE)
    stack.push_async_callback(end, process)
    await eventually(lambda: names(a.cluster) == ["b", "c"] and names(c.cluster) == ["a", "b"], 10)
    await call(a, "mount", "/p", "b")
    await call(a, "replicate", "/p", 2, True)
    await accepted(a, "/p/first")
    stored: dict[str, int] = {"/p/first": 1}
    transactions = 0
    finished = False

    async def write(node: Node, number: int) -> None:
        nonlocal transactions
        turn = 0
        while not finished:
            turn += 1
            path = f"/p/{node.filesystem.node}/{number}-{turn % 7}"
            try:
                if turn % 5:
                    row = await call(node, "store", path, codec.encode({"n": turn}))
                    stored[path] = int(row["version"])  # type: ignore[call-overload]
                else:
                    await call(node, "mkdir", f"{path}-d{turn}")
                    stored[f"{path}-d{turn}"] = 1
                    transactions += 1
            except Unavailable:
                await asyncio.sleep(0.01)

    writers = [asyncio.create_task(write(node, number)) for node in (a, c) for number in range(4)]
    await eventually(lambda: len(stored) > 60 and transactions, 30)
    process.kill()
    await asyncio.sleep(0.2)
    finished = True
    await asyncio.gather(*writers)
    await eventually(lambda: names(a.cluster) == ["c"] and names(c.cluster) == ["a"], 10)
    await call(c, "promote", "/p")
    for path, version in stored.items():
        assert int((await call(a, "get", path))["version"]) >= version, path  # type: ignore[call-overload]


async def test_indexes_that_were_acknowledged_are_there_after_a_promotion(start_node: StartNode) -> None:
    a, b, c = await three(start_node)
    await call(a, "mkdir", "/p/d")
    await call(a, "replicate", "/p", 1, True)
    await accepted(a, "/p/w")
    for path, field, unique, drop in (
        *(("/p", "n", False, False), ("/p/d", "m", True, False)),
        *(("/p", "n", False, True), ("/p/d", "word", False, False)),
    ):
        await call(a, "index", path, [field], unique, False, drop)
    await b.stop()
    await call(c, "promote", "/p")
    rows: Any = await call(c, "index", "/p")
    found = {(row["path"], *row["fields"], row["unique"]) for row in rows if row["state"] != "suggested"}
    assert found == {("/p/d", "m", True), ("/p/d", "word", False)}


async def test_without_a_copy_nothing_is_changed(start_node: StartNode, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, c = await three(start_node)
    report = await call(a, "replicate", "/p", 1, True)
    assert report["sync"] is True
    await accepted(a, "/p/w")
    (row,) = report["copies"]  # type: ignore[misc]
    host = {"a": a, "c": c}[row["node"]]
    await host.copies.stop()
    monkeypatch.setattr("emerge_wasm.node.synchrony.PATIENCE", 0.2)  # patched: seconds of waiting
    for what, *args in (("store", "/p/x", STATE), ("index", "/p", ["m"])):
        with pytest.raises(Unavailable, match="no copy yet") as error:  # it has just been heard
            await call(b, what, *args)
        assert error.value.details["unknown"] is True
    monkeypatch.setattr("emerge_wasm.node.synchrony.SILENCE", 0.0)  # patched: seconds of waiting
    for what, *args in (("store", "/p/y", STATE), ("mkdir", "/p/d"), ("rm", "/p/w"), ("index", "/p", ["n"])):
        with pytest.raises(Unavailable, match="no copy of /p is here") as error:
            await call(b, what, *args)
        assert "unknown" not in error.value.details
    assert (await call(b, "count", "/p"))["count"] == 2
    report = await call(a, "replicate", "/p", None, False)
    assert report["sync"] is False
    await call(b, "store", "/p/y", STATE)
    assert SILENCE > 2


async def test_who_has_all_is_known_when_all_copies_are_here(start_node: StartNode) -> None:
    a, b, c = await three(start_node)
    d = await start_node("d", (a.endpoint,))
    await eventually(lambda: all(len(names(node.cluster)) == 3 for node in (a, b, c, d)))
    await call(a, "replicate", "/p", 3, True)
    await accepted(a, "/p/w")
    await b.stop()
    await d.stop()
    await eventually(lambda: names(a.cluster) == ["c"])
    with pytest.raises(Unavailable, match="are here: d"):
        await call(a, "promote", "/p")
    await call(a, "promote", "/p", "c")
    await accepted(a, "/p/x")
    assert (await call(a, "replicate", "/p"))["sync"] is True
    assert (await call(a, "replicate", "/p", 0))["sync"] is False
    await call(a, "store", "/p/y", STATE)


async def test_what_cannot_be_synchronous_is_refused(start_node: StartNode) -> None:
    a = await start_node("a", store=SharedStore())
    await a.volumes.found()
    with pytest.raises(Invalid, match="in common"):
        await call(a, "replicate", "/", 1, True)
    with pytest.raises(Invalid, match="there is to be none"):
        await call(a, "replicate", "/", 0, True)
