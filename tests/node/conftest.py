"""Real nodes over memory stores, on free loopback ports, with short periods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.cluster.broadcast import Broadcast
from emerge_wasm.cluster.membership import Cluster, Times
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runner import Runner
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from emerge_wasm.store import Store
from emerge_wasm.stores.memory import MemoryStore

OPERATOR = Context("operator", superuser=True, via="zeromq")
TIMES = Times(period=0.1, silence=0.5, patience=0.5)

StartNode = Callable[..., Awaitable[Node]]
Connect = Callable[[str], ZeroMQTransport]


async def eventually(condition: Callable[[], object], seconds: float = 3.0) -> None:
    """Wait until the condition holds; fails when it does not in time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not condition():
        assert loop.time() < until, "it did not come about in time"
        await asyncio.sleep(0.01)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def start_node(stack: AsyncExitStack) -> StartNode:
    async def start(
        name: str,
        join: tuple[str, ...] = (),
        bind: str = "tcp://127.0.0.1:0",
        runner: Runner | None = None,
        store: Store | None = None,
        mount: tuple[str, ...] = (),
        host: str = "",
        copies: Path | None = None,
        times: Times = TIMES,
    ) -> Node:
        filesystem = await Filesystem.open(store or MemoryStore(), node=name, runner=runner, poll=store and 0.05)
        stack.push_async_callback(filesystem.close)
        return await stack.enter_async_context(
            Node(
                filesystem,
                bind,
                join=join,
                mount=mount,
                times=times,
                context=OPERATOR,
                copies=copies,
                host=host or name,
            )
        )

    return start


@pytest.fixture
def connect(stack: AsyncExitStack) -> Connect:
    def make(endpoint: str) -> ZeroMQTransport:
        transport = ZeroMQTransport(endpoint)
        stack.push_async_callback(transport.close)
        return transport

    return make


def names(cluster: Cluster) -> list[str]:
    """The members that a node sees."""
    return [peer.node for peer in cluster.peers()]


async def two(start_node: StartNode) -> tuple[Node, Node]:
    """Two nodes that know each other."""
    a = await start_node("a")
    await a.volumes.found()
    b = await start_node("b", (a.endpoint,))
    await eventually(lambda: names(a.cluster) == ["b"] and names(b.cluster) == ["a"])
    return a, b


def broadcast_of(node: Node) -> Broadcast:
    """What a node speaks by, to say what it would not say by itself."""
    return node.cluster._broadcast  # private: a healthy node says nothing malformed, and falls silent only when killed


def fall_silent(node: Node) -> None:
    """Cut a node off: it announces nothing more, and does not say that it leaves."""
    broadcast_of(node).say = lambda message: None  # type: ignore[method-assign]
