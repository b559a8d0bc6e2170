"""Whatever strangers send, a node serves on, others hardly notice, and its memory is what it was.

Each listener hears frames that are random, mutilated, dear or half: 5,000 in a run (a fifth of them by HTTP and through
a relay), 100,000 by command, which also holds another client's calls to 100 ms. A run counts processor time instead.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgpack
import pytest
import zmq
import zmq.asyncio
from websockets.exceptions import ConnectionClosed

from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.codec import decode, encode
from emerge_wasm.errors import EmergeError, Invalid, LimitExceeded
from emerge_wasm.operations import TABLE
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import RelaySettings
from emerge_wasm.wire import event
from emerge_wasm.wire.duplex import Duplex
from emerge_wasm.wire.event import Ids
from tests.conftest import Server, start_server
from tests.relay.conftest import TOKEN, connected, node_is
from tests.scale import SCALE, TURN

FRAMES = 5_000 * SCALE
BATCH = 250
PATH = "/shelf/box"
FUZZ = "/fuzz"
"""What strangers may change here, who are all the operator to this node."""


@pytest.fixture(scope="module")
def node() -> Iterator[Server]:
    words = ("node", "start", "--port", "0", "--store", "memory:", "--rest", "0")
    server = start_server(*words, sandbox=False)
    yield server
    assert server.stop() == 0  # it still ends as it should


@pytest.fixture
async def other(node: Server) -> AsyncIterator[ZeroMQTransport]:
    """Another client, with an object of its own."""
    async with ZeroMQTransport(node.found["node"]) as transport:
        await transport.call("store", [PATH, encode({"size": 7})])
        yield transport


def memory(node: Server, what: str) -> int:
    """VmRSS (now) or VmHWM (the most ever) of the node, in bytes."""
    lines = Path(f"/proc/{node.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(what))


def processor_seconds(node: Server) -> float:
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def check_other(other: ZeroMQTransport) -> float:
    """Another client's call is answered, and right; how long that took."""
    began = time.perf_counter()
    found = await asyncio.wait_for(other.call("getobject", [PATH]), 60)
    assert decode(found["state"]) == {"size": 7}
    return time.perf_counter() - began


async def under_fire(node: Server, other: ZeroMQTransport, fire: Callable[[int], Awaitable[None]], count: int) -> None:
    """Send so many frames, and look at the node and at another client between and after them."""
    await fire(0)  # what is loaded once is loaded
    before, waits = memory(node, "VmRSS"), []
    for batch in range(1, max(count // BATCH, 1) + 1):
        _, wait = await asyncio.gather(fire(batch), check_other(other))
        waits.append(wait)
    waits += [await check_other(other) for _ in range(20)]
    assert memory(node, "VmRSS") < 1.2 * before + (32 << 20)
    if SCALE > 1:
        assert statistics.quantiles(waits, n=100)[98] < 0.1


def request(ids: Ids, dice: random.Random) -> bytes:
    """A request that could be right, of any operation."""
    name = dice.choice([*TABLE, "", "_zerorpc_list", "_zpc_hb", "OK", "STREAM", "x" * 300])
    some: list[object] = [
        FUZZ,
        f"{FUZZ}/a",
        1,
        -1,
        None,
        True,
        1.5,
        b"\x80",
        [],
        {},
        {"text": "lambda o: o.size"},
        "x" * 200,
        (),
    ]
    args = [dice.choice(some) for _ in range(dice.randrange(5))]
    return event.encode_request(ids(), name, args, dice.choice([None, {}, {"principal": "root"}, {"umask": "7"}]))


def frame(ids: Ids, dice: random.Random) -> bytes:
    """Any bytes: a request, one with changed, lost or added bytes, or noise."""
    data = bytearray(request(ids, dice))
    for _ in range(dice.choice([0, 1, 1, 2, 8])):
        at = dice.randrange(len(data))
        match dice.randrange(4):
            case 0:
                data[at] = dice.randrange(256)
            case 1:
                del data[at:]
            case 2:
                data[at:at] = dice.randbytes(dice.randrange(9))
            case 3:
                data[at:at] = dice.choice([b"\xdd\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x02", b"\x91" * 2000])
        if not data:
            break
    return bytes(data) if dice.randrange(8) else dice.randbytes(dice.randrange(400))


def many(inner: bytes, size: int) -> bytes:
    count = size // len(inner)
    return b"\xdd" + count.to_bytes(4, "big") + inner * count


DEAR = {
    "lists": b"\x90",
    "maps": b"\x80",
    "numbers": b"\x01",
    "lists of lists": b"\x9f" + b"\x90" * 15,
    "tuples": b"\xd4\x02\x90",
    "texts": b"\xa2ab",
}


async def test_messages_that_would_become_much_are_refused_at_once(node: Server, other: ZeroMQTransport) -> None:
    """Each took 13 s of the node and 1.4 GB."""
    with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(node.found["node"])
        payloads = [b"\x93\x82\xaamessage_id\xa1%c\xa1v\x03\xa3get\x91" % b"abcdef"[at] for at in range(len(DEAR))]
        before, begun = memory(node, "VmHWM"), processor_seconds(node)
        for head, inner in zip(payloads, DEAR.values(), strict=True):
            await socket.send_multipart([b"", head + many(inner, 15_000_000)])
            (_, answer), _ = await asyncio.gather(
                asyncio.wait_for(socket.recv_multipart(), 60), asyncio.wait_for(check_other(other), 60)
            )
            error = event.read_error(event.decode(answer))
            assert isinstance(error, LimitExceeded) and error.details["limit"] == "values"
        assert processor_seconds(node) - begun < 1.0 * len(DEAR)
        assert memory(node, "VmHWM") - before < 250 << 20


async def test_frames_over_zeromq(node: Server, other: ZeroMQTransport) -> None:
    dice, ids = random.Random(f"zeromq {TURN}"), Ids()
    with zmq.asyncio.Context() as context:

        async def fire(batch: int) -> None:
            made = [[frame(ids, dice) for _ in range(dice.choice([1, 1, 1, 1, 2, 5]))] for _ in range(BATCH)]
            with context.socket(zmq.DEALER) as socket:
                socket.linger = 1000
                socket.connect(node.found["node"])
                for parts in made:  # before, as the other client's calls are made by this loop, too
                    await socket.send_multipart([b"", *parts] if dice.randrange(2) else parts)
                await socket.send_multipart([b"", event.encode_request(last := ids(), "whoami", [])])
                while True:  # until the last of them is answered, they are all read
                    answer = (await asyncio.wait_for(socket.recv_multipart(), 60))[-1]
                    try:
                        if event.peek(answer)[0].get("response_to") == last:
                            return
                    except EmergeError:
                        pass

        await under_fire(node, other, fire, FRAMES)


async def test_frames_through_a_relay(node: Server, other: ZeroMQTransport, tmp_path: Path) -> None:
    """What is no event ends its WebSocket; another one takes its place, and the relay is there for whoever is right."""
    dice, ids = random.Random(f"websocket {TURN}"), Ids()
    settings = RelaySettings(tmp_path, None, (node.found["node"],), port=0, token=TOKEN, beat=0.5)
    async with RelayServer(settings) as relay:
        await node_is(relay, node.found["name"])

        async def fire(batch: int) -> None:
            made = [frame(ids, dice) for _ in range(BATCH // 5)]
            if batch == 1:
                made[:2] = [many(DEAR["lists"], 15_000_000), b"\x93\x81\xa1x" + many(DEAR["maps"], 15_000_000)]
            while made:
                async with connected(relay) as wire:
                    with suppress(ConnectionClosed):
                        while made:
                            await wire.connection.send(made.pop())
            async with connected(relay) as wire:
                await wire.ask(b"last", "whoami")
                while (await wire.next()).header.get("response_to") != b"last":
                    pass

        await under_fire(node, other, fire, FRAMES)


async def test_requests_over_http(node: Server, other: ZeroMQTransport) -> None:
    dice = random.Random(f"http {TURN}")
    port = int(node.found["rest"].rpartition(":")[2])

    def asked() -> bytes:
        name = dice.choice([*TABLE, "healthz", "openapi.json", "files/x", "..", "%00", ""])
        kind = dice.choice(["application/json", "application/msgpack", "text/plain", ""])
        body = dice.choice(
            [
                b"",
                b"{}",
                b'{"path": "/fuzz"}',
                b"[" * 9_000,
                dice.randbytes(40),
                msgpack.packb({"path": FUZZ}),
                b'{"a":' * 500,
            ]
        )
        head = f"{dice.choice(['GET', 'POST', 'PUT', 'X'])} /api/v1/{name} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        data = bytearray(head.encode() + body)
        for _ in range(dice.choice([0, 0, 1, 3])):
            data[dice.randrange(len(data))] = dice.randrange(256)
        return bytes(data)

    async def one(data: bytes) -> None:
        """Send a request and its end; whatever comes back ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            writer.write_eof()
            while await asyncio.wait_for(reader.read(1 << 16), 60):
                pass
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def fire(batch: int) -> None:
        for _ in range(BATCH // 25):
            await asyncio.gather(*(one(asked()) for _ in range(5)))

    await under_fire(node, other, fire, FRAMES)


def test_frames_of_a_worker() -> None:
    """A host makes of a worker's frame an action or says that it broke the rules, and nothing else."""
    dice, ids = random.Random(f"worker {TURN}"), Ids()
    for number in range(FRAMES):
        if number % 50 == 0:
            duplex = Duplex.of_host(requests=8, limit=1 << 20)
        try:
            duplex.receive(frame(ids, dice))
        except Invalid:
            pass
