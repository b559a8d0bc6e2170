"""One watch tells the changes of all nodes, of those that join later too."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from emerge_wasm import codec
from emerge_wasm.errors import Invalid
from emerge_wasm.node.node import Node

from .conftest import Connect, StartNode, eventually


async def store(node: Node, connect: Connect, path: str) -> None:
    await connect(node.endpoint).call("store", [path, codec.encode({})])


async def heard(seen: list[dict[str, Any]], *paths: str) -> None:
    await eventually(lambda: set(paths) <= {change["path"] for change in seen}, 5)


async def test_changes_of_all_nodes(start_node: StartNode, connect: Connect) -> None:
    a = await start_node("a")
    await a.volumes.found()
    watched_by = list(a.cluster.view.callbacks)
    seen: list[dict[str, Any]] = []
    items = connect(a.endpoint).stream("watch", ["/in", -1])

    async def listen() -> None:
        async for change in items:
            seen.append(change)

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0.05)
    await store(a, connect, "/in/a")
    await heard(seen, "/in/a")

    b = await start_node("b", (a.endpoint,))
    await eventually(lambda: bool(a.cluster.peers()) and bool(b.cluster.peers()))
    await asyncio.sleep(0.1)
    await a.volumes.change("_cluster_mount", "/in/vol", b.filesystem.uuid)
    await store(a, connect, "/in/vol/b")
    await store(a, connect, "/elsewhere")
    await heard(seen, "/in/a", "/in/vol/b")
    assert [change["pointer"]["node"] for change in seen if change["path"] == "/in/vol/b"] == ["b"]

    await b.stop()
    await eventually(lambda: not a.cluster.peers())
    await store(a, connect, "/in/after")
    await heard(seen, "/in/after")
    assert "/elsewhere" not in {change["path"] for change in seen}

    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await items.aclose()  # type: ignore[attr-defined]
    await eventually(lambda: a.cluster.view.callbacks == watched_by)


async def test_a_watch_of_nonsense_fails(start_node: StartNode, connect: Connect) -> None:
    a = await start_node("a")
    with pytest.raises(Invalid, match="absolute"):
        await anext(connect(a.endpoint).stream("watch", ["relative", -1]))
