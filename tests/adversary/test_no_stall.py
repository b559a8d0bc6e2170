"""The watch of these tests sees what holds up a node."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from time import thread_time
from typing import Any

from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.node.server import RpcServer
from emerge_wasm.operations import Context

from .conftest import MOST_SECONDS


async def computing(name: str, args: list[Any], context: Context) -> AsyncGenerator[int, None]:
    yield 1
    until = thread_time() + 1.2 * MOST_SECONDS
    while thread_time() < until:
        pass
    yield 2


async def test_a_node_that_computes_in_its_loop_is_seen(no_stall: list[float]) -> None:
    server = RpcServer(computing, "tcp://127.0.0.1:0")
    await server.start()
    async with ZeroMQTransport(server.endpoint) as transport:
        assert [number async for number in transport.stream("watch", ["/"])] == [1, 2]
    await server.stop()
    assert len(no_stall) == 1
    no_stall.clear()
