"""The WebSocket transport on CPython, against a real relay and node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from emerge_wasm.clients.transports import websocket
from emerge_wasm.clients.transports.websocket import WebSocketTransport, relay_url
from emerge_wasm.errors import Invalid, LimitExceeded, NotFound, Unavailable
from emerge_wasm.node.server import RpcServer
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import BrowserLimits

from .conftest import TOKEN, Service, Start, kill, node_is, until

Seen = list[tuple[str, str]]


@pytest.fixture
def seen() -> Seen:
    return []


@pytest.fixture
async def transport(relay: RelayServer, seen: Seen) -> AsyncIterator[WebSocketTransport]:
    made = WebSocketTransport(relay.url, token=TOKEN, on_status=lambda *status: seen.append(status))
    yield made
    await made.close()


async def test_call(transport: WebSocketTransport, seen: Seen) -> None:
    assert await transport.call("echo", [{"a": [1, b"2", None, (3,)]}]) == {"a": [1, b"2", None, (3,)]}
    await until(lambda: seen[-1:] == [("online", "alpha")])


async def test_error(transport: WebSocketTransport) -> None:
    with pytest.raises(NotFound, match="no such thing") as caught:
        await transport.call("nothing", [])
    assert caught.value.path == "/a"


async def test_many_at_once(transport: WebSocketTransport) -> None:
    assert await asyncio.gather(*(transport.call("echo", [n]) for n in range(200))) == list(range(200))


async def test_large_event(transport: WebSocketTransport) -> None:
    data = bytes(8 << 20)
    assert await transport.call("echo", [data]) == data
    with pytest.raises(LimitExceeded):
        await transport.call("echo", [bytes(17 << 20)])
    assert await transport.call("echo", [1]) == 1


async def test_stream(transport: WebSocketTransport, service: Service) -> None:
    assert [item async for item in transport.stream("count", [1000])] == list(range(1000))


async def test_closing_a_stream_ends_it_on_the_node(transport: WebSocketTransport, service: Service) -> None:
    items: Any = transport.stream("count", [10**9])
    async for item in items:
        if item == 5:
            break
    await items.aclose()
    await asyncio.wait_for(service.ended.wait(), 2)


async def test_cancelling_a_call_ends_it_on_the_node(transport: WebSocketTransport, service: Service) -> None:
    call = asyncio.ensure_future(transport.call("hang", []))
    await asyncio.wait_for(service.begun.wait(), 2)
    call.cancel()
    await asyncio.wait_for(service.ended.wait(), 2)


async def test_node_gone_and_back(transport: WebSocketTransport, node: RpcServer, service: Service, seen: Seen) -> None:
    call = asyncio.ensure_future(transport.call("hang", []))
    await asyncio.wait_for(service.begun.wait(), 2)
    kill(node)
    with pytest.raises(Unavailable, match="unknown whether a change was made") as lost:
        await asyncio.wait_for(call, 1)
    assert lost.value.details["unknown"] is True
    await until(lambda: seen[-1] == ("no-node", "alpha"))
    with pytest.raises(Unavailable, match="no node answers"):
        await transport.call("echo", [1])
    again = RpcServer(service.dispatch, node.endpoint, name="alpha")
    await again.start()
    await until(lambda: seen[-1] == ("online", "alpha"))
    assert await transport.call("echo", [1]) == 1
    await again.stop()


async def test_relay_gone_and_back(
    transport: WebSocketTransport, relay: RelayServer, start: Start, service: Service, seen: Seen
) -> None:
    call = asyncio.ensure_future(transport.call("hang", []))
    await asyncio.wait_for(service.begun.wait(), 2)
    await relay.stop()
    with pytest.raises(Unavailable, match="not known whether the change was made"):
        await asyncio.wait_for(call, 1)
    assert seen[-1][0] == "offline"
    with pytest.raises(Unavailable, match="no connection to the relay"):
        await asyncio.wait_for(transport.call("echo", [1]), 0.1)
    await node_is(await start(port=int(relay.url.rpartition(":")[2])), "alpha")
    await until(lambda: seen[-1] == ("online", "alpha"))
    assert await transport.call("echo", [1]) == 1


async def test_no_relay() -> None:
    transport = WebSocketTransport("ws://127.0.0.1:9")
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        await transport.call("echo", [1])
    assert transport.state == "offline"
    await transport.close()


async def test_wrong_token(relay: RelayServer, seen: Seen) -> None:
    transport = WebSocketTransport(relay.url, token="wrong", on_status=lambda *status: seen.append(status))
    with pytest.raises(Unavailable, match="refused us: no session"):
        await transport.open()
    assert seen[-1][0] == "refused"
    await transport.close()


async def test_too_many_in_flight(start: Start) -> None:
    server = await start(BrowserLimits(requests=2))
    await node_is(server, "alpha")
    async with WebSocketTransport(server.url, token=TOKEN) as transport:
        hanging = [asyncio.ensure_future(transport.call("hang", [])) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(LimitExceeded):
            await transport.call("echo", [1])
        for call in hanging:
            call.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        assert await transport.call("echo", [1]) == 1


async def test_closing_ends_calls(transport: WebSocketTransport, service: Service) -> None:
    call = asyncio.ensure_future(transport.call("hang", []))
    await asyncio.wait_for(service.begun.wait(), 2)
    await transport.close()
    with pytest.raises(Unavailable, match=r"lost|closed"):
        await call
    with pytest.raises(Unavailable):
        await transport.call("echo", [1])


async def test_silent_relay_is_given_up(relay: RelayServer, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "BEAT", 0.02)  # patched: the relay keeps its own, much slower beat
    transport = WebSocketTransport(relay.url, token=TOKEN, on_status=lambda *status: seen.append(status))
    await transport.open()
    await until(lambda: any(state == "offline" for state, _ in seen))
    await until(lambda: seen[-1] == ("online", "alpha"))
    await transport.close()


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws"),
        ("https://x/", "wss://x/ws"),
        ("ws://x:1/ws", "ws://x:1/ws"),
    ],
)
def test_url(given: str, made: str) -> None:
    assert relay_url(given) == made


@pytest.mark.parametrize("given", ["", "x:1", "tcp://x:1", "ws:///ws"])
def test_wrong_url(given: str) -> None:
    with pytest.raises(Invalid, match="no address of a relay"):
        relay_url(given)
