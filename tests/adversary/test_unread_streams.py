"""Who opens streams and does not read them has so many kept, and nobody else's are ended for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Mount

from emerge_wasm.clients.transports.rest import RESTTransport
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import LimitExceeded
from emerge_wasm.node.server import RpcServer
from emerge_wasm.operations import Context
from emerge_wasm.rest.app import PREFIX, RequestLimits, RESTApp
from emerge_wasm.rest.backlog import Backlog
from emerge_wasm.rest.gate import bearer
from emerge_wasm.rest.server import HttpServer
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


BOUND = 2 << 20
"""Bytes of answers that may wait for one principal here."""

ITEM = b"x" * (200 << 10)


class Flooding:
    """A dispatch whose only operation is a stream of large items without an end; `open` counts those under way."""

    def __init__(self) -> None:
        self.open = 0

    async def dispatch(self, name: str, args: list[Any], context: Context) -> AsyncGenerator[bytes, None]:
        self.open += 1
        try:
            while True:
                yield ITEM
                await asyncio.sleep(0)
        finally:
            self.open -= 1


def unread(port: int, who: str) -> socket.socket:
    """Open a stream as somebody, and read nothing of it."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", port))
    made.sendall(f"GET {PREFIX}/tree/a HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {who}\r\n\r\n".encode())
    return made


def is_over(reader: socket.socket) -> bool:
    """Whether a stream has ended: what comes of it has an end."""
    reader.setblocking(False)
    try:
        while reader.recv(1 << 20):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


async def test_what_waits_by_http_is_bounded_in_bytes_and_the_longest_unread_ends() -> None:
    service = Flooding()

    def admit(connection: HTTPConnection) -> Context:
        return Context(bearer(connection) or "")

    app = RESTApp(service.dispatch, admit, RequestLimits(beat=60))
    app.backlog = Backlog(BOUND, patience=0)
    server = HttpServer(Starlette(routes=[Mount(PREFIX, app)]), "127.0.0.1", 0, ws="none", lifespan="off")
    url = await server.start()
    port = int(url.rpartition(":")[2])
    streams: list[socket.socket] = []
    async with RESTTransport(url, "other") as other:
        theirs = other.stream("tree", ["/a"])
        assert await anext(theirs) == ITEM
        for number in range(1, 16):
            streams.append(unread(port, "hostile"))
            await eventually(lambda number=number: service.open + app.backlog.ended == number + 1, 30)
        await eventually(lambda: app.backlog.ended > 0, 30)
        await eventually(lambda: service.open == 16 - app.backlog.ended, 30)
        assert len(app.backlog) <= BOUND + 3 * (256 << 10) + 4 * len(ITEM)
        for _ in range(20):
            assert await anext(theirs) == ITEM
        assert 0 < sum(map(is_over, streams)) < len(streams)
    for stream in streams:
        stream.close()
    await eventually(lambda: service.open == 0 and len(app.backlog) == 0, 30)
    await server.stop()


class Reading:
    """A reader, who may be ended."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.kept = 0
        self.ended = False

    def abort(self) -> None:
        self.ended = True


@given(
    moves=st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["add", "take", "wait"]), st.integers(1, 60)), max_size=60
    )
)
def test_who_reads_is_ended_only_beyond_all_bounds_and_nobody_for_others(moves: list[tuple[int, str, int]]) -> None:
    now = 0.0
    backlog = Backlog(100, 5.0, lambda: now)
    readers = [Reading("anna" if number % 2 else "bert") for number in range(6)]
    moved = dict.fromkeys(readers, 0.0)
    for number, what, size in moves:
        reader = readers[number]
        if what == "wait":
            now += size / 10
        elif reader.ended:
            continue
        elif what == "add":
            before = {each: each.ended for each in readers}
            moved[reader] = now if not reader.kept else moved[reader]
            reader.kept += size
            backlog.add(reader, size)
            same = [each for each in readers if each.account == reader.account]
            total = sum(each.kept for each in same if not before[each])
            for each in readers:
                if each.ended and not before[each]:
                    assert each.account == reader.account and each is not reader and total > 100
                    assert now - moved[each] >= 5 or total > 400
            left = [each for each in same if not each.ended and each.kept and each is not reader]
            if sum(each.kept for each in same if not each.ended) > 100:
                assert all(now - moved[each] < 5 for each in left)
        else:
            size = min(size, reader.kept)
            reader.kept -= size
            moved[reader] = now
            backlog.take(reader, size)
        assert len(backlog) == sum(each.kept for each in readers if not each.ended)
    for reader in readers:
        backlog.drop(reader)
    assert len(backlog) == 0
