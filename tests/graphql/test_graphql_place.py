"""Where it runs: with indexes, in a script of ten lines, and where graphql-core is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from emerge_wasm.graphql import limit, request
from emerge_wasm.graphql.class_catalogue import CLASSES_LIMIT
from emerge_wasm.graphql.filter_predicate import CONDITIONS_LIMIT, VALUES_LIMIT
from emerge_wasm.graphql.object_list import LIMIT
from tests.conftest import ROOT

from .conftest import ANNA, Place
from .thing import Supplier, Widget

SCRIPT = """
from dataclasses import dataclass
from emerge_wasm import EmergeFile, SQLFileSystem

@dataclass
class Widget(EmergeFile):
    price: float = 0.0

fs = SQLFileSystem("sqlite:///widgets.db")
fs.storeall([Widget(name=f"w{n}", path="/inventory", price=n) for n in range(3)])
print(fs.graphql("{ widgets(filter: {price: {lt: 1}}) { objects { name } } }", "/inventory")["data"])
fs.close()
"""

MISSING = """
import asyncio, sys
sys.modules["graphql"] = None
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.stores import open_store
from emerge_wasm import Unavailable

async def main():
    filesystem = await Filesystem.open(await open_store("memory:"))
    try:
        await filesystem.dispatch("graphql", ["/", "{ objects { count } }"])
    except Unavailable as error:
        print(error.remedy)
    try:
        async for _ in filesystem.dispatch("subscribe", ["/", "subscription { changes { path } }"]):
            pass
    except Unavailable as error:
        print(error.remedy)

asyncio.run(main())
"""

LAZY = "import sys, emerge_wasm.filesystem, emerge_wasm.graphql; assert 'graphql' not in sys.modules"


def run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-"], input=code, capture_output=True, text=True, timeout=60, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ten_lines(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "{'widgets': {'objects': [{'name': 'w0'}]}}\n"


def test_without_graphql_core(tmp_path: Path) -> None:
    assert run(MISSING, tmp_path) == "pip install emerge-wasm[graphql]\n" * 2
    run(LAZY, tmp_path)


async def test_filters_use_indexes(place: Place) -> None:
    await place.client.storeall([Widget(name=f"w{n}", path="/inventory", quantity=n) for n in range(200)])
    await place.client.index("/inventory", "quantity", wait=True)
    document = "{ widgets(filter: {quantity: {ge: 10, lt: 13}}) { objects { name } scanned } }"
    for _ in range(2):
        found = (await place.data(document))["widgets"]
        assert len(found["objects"]) == 3 and found["scanned"] < 10
        await place.client.store(Supplier(name="s", path="/inventory"))  # the field must be asked after, then


async def test_everybody_has_a_schema_of_their_own_at_each_path(place: Place) -> None:
    await place.client.store(Widget(name="w", path="/inventory/deep"))
    for path in ("/", "/inventory", "/inventory/deep", "/inventory/deep/w"):
        answer = await place.ask("{ widgets { count } }", path, ANNA)
        assert answer["data"] == {"widgets": {"count": 1}}


def test_the_documentation_tells_the_limits() -> None:
    text = (ROOT / "docs" / "graphql.md").read_text(encoding="utf-8")
    for fact in (
        f"{limit.SIZE:,} characters, {limit.TOKENS:,} tokens, {limit.BRACKETS} brackets",
        f"{limit.DEPTH}, {limit.INTROSPECTION_DEPTH} levels",
        f"{limit.ALIASES}, {limit.FRAGMENTS}, {limit.SAME} of one name",
        f"{limit.COST:,}: the fields",
        f"({limit.LIST} unless said; {LIMIT:,} at most)",
        f"{CONDITIONS_LIMIT} in a filter, {VALUES_LIMIT:,} values, ",
        f"{limit.VARIABLES:,} values in {limit.VARIABLES_DEPTH} levels",
        f"{request.VALUES_LIMIT:,} objects and list items",
        f"{CLASSES_LIMIT:,} class bundles",
    ):
        assert fact in text, fact
