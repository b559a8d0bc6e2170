"""The WebSocket: who is let in, what is passed on, and every bound."""

from __future__ import annotations

import asyncio
import socket as sockets
from typing import Any

import httpx
import msgpack
import pytest
import zmq
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from emerge_wasm.clients.transports.websocket import SUBPROTOCOL
from emerge_wasm.cluster.membership import Cluster, Times
from emerge_wasm.errors import error_from_wire
from emerge_wasm.node.server import RpcServer
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import BrowserLimits
from emerge_wasm.relay.uplink import LiveNode, Uplink
from emerge_wasm.wire.event import END, MORE, Event, encode

from .conftest import TOKEN, Service, Start, Wire, connected, kill, node_is, until, ws_url

HOST = "127.0.0.1"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def error_of(event: Event) -> tuple[str, str]:
    assert event.name == "ERR", event
    error = error_from_wire(event.header["error"])
    return error.code, str(error)


async def refused(server: RelayServer, subprotocols: list[str] | None = None, url: str = "", **headers: str) -> str:
    names = [SUBPROTOCOL] if subprotocols is None else subprotocols
    options: dict[str, Any] = {"subprotocols": names or None, "additional_headers": headers, "proxy": None}
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url or ws_url(server), host=HOST, port=int(server.url.rpartition(":")[2]), **options):
            pass
    assert caught.value.response.status_code == 403
    return (caught.value.response.body or b"").decode()


async def cookie(server: RelayServer) -> str:
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        return (await http.get(server.invite())).headers["set-cookie"].partition(";")[0]


async def closed(wire: Wire) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            await wire.any()
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


async def test_no_token(relay: RelayServer) -> None:
    assert "open the link" in await refused(relay)


async def test_wrong_token(relay: RelayServer) -> None:
    assert "no session" in await refused(relay, Authorization="Bearer wrong")


async def test_a_relay_without_token_lets_no_program_in(start: Start) -> None:
    server = await start(token="")
    assert "no session" in await refused(server, Authorization="Bearer ")


async def test_foreign_origin(relay: RelayServer) -> None:
    session = await cookie(relay)
    assert "http://evil.example" in await refused(relay, Cookie=session, Origin="http://evil.example")
    assert "http://evil.example" in await refused(relay, Origin="http://evil.example", **BEARER)
    assert "null" in await refused(relay, Cookie=session, Origin="null")


async def test_a_rebound_host_name_is_foreign(relay: RelayServer) -> None:
    port = relay.url.rpartition(":")[2]
    url, origin = f"ws://evil.example:{port}/ws", f"http://evil.example:{port}"
    assert "may not use" in await refused(relay, url=url, Cookie=await cookie(relay), Origin=origin)


async def test_cookie_needs_an_origin(relay: RelayServer) -> None:
    assert "no session" in await refused(relay, Cookie=await cookie(relay))


@pytest.mark.parametrize("names", [[], ["emerge.v2"], ["chat", "emerge.v0"]])
async def test_subprotocol(relay: RelayServer, names: list[str]) -> None:
    assert "emerge.v1" in await refused(relay, names, **BEARER)


async def test_cookie_and_own_origin(relay: RelayServer) -> None:
    async with connected(relay, Cookie=await cookie(relay), Origin=relay.url) as wire:
        assert wire.connection.subprotocol == SUBPROTOCOL
        assert await wire.status() == {"node": "alpha", "state": "up"}


async def test_too_many_browsers(start: Start) -> None:
    server = await start(BrowserLimits(browsers=1))
    async with connected(server) as wire:
        await wire.status()
        with pytest.raises(InvalidStatus) as caught:
            async with connected(server):
                pass
    response = caught.value.response
    assert response.status_code == 503 and b"--browsers" in (response.body or b"")


async def test_64_in_flight(relay: RelayServer) -> None:
    async with connected(relay) as wire:
        for number in range(64):
            await wire.ask(b"%d" % number, "echo", {"n": number})
        answers = [await wire.next() for _ in range(64)]
    assert {event.header["response_to"]: event.args[0]["n"] for event in answers} == {
        b"%d" % number: number for number in range(64)
    }


async def test_a_node_of_the_same_process_is_reached_without_a_connection() -> None:
    """While it serves: afterwards another one may listen there."""
    node, uplink = RpcServer(Service().dispatch, "tcp://127.0.0.1:*"), Uplink([], 1.0)
    alpha = LiveNode("alpha", await node.start())
    for address in ("inproc://", "tcp://"):
        with uplink.open_dealer(alpha) as dealer:
            assert dealer.getsockopt_string(zmq.LAST_ENDPOINT).startswith(address)
        await node.stop()


async def test_error_crosses_whole(relay: RelayServer) -> None:
    async with connected(relay) as wire:
        await wire.ask(b"1", "nothing")
        event = await wire.next()
    assert error_of(event) == ("NotFound", "there is no such thing")
    assert event.header["error"]["path"] == "/a"


async def test_stream_with_credit(relay: RelayServer, service: Service) -> None:
    async with connected(relay) as wire:
        await wire.ask(b"1", "count", 3)
        first = await wire.next()
        await wire.follow(b"1", MORE, [10])
        rest = [await wire.next() for _ in range(3)]
    assert [first.args, *(event.args for event in rest)] == [0, 1, 2, None]
    assert rest[-1].name == "STREAM_DONE"


@pytest.mark.parametrize("how", ["end", "close", "abort"])
async def test_what_a_browser_gave_up_ends_on_the_node(relay: RelayServer, service: Service, how: str) -> None:
    async with connected(relay) as wire:
        await wire.ask(b"1", "hang")
        await asyncio.wait_for(service.begun.wait(), 2)
        if how == "end":
            await wire.follow(b"1", END, [])
            await asyncio.wait_for(service.ended.wait(), 2)
        elif how == "close":
            await wire.connection.close()
        else:
            wire.connection.transport.abort()
        await asyncio.wait_for(service.ended.wait(), 2)


async def test_inner_names_of_the_node_are_out_of_reach(relay: RelayServer) -> None:
    async with connected(relay) as wire:
        await wire.ask(b"1", "_zerorpc_list")
        assert error_of(await wire.next())[0] == "Invalid"


async def test_too_many_in_flight(start: Start, service: Service) -> None:
    server = await start(BrowserLimits(requests=3))
    await node_is(server, "alpha")
    async with connected(server) as wire:
        for channel in (b"1", b"2", b"3", b"4"):
            await wire.ask(channel, "hang")
        event = await wire.next()
        assert event.header["response_to"] == b"4"
        assert error_of(event) == ("LimitExceeded", "3 requests are under way already (wait for some to end)")
        await wire.follow(b"1", END, [])
        await wire.ask(b"5", "echo", 5)
        assert (await wire.next()).args == [5]


async def test_too_many_bytes_in_flight(start: Start) -> None:
    server = await start(BrowserLimits(request_bytes=1000))
    await node_is(server, "alpha")
    async with connected(server) as wire:
        await wire.ask(b"1", "echo", b"x" * 2000)
        assert error_of(await wire.next())[0] == "LimitExceeded"
        await wire.ask(b"2", "echo", b"x" * 500)
        assert (await wire.next()).args == [b"x" * 500]


async def test_oversized_message(start: Start) -> None:
    server = await start(BrowserLimits(message=10_000))
    async with connected(server) as wire:
        await wire.ask(b"1", "echo", b"x" * 20_000)
        assert (await closed(wire))[0] == 1009
    await lives_on(server)


async def test_oversized_answer(start: Start) -> None:
    server = await start(BrowserLimits(message=10_000))
    await node_is(server, "alpha")
    async with connected(server) as wire:
        await wire.ask(b"1", "blob", 20_000)
        code, text = error_of(await wire.next())
        assert code == "LimitExceeded" and "10000" in text
        await wire.ask(b"2", "blob", 9_000)
        assert len((await wire.next()).args[0]) == 9_000


async def test_text_message(relay: RelayServer) -> None:
    async with connected(relay) as wire:
        await wire.connection.send("hello")
        assert await closed(wire) == (1003, "events are binary messages, not text")
    await lives_on(relay)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x93",
        msgpack.packb([1, 2]),
        msgpack.packb([{}, "echo", []]),
        msgpack.packb([{"message_id": 7}, "echo", []]),
        msgpack.packb([{"message_id": b"x" * 65}, "echo", []]),
        msgpack.packb([{"message_id": b"1"}, 5, []]),
        b"\x91" * 5000,
        encode({"message_id": b"1"}, "echo", [])[:-8],
    ],
)
async def test_malformed_message(relay: RelayServer, data: bytes) -> None:
    async with connected(relay) as wire:
        await wire.connection.send(data)
        code, reason = await closed(wire)
    assert code == 1007 and reason
    await lives_on(relay)


async def test_malformed_arguments_are_answered_on_their_channel(relay: RelayServer) -> None:
    async with connected(relay) as wire:
        await wire.connection.send(encode({"message_id": b"1", "v": 3}, "echo", [])[:-1] + b"\x92\x01")
        assert error_of(await wire.next())[0] == "Invalid"


async def test_slow_reader(start: Start) -> None:
    server = await start(BrowserLimits(queue_bytes=4 << 20, patience=0.1))
    await node_is(server, "alpha")
    _, writer = await raw_socket(server)
    for number in range(40):
        writer.write(mask(encode({"message_id": b"%d" % number, "v": 3}, "blob", [1 << 20])))
    await writer.drain()
    await until(lambda: not server.relay.browsers)  # it is let go although it never reads
    writer.close()
    await lives_on(server)


async def test_slow_reader_is_told_why(start: Start) -> None:
    server = await start(BrowserLimits(queue=10))
    await node_is(server, "alpha")
    async with connected(server) as wire:
        for number in range(40):
            await wire.ask(b"%d" % number, "blob", 1 << 20)
        await asyncio.sleep(0.1)
        assert await closed(wire) == (1013, "this browser reads too slowly: connect again")


async def test_node_killed_in_the_middle(relay: RelayServer, node: RpcServer, service: Service) -> None:
    async with connected(relay) as wire:
        await wire.ask(b"1", "hang")
        await asyncio.wait_for(service.begun.wait(), 2)
        kill(node)
        event = await asyncio.wait_for(wire.next(), 1)
        code, text = error_of(event)
        assert code == "Unavailable" and "alpha" in text and "unknown whether a change was made" in text
        assert await wire.status() == {"node": "alpha", "state": "down"}
        await wire.ask(b"2", "echo", 1)
        code, text = error_of(await asyncio.wait_for(wire.next(), 1))
        assert code == "Unavailable" and node.endpoint in text and "by itself" in text


async def test_node_comes_back(relay: RelayServer, node: RpcServer, service: Service) -> None:
    async with connected(relay) as wire:
        assert await wire.status() == {"node": "alpha", "state": "up"}
        await node.stop()
        assert await wire.status() == {"node": "alpha", "state": "down"}
        again = RpcServer(service.dispatch, node.endpoint, name="alpha")
        await again.start()
        assert await wire.status() == {"node": "alpha", "state": "up"}
        await wire.ask(b"1", "echo", "back")
        assert (await wire.next()).args == ["back"]
        await again.stop()


async def test_another_node_takes_over(start: Start, node: RpcServer, service: Service) -> None:
    """Which of them is the first, is theirs: whoever answers in time."""
    beta = RpcServer(service.dispatch, "tcp://127.0.0.1:*", name="beta")
    await beta.start()
    server = await start(nodes=(node.endpoint, beta.endpoint))
    await until(lambda: server.relay.uplink.node)
    async with connected(server) as wire:
        first = await wire.status()
        gone, other = (node, "beta") if first["node"] == "alpha" else (beta, "alpha")
        await gone.stop()
        while await wire.status() != {"node": other, "state": "up"}:
            pass
        await wire.ask(b"1", "echo", "hello")
        assert (await wire.next()).args == ["hello"]
    await beta.stop()


async def test_a_member_of_the_cluster_takes_over(start: Start, service: Service) -> None:
    """The relay is told of one node only, and learns of the other from it."""
    alpha, first = await member(service, "alpha")
    beta, second = await member(service, "beta", alpha.endpoint)
    server = await start(nodes=(alpha.endpoint,))
    await node_is(server, "alpha")
    await until(lambda: len(server.relay.cluster.peers()) == 2)
    async with connected(server) as wire:
        await wire.status()
        await first.stop()
        await alpha.stop()
        while await wire.status() != {"node": "beta", "state": "up"}:
            pass
        await wire.ask(b"1", "echo", "hello")
        assert (await wire.next()).args == ["hello"]
    await second.stop()
    await beta.stop()


async def member(service: Service, name: str, *join: str) -> tuple[RpcServer, Cluster]:
    async def held(paths: list[str], uuids: list[str]) -> tuple[list[str], list[str]]:
        return [], []

    server = RpcServer(service.dispatch, "tcp://127.0.0.1:*", name=name)
    cluster = Cluster(name, "uuid-of-both", join=join, times=Times(period=0.1))
    cluster.serve(server.register, held)
    await cluster.start(await server.start())
    return server, cluster


async def test_node_that_hangs_is_noticed(start: Start) -> None:
    """It accepts connections and says nothing: as a stopped process does."""
    with sockets.create_server(("127.0.0.1", 0)) as silent:
        server = await start(nodes=(f"tcp://127.0.0.1:{silent.getsockname()[1]}",))
        async with connected(server) as wire:
            assert (await wire.status())["state"] == "down"
            await wire.ask(b"1", "echo", 1)
            assert error_of(await wire.next())[0] == "Unavailable"


async def test_relay_stops_and_says_so(relay: RelayServer) -> None:
    async with connected(relay) as wire:
        await wire.status()
        stopping = asyncio.ensure_future(relay.stop())
        assert (await closed(wire))[0] == 1012
        await stopping


async def lives_on(server: RelayServer) -> None:
    await node_is(server, "alpha")
    async with connected(server) as wire:
        await wire.ask(b"1", "echo", "still here")
        assert (await wire.next()).args == ["still here"]


async def raw_socket(server: RelayServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket of which nothing is read beyond the handshake."""
    host, port = server.url.removeprefix("http://").split(":")
    raw = sockets.create_connection((host, int(port)))
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    lines = [
        "GET /ws HTTP/1.1",
        "Host: x",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}",
        f"Authorization: Bearer {TOKEN}",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    assert b"101" in await reader.readline()
    return reader, writer


def mask(payload: bytes) -> bytes:
    """A masked binary frame (mask 0, which is allowed) of up to 125 bytes."""
    assert len(payload) < 126
    return bytes([0x82, 0x80 | len(payload), 0, 0, 0, 0]) + payload
