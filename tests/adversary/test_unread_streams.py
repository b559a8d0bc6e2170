"""Who opens streams and does not read them has so many kept, and nobody else's are ended for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import LimitExceeded
from emerge_wasm.node.server import RpcServer
from emerge_wasm.operations import Context
from emerge_wasm.wire import answer
from tests.node.conftest import eventually

MOST = 3
NUMBERS = 5000
"""More than a client asks for ahead."""


class Counting:
    """A dispatch whose only operation is a stream of numbers; `open` counts those under way."""

    def __init__(self) -> None:
        self.open = 0

    async def dispatch(self, name: str, args: list[Any], context: Context) -> AsyncGenerator[int, None]:
        self.open += 1
        try:
            for number in range(NUMBERS):
                yield number
        finally:
            self.open -= 1


async def test_the_longest_unread_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "UNREAD", MOST)  # patched: 256
    service = Counting()
    server = RpcServer(service.dispatch, "tcp://127.0.0.1:0")
    await server.start()
    answers = server._answers
    assert answers is not None

    async def open_unread(transport: ZeroMQTransport, unread: int) -> AsyncIterator[int]:
        """Open a stream, read its first number, and wait until `unread` streams wait to be read."""
        stream = transport.stream("watch", ["/"])
        assert await anext(stream) == 0
        await eventually(lambda: len(answers._credit) == unread)
        return stream

    async with ZeroMQTransport(server.endpoint) as other, ZeroMQTransport(server.endpoint) as hostile:
        theirs = await open_unread(other, 1)
        streams = [await open_unread(hostile, 1 + min(number, MOST)) for number in range(1, MOST + 3)]
        await eventually(lambda: service.open == MOST + 1)
        for stream in streams[:2]:
            with pytest.raises(LimitExceeded, match=f"{MOST} streams") as caught:
                async for _ in stream:
                    pass
            assert caught.value.details["limit"] == "unread streams"
        for stream in [theirs, *streams[2:]]:
            assert [number async for number in stream] == list(range(1, NUMBERS))
    await server.stop()
    assert service.open == 0
