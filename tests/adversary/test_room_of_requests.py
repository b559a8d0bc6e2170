"""Whoever has many requests under way, through however many connections, leaves room for those of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import LimitExceeded
from emerge_wasm.node.server import RpcServer
from emerge_wasm.operations import Context
from emerge_wasm.wire.server import FEW

EACH, TOTAL = 30, 60


async def forever(name: str, args: list[Any], context: Context) -> AsyncGenerator[str, None]:
    yield context.principal
    await asyncio.Event().wait()


async def test_a_principal_is_counted_once_over_all_connections_and_others_have_room() -> None:
    server = RpcServer(forever, "tcp://127.0.0.1:0", context=Context(superuser=True), each=EACH, total=TOTAL)
    await server.start()
    async with AsyncExitStack() as stack:

        async def begin(connection: ZeroMQTransport, who: str) -> None:
            stream = connection.stream("watch", ["/"], {"as": who})
            stack.push_async_callback(stream.aclose)
            assert await anext(stream) == who

        connections = [await stack.enter_async_context(ZeroMQTransport(server.endpoint)) for _ in range(3)]
        for number in range(EACH):
            await begin(connections[number % 3], "mallory")
        for connection in connections:
            with pytest.raises(LimitExceeded, match=f"{EACH} requests of yours"):
                await begin(connection, "mallory")
        for number in range(8):  # many, who all want much
            with pytest.raises(LimitExceeded):
                for _ in range(EACH):
                    await begin(connections[0], f"eve{number}")
        for _ in range(FEW):
            await begin(connections[0], "anna")
    await server.stop()
