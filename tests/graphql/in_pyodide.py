"""What `test_graphql_pyodide` runs in Pyodide, with a stack as small as a tab's and no network. `main` is awaited."""

import asyncio
import sys
import types

from graphql import get_introspection_query

from emerge_wasm.bundles import keep_source
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.stores.memory import MemoryStore

assert sys.platform == "emscripten"
sys.setrecursionlimit(350)

CELL = """
from dataclasses import dataclass
from emerge_wasm import EmergeFile

@dataclass
class Widget(EmergeFile):
    price: float = 0.0
"""
keep_source("<cell>", CELL)
cell = sys.modules["cell"] = types.ModuleType("cell")
exec(compile(CELL, "<cell>", "exec"), vars(cell))


async def main() -> None:
    client = Client(LocalTransport(await Filesystem.open(MemoryStore())))
    await client.storeall([cell.Widget(name=f"w{n}", path="/d", price=n) for n in range(100)])
    answer = await client.graphql("{ widgets(filter: {price: {lt: 2}}) { objects { name } count } }", "/d")
    assert not answer["errors"] and answer["data"]["widgets"]["count"] == 2, answer
    answer = await client.graphql('mutation { updateWidget(path: "/d/w0", fields: {price: 4}) { price } }', "/d")
    assert answer["data"]["updateWidget"] == {"price": 4.0}, answer
    assert not (await client.graphql(get_introspection_query(), "/d"))["errors"]
    deep = "references(limit: 1) { objects { " * 4
    answer = await client.graphql("{ objects(limit: 1) { objects { " + deep + "name" + " } }" * 5 + " }", "/d")
    assert not answer["errors"], answer
    for bomb in (
        "{a" * 1000,
        "{ a(b: " + "[" * 39 + "]" * 39 + ") }",
        "{ objects(filter: " + "{not: " * 38 + "{}" + "}" * 38,
    ):
        assert (await client.graphql(bomb, "/d"))["errors"]
    changes = client.subscribe("subscription { widgetChanged { object { price } } }", "/d")
    coming = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0.05)
    await client.update("/d/w1", price=9.0)
    assert (await coming)["data"]["widgetChanged"]["object"] == {"price": 9.0}
    await changes.aclose()
