"""GraphQL over HTTP: a real node with objects behind a real relay; statuses, tokens, subscriptions by SSE."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.server import RpcServer
from emerge_wasm.operations import Context
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import RelaySettings
from emerge_wasm.rest.graphql import BODY, EVENTS, RESPONSE
from emerge_wasm.stores import open_store

from .conftest import TOKEN, node_is

OPERATOR = Context("operator", superuser=True)
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@dataclass
class Coin(EmergeFile):
    worth: int = 0


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A filesystem with two coins; the node serves it."""
    filesystem = await Filesystem.open(await open_store("memory:"), node="alpha", url="memory:")
    async with Client(LocalTransport(filesystem, OPERATOR)) as client:
        await client.storeall([Coin(name="a", path="/coins", worth=0), Coin(name="b", path="/coins/old", worth=5)])
        yield client


@pytest.fixture
async def relay(client: Client, tmp_path: Path) -> AsyncIterator[RelayServer]:
    transport: Any = client.transport
    node = RpcServer(transport.filesystem.dispatch, "tcp://127.0.0.1:*", name="alpha", context=OPERATOR)
    await node.start()
    async with RelayServer(RelaySettings(tmp_path, None, (node.endpoint,), port=0, token=TOKEN, beat=0.1)) as relay:
        await node_is(relay, "alpha")
        yield relay
    await node.stop()


@pytest.fixture
async def http(relay: RelayServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=relay.url, trust_env=False, verify=False) as http:
        yield http


async def ask(http: httpx.AsyncClient, query: str, path: str = "/graphql", **body: Any) -> httpx.Response:
    return await http.post(path, json={"query": query, **body}, headers=BEARER)


async def test_a_query_with_variables_and_a_name(http: httpx.AsyncClient) -> None:
    query = (
        "query a($w: BigInt) { coins(filter: {worth: {eq: $w}}) { objects { name } } } query b { objects { count } }"
    )
    answer = await ask(http, query, variables={"w": 0}, operationName="a")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert answer.json()["data"] == {"coins": {"objects": [{"name": "a"}]}} and "errors" not in answer.json()
    assert answer.headers["cache-control"] == "no-store"
    below = await ask(http, "{ coins { objects { name } } }", "/graphql/coins/old")
    assert below.json()["data"]["coins"]["objects"] == [{"name": "b"}]


async def test_a_mutation(http: httpx.AsyncClient, client: Client) -> None:
    answer = await ask(http, 'mutation { createCoin(path: "/coins/c", fields: {worth: 7}) { version } }')
    assert answer.json()["data"] == {"createCoin": {"version": 1}}
    assert (await client.cat("/coins/c"))["worth"] == 7


async def test_what_is_wrong_has_the_status_of_the_media_type(http: httpx.AsyncClient) -> None:
    for accept, status in ((RESPONSE, 400), ("application/json", 200), ("*/*", 200)):
        headers = {**BEARER, "Accept": accept}
        answer = await http.post("/graphql", json={"query": "{ none }"}, headers=headers)
        assert answer.status_code == status and "data" not in answer.json()
        assert answer.json()["errors"][0]["extensions"]["code"] == "Invalid"
        query = '{ coin(path: "/none") { name } }'
        partly = await http.post("/graphql", json={"query": query}, headers=headers)
        assert partly.status_code == 200 and partly.json()["data"] == {"coin": None}
    assert partly.json()["errors"][0]["extensions"]["code"] == "NotFound"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"query": 1}', "application/json", 400),
        (b'{"query": "{ x }", "variables": 1}', "application/json", 400),
        (b'{"query": "{ x }"}', "text/plain", 415),
        (b'{"query": "{ x }"}', "application/msgpack", 415),
        (b" " * (BODY + 1), "application/json", 413),
        (b"[" * 100_000, "application/json", 400),
    ],
    ids=range(9),
)
async def test_bad_requests(http: httpx.AsyncClient, body: bytes, kind: str, status: int) -> None:
    answer = await http.post("/graphql", content=body, headers={**BEARER, "Content-Type": kind})
    assert answer.status_code == status
    assert answer.json()["errors"][0]["extensions"]["code"] in ("Invalid", "LimitExceeded")


async def test_methods_tokens_and_paths(http: httpx.AsyncClient) -> None:
    got = await http.get("/graphql?query={objects{count}}", headers=BEARER)
    assert got.status_code == 405 and got.headers["allow"] == "POST"
    query = {"query": "{ objects { count } }"}
    unknown = await http.post("/graphql", json=query)
    assert unknown.status_code == 401 and unknown.headers["www-authenticate"] == "Bearer"
    foreign = await http.post("/graphql", json=query, headers={**BEARER, "Origin": "https://evil.example"})
    assert foreign.status_code == 403 and foreign.json()["errors"][0]["extensions"]["code"] == "PermissionDenied"
    missing = await http.post("/graphql/none", json=query, headers=BEARER)
    assert missing.status_code == 404 and missing.json()["errors"][0]["extensions"]["path"] == "/none"


async def test_a_page_asks_with_its_session(relay: RelayServer) -> None:
    async with httpx.AsyncClient(base_url=relay.url, trust_env=False, verify=False) as page:
        assert (await page.get(relay.invite())).status_code == 303
        query = {"query": "{ objects { count } }"}
        answer = await page.post("/graphql", json=query, headers={"Origin": relay.url})
        assert answer.json()["data"]["objects"]["count"] == 2


async def test_a_subscription_by_server_sent_events(http: httpx.AsyncClient, client: Client) -> None:
    query = "subscription { coinChanged { operation object { name worth } } }"
    headers = {**BEARER, "Accept": EVENTS}
    events: list[Any] = []
    async with http.stream("POST", "/graphql/coins", json={"query": query}, headers=headers) as answer:
        assert answer.status_code == 200 and answer.headers["content-type"] == EVENTS
        change = asyncio.create_task(client.update("/coins/a", worth=1))
        async with asyncio.timeout(5):
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    events.append(json.loads(line.removeprefix("data: ")))
                    break
        await change
    assert events[0]["data"]["coinChanged"] == {"operation": "update", "object": {"name": "a", "worth": 1}}


async def test_a_subscription_that_is_none(http: httpx.AsyncClient) -> None:
    answer = await http.post("/graphql", json={"query": "{ objects { count } }"}, headers={**BEARER, "Accept": EVENTS})
    first, second = answer.text.strip().split("\n\n")
    assert first.startswith("event: next\ndata: {") and "errors" in first and second == "event: complete\ndata:"
