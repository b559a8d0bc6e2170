"""Calls while volumes go from node to node: they are answered where the volume is by then, each done once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any

from emerge_wasm import codec
from emerge_wasm.clients.transports.failover import FailoverTransport
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import Unavailable
from emerge_wasm.node.node import Node

from .conftest import StartNode, eventually
from .test_handover import bare as bare
from .test_handover import call_of as call_of

MOVES = [("mount", "/p", "b"), ("mount", "/p", "c"), ("unmount", "/p"), ("mount", "/p", "b"), ("unmount", "/p")]


async def again(call: Callable[[], Awaitable[Any]]) -> Any:
    """Call; and again where the node has waited for a move in vain, as on a busy machine: nothing was done then."""
    while True:
        try:
            return await call()
        except Unavailable as error:
            if not error.details.get("mounted"):
                raise


async def ask(client: Any, name: str, *args: object) -> Any:
    return await again(lambda: client.call(name, list(args)))


async def test_a_call_follows_a_volume_and_is_done_once(bare: list[Node]) -> None:
    """Whichever node is asked, by a client of one node or of several."""
    random = Random(0)
    operator = call_of(*(node.dispatch for node in bare))
    await operator("mkdir", "/p")
    for number in range(30):  # so that a move takes a moment
        await operator("store", f"/p/x{number}", codec.encode({"n": 0}))
    clients: list[Any] = [
        *(ZeroMQTransport(node.endpoint) for node in bare),
        FailoverTransport([node.endpoint for node in bare], ZeroMQTransport),
    ]
    made = dict.fromkeys(range(6), 0)
    stop = asyncio.Event()

    async def load(client: Any) -> None:
        while not stop.is_set():
            number = random.randrange(len(made))
            path = f"/p/o{number}"
            row = await ask(client, "store", path, codec.encode({"n": made[number]}))
            made[number] += 1
            assert (await ask(client, "get", path))["version"] >= row["version"]
            assert len((await ask(client, "list", "/p"))["entries"]) >= 30

    loads = [asyncio.create_task(load(client)) for client in clients]
    for move in MOVES:
        await asyncio.sleep(0.05)
        await again(partial(operator, *move))
    stop.set()
    await asyncio.gather(*loads)
    for number, times in made.items():
        if times:
            assert (await operator("get", f"/p/o{number}"))["version"] == times
    for client in clients:
        await client.close()


async def test_who_comes_late_mounts_nothing_again(bare: list[Node]) -> None:
    """A node that goes on with what it gave does not know that it is over, and was undone since."""
    a, b, _ = bare
    operator = call_of(a.dispatch)
    await operator("store", "/p/x", codec.encode({}))

    async def late(to: Node) -> list[tuple[str, str]]:
        await b.cluster.link(a.cluster.identity).call("_cluster_mount", ["/p", to.filesystem.uuid, True])
        return [(row["path"], row["node"]) for row in await operator("volumes")]

    for _ in range(2):
        await operator("mount", "/p", "b")
        assert await late(a) == await late(b) == [("/", "a"), ("/p", "b")]
        await operator("unmount", "/p")
        assert await late(a) == await late(b) == [("/", "a")]
    assert (await operator("get", "/p/x"))["version"] == 1


async def test_a_member_is_named_as_it_is_called_now(bare: list[Node], start_node: StartNode) -> None:
    a, b, c = bare
    operator = call_of(a.dispatch)
    await operator("mount", "/p", "b")
    await operator("store", "/p/x", codec.encode({}))
    store = b.filesystem.core.store
    await b.stop()
    other = await start_node("other", (a.endpoint,), store=store)
    await eventually(lambda: all(node.volumes.current().name(other.filesystem.uuid) == "other" for node in (a, c)))
    assert [(row["path"], row["node"], row["away"]) for row in await operator("volumes")] == [
        ("/", "a", False),
        ("/p", "other", False),
    ]
    assert (await operator("get", "/p/x"))["node"] == "other"
