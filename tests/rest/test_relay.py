"""The same routes on the relay: who may come in, on whose behalf the node is asked, nodes that come and go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from emerge_wasm.clients.transports.rest import RESTTransport
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import LimitExceeded, PermissionDenied, Unavailable
from emerge_wasm.node.server import RpcServer
from emerge_wasm.operations import TABLE, Context
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import BrowserLimits, RelaySettings
from emerge_wasm.relay.token import Tokens
from tests.relay.conftest import node_is, until

from .conftest import TOKEN, talk
from .service import Service, soon

BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def node(service: Service) -> AsyncIterator[RpcServer]:
    context = Context("operator", superuser=True, via="zeromq")
    server = RpcServer(service.dispatch, "tcp://127.0.0.1:*", name="alpha", context=context)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def relay(node: RpcServer, tmp_path: Path) -> AsyncIterator[RelayServer]:
    limits = replace(BrowserLimits(), message=100_000)
    async with RelayServer(
        RelaySettings(tmp_path, None, (node.endpoint,), port=0, token=TOKEN, beat=0.1, limits=limits)
    ) as relay:
        await node_is(relay, "alpha")
        yield relay


@pytest.fixture
async def page(relay: RelayServer) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with a session."""
    async with talk(relay.url) as client:
        assert (await client.get(relay.invite())).status_code == 303
        yield client


async def test_programs_show_the_token(relay: RelayServer, service: Service) -> None:
    service.answers["hello"] = {"node": "alpha"}
    async with talk(relay.url) as http:
        assert (await http.get("/hello", headers=BEARER)).json() == {"node": "alpha"}
        for shown in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "emerge-1=x"}):
            answer = await http.get("/hello", headers=shown)
            assert (answer.status_code, answer.json()["code"]) == (401, "PermissionDenied")
            assert "content-security-policy" in answer.headers
    assert service.context == Context("operator", superuser=True, via="zeromq")


async def test_principals_show_theirs(relay: RelayServer, tmp_path: Path, service: Service) -> None:
    service.answers["hello"] = 1
    anna = {"Authorization": f"Bearer {Tokens(tmp_path).add('anna', ['staff'])}"}
    async with talk(relay.url) as http:
        assert (await http.get("/hello", headers={**anna, "Emerge-Context": '{"transaction": "t"}'})).status_code == 200
        assert service.context == Context("anna", ("staff",), transaction="t", via="zeromq")
        other = await http.get("/hello", headers={**anna, "Emerge-Context": '{"as": "operator"}'})
        assert (other.status_code, other.json()["code"]) == (403, "PermissionDenied")
        Tokens(tmp_path).remove("anna")
        assert (await http.get("/hello", headers=anna)).status_code == 401


async def test_a_token_that_is_removed_ends_its_streams(relay: RelayServer, tmp_path: Path, service: Service) -> None:
    service.answers["watch"] = [{"n": 1}, ...]
    async with RESTTransport(relay.url, Tokens(tmp_path).add("anna")) as transport:
        items = transport.stream("watch", ["/"])
        assert await anext(items) == {"n": 1}
        Tokens(tmp_path).remove("anna")
        with pytest.raises(PermissionDenied, match="not known"):
            await anext(items)
    await soon(service.ended)


async def test_pages_show_their_session(relay: RelayServer, page: httpx.AsyncClient, service: Service) -> None:
    service.answers["hello"] = 1
    for here in ({"Origin": relay.url}, {"Sec-Fetch-Site": "same-origin"}):
        assert (await page.post("/hello", headers=here)).status_code == 200
    for elsewhere in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}):
        assert (await page.post("/hello", headers=elsewhere)).status_code == 403
        assert (await page.post("/hello", headers={**elsewhere, **BEARER})).status_code == 403
    assert (await page.post("/hello")).status_code == 401  # who says nothing of itself is no page


async def test_the_context_reaches_the_node(relay: RelayServer, service: Service) -> None:
    service.answers["hello"] = 1
    wanted = {"as": "anna", "groups": ["staff"], "umask": 0o77, "transaction": "t"}
    async with talk(relay.url) as http:
        await http.get("/hello", headers={**BEARER, "Emerge-Context": json.dumps(wanted)})
        assert service.context == Context("anna", ("staff",), False, 0o77, "t", "zeromq")
        await http.get("/hello", headers={**BEARER, "Emerge-Context": '{"umask": 18}'})
        assert service.context == Context("operator", (), True, 0o22, "", "zeromq")


async def test_streams_pass_and_end_on_the_node(relay: RelayServer, service: Service) -> None:
    service.answers["watch"] = [{"n": 1}, {"n": 2}, ...]
    async with RESTTransport(relay.url, TOKEN) as transport:
        items = transport.stream("watch", ["/"])
        assert [await anext(items), await anext(items)] == [{"n": 1}, {"n": 2}]
        await items.aclose()  # type: ignore[attr-defined]
        await soon(service.ended)
    await until(lambda: len(relay.relay.rest.app) == 0)


async def test_messages_have_the_relay_s_limit(relay: RelayServer, service: Service) -> None:
    service.answers["cat"] = b"x" * 200_000
    async with RESTTransport(relay.url, TOKEN) as transport:
        with pytest.raises(LimitExceeded, match="100000"):
            await transport.call("cat", ["/a"])
        with pytest.raises(LimitExceeded, match="body"):
            await transport.call("update", ["/a", b"x" * 200_000])


async def test_a_node_that_goes_and_comes_back(relay: RelayServer, node: RpcServer, service: Service) -> None:
    service.answers |= {"cat": asyncio.get_running_loop().create_future(), "hello": 1}
    async with RESTTransport(relay.url, TOKEN) as transport:
        asking = asyncio.ensure_future(transport.call("cat", ["/a"]))
        await soon(service.begun)
        await node.stop()
        with pytest.raises(Unavailable, match=r"stops|went away"):  # its word, or what is seen of its connection
            await asking
        await node_is(relay, None)
        with pytest.raises(Unavailable, match="no node answers"):
            await transport.call("hello", [])
        again = RpcServer(service.dispatch, node.endpoint, name="alpha")
        await again.start()
        await node_is(relay, "alpha")
        assert await transport.call("hello", []) == 1
        await again.stop()


async def test_stopping_the_relay_tells_those_who_wait(relay: RelayServer, service: Service) -> None:
    service.answers["watch"] = [{"n": 1}, ...]
    async with RESTTransport(relay.url, TOKEN) as transport:
        items = transport.stream("watch", ["/"])
        assert await anext(items) == {"n": 1}
        coming = asyncio.ensure_future(anext(items))
        async with asyncio.timeout(1.5):
            await relay.stop()
        with pytest.raises(Unavailable, match="stops"):
            await coming
        await soon(service.ended)


async def test_the_node_stays_connected_by_one_socket(relay: RelayServer, service: Service) -> None:
    service.answers["hello"] = 1
    async with RESTTransport(relay.url, TOKEN) as transport:
        await transport.call("hello", [])
        rest = relay.relay.rest
        first = rest._transport  # private: a second connection to the node shows nowhere else
        await transport.call("hello", [])
        assert isinstance(first, ZeroMQTransport) and rest._transport is first  # private: as above


async def test_the_description_is_there(relay: RelayServer) -> None:
    async with talk(relay.url) as http:
        document = (await http.get("/openapi.json")).json()
    assert set(document["paths"]) == {*(f"/{name}" for name in TABLE), "/files/{path}"}
    assert document["servers"] == [{"url": f"{relay.url}/api/v1"}]
