"""Searching and running as people with curl do it: predicates as text, values as JSON, events as lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.host import give_filesystem
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.codec import decode, encode
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.rest.node_server import RESTNodeServer
from emerge_wasm.rest.openapi import describe
from emerge_wasm.stores.memory import MemoryStore

from .conftest import TESTER, talk
from .service import Service


@dataclass
class Seed(EmergeFile):
    price: float = 0.0

    @property
    def dear(self) -> bool:
        return self.price > 3

    def sow(self, times: int = 1) -> float:
        print("sown")  # noqa: T201
        self.price *= times
        return self.price


@pytest.fixture
async def shop() -> AsyncIterator[httpx.AsyncClient]:
    """Four seeds, for 1 to 4."""
    async with AsyncExitStack() as stack:
        filesystem = await Filesystem.open(MemoryStore(), runner=Here(given=give_filesystem))
        stack.push_async_callback(filesystem.close)
        client = Client(LocalTransport(filesystem, TESTER))
        await client.storeall(Seed(name=f"s{price}", path="/shop", price=float(price)) for price in range(1, 5))
        server = await stack.enter_async_context(RESTNodeServer(filesystem, port=0, context=TESTER))
        yield await stack.enter_async_context(talk(server.url))


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["pointer"]["name"] for row in answer.json()["objects"]]


@pytest.mark.parametrize(
    "predicate",
    [
        "o.price < 3",
        "lambda seed: seed.price < 3",
        {"text": "lambda o: o.price < 3"},
        {"text": "lambda o: o.price < most", "values": {"most": 3}},
        {"text": "lambda o: o.price < most", "values": {"most": {"$value": "Decimal('3')"}}, "bundle": ""},
        {"text": "lambda o: o.price < most", "values": "gaRtb3N0Aw=="},
        "not o.dear and o.price != 3",
        {"text": "lambda o: o.sow() < 3"},
    ],
)
async def test_a_predicate_in_json(shop: httpx.AsyncClient, predicate: Any) -> None:
    assert names(await shop.post("/search/shop", json={"predicate": predicate, "order_by": "price"})) == ["s1", "s2"]
    assert (await shop.post("/count/shop", json={"predicate": predicate})).json()["count"] == 2
    assert (await shop.post("/explain/shop", json={"predicate": predicate})).json()["of"] == 4


async def test_a_predicate_in_a_query(shop: httpx.AsyncClient) -> None:
    for predicate in ("o.price < 3", "lambda o: o.price < 3", '{"text": "lambda o: o.price < m", "values": {"m": 3}}'):
        assert names(await shop.get("/search/shop", params={"predicate": predicate})) == ["s1", "s2"]
    assert len(names(await shop.get("/search/shop"))) == 4
    found = await shop.get("/count/shop", params={"predicate": ["o.price < 3", "o.price > 3"]})
    assert (found.status_code, found.json()["code"]) == (400, "Invalid")


async def test_figures(shop: httpx.AsyncClient) -> None:
    asked = {"values": {"total": ["sum", "price"], "n": ["count"]}, "predicate": "o.price > 1"}
    assert (await shop.post("/aggregate/shop", json=asked)).json()["groups"] == [{"total": 9.0, "n": 3}]


@pytest.mark.parametrize(
    "predicate", ["o.price <", "x < 3", 3, [], {}, {"text": 3}, {"text": "o", "more": 1}, "(" * 9999]
)
async def test_what_is_no_predicate(shop: httpx.AsyncClient, predicate: Any) -> None:
    answer = await shop.post("/search/shop", json={"predicate": predicate})
    assert (answer.status_code, answer.json()["code"]) == (400, "Invalid"), answer.text


@pytest.mark.parametrize("values", [[1], 3, "no base64", {"$bytes": "/w=="}, None])
async def test_values_that_are_none(shop: httpx.AsyncClient, values: Any) -> None:
    predicate = {"text": "lambda o: o.price < most", "values": values}
    answer = await shop.post("/search/shop", json={"predicate": predicate})
    assert (answer.status_code, answer.json()["code"]) == (400, "Invalid"), answer.text


async def test_in_msgpack_it_is_as_it_is(http: httpx.AsyncClient, service: Service) -> None:
    service.answers["count"] = {"count": 0}
    asked = {"path": "/", "predicate": {"text": "lambda o: o.x < y", "values": encode({"y": 1}), "bundle": ""}}
    headers = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
    answer = await http.post("/count", content=encode(asked), headers=headers)
    assert decode(answer.content) == {"count": 0}
    assert service.asked[:3] == ["count", "/", asked["predicate"]]


async def test_a_run_as_lines(shop: httpx.AsyncClient) -> None:
    async with shop.stream("POST", "/runstream/shop", json={"method": "sow", "args": [2]}) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        events = [json.loads(line) async for line in answer.aiter_lines() if line.strip()]
    assert events[-1] == {"event": "progress", "done": 4, "failed": 0, "total": 4}
    results = {event["path"]: event["result"] for event in events if event["event"] == "result"}
    assert results == {f"/shop/s{price}": price * 2.0 for price in range(1, 5)}
    assert {event["text"] for event in events if event["event"] == "output"} == {"sown\n"}


def test_the_description_tells_of_predicates() -> None:
    paths = describe("http://here/api/v1")["paths"]
    for name in ("search", "count", "aggregate", "explain"):
        body = paths[f"/{name}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        kinds = [each["type"] for each in body["properties"]["predicate"]["anyOf"]]
        assert kinds == ["string", "object", "null"]
