"""The IndexedDB store in real Chromium: the same contract as every store, then what only a browser does."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Iterator
from textwrap import indent
from typing import Any

import pytest

from emerge_wasm.store import SPACES, Batch
from emerge_wasm.stores.indexeddb.buffer import pack
from emerge_wasm.stores.indexeddb.store import pack_batch
from tests.contracts.store import SCENARIOS
from tests.scale import examples


@pytest.fixture
def name(selenium: Any) -> Iterator[str]:
    """The name of a database that is not there yet, deleted in the end."""
    name = f"test-{uuid.uuid4().hex}"
    yield name
    selenium.run_async(
        f"from emerge_wasm.stores.indexeddb.store import IndexedDBStore\nawait IndexedDBStore.destroy({name!r})"
    )


def run(selenium: Any, name: str, code: str) -> Any:
    """The JSON of what `result` is after this code, which finds `opened()`, `Batch` and the errors."""
    return json.loads(
        selenium.run_async(f"""
import asyncio, json
from emerge_wasm.errors import *
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store
from tests.contracts.store import failure, puts, scan_all

async def opened():
    return await open_store("indexeddb://{name}")

async def work():
    result = None
{indent(code, "    ")}
    return result

json.dumps(await work())
""")
    )


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__.removeprefix("scenario_"))
def test_contract(selenium: Any, name: str, scenario: Any) -> None:
    run(selenium, name, f"from tests.contracts.store import {scenario.__name__} as scenario\nawait scenario(opened)")


@pytest.mark.parametrize("seed", range(1, 1 + examples(1)))
def test_random_operations(selenium: Any, name: str, seed: int) -> None:
    done = run(
        selenium,
        name,
        f"from tests.contracts.store_model import run_random\nresult = await run_random(opened, {seed}, 300)",
    )
    assert min(done.values()) > 0


def test_two_tabs_lose_no_update(selenium: Any, name: str) -> None:
    """Two connections, as two tabs have, count together."""
    code = """
stores = [await opened(), await opened()]
await stores[0].commit(puts((b"n", b"0")))

async def count(store):
    for _ in range(20):
        while True:
            [value] = await store.get([("states", b"n")])
            batch = puts((b"n", b"%d" % (int(value) + 1)))
            batch.expect("states", b"n", value)
            batch.append("log", b"x")
            try:
                await store.commit(batch)
                break
            except Conflict:
                pass

await asyncio.gather(*[count(store) for store in stores])
[value] = await stores[1].get([("states", b"n")])
numbers = [int.from_bytes(key, "big") for key, _ in await stores[0].scan("log")]
result = [int(value), numbers == list(range(1, 41)), stores[0].capabilities.many_writers]
for store in stores:
    await store.close()
"""
    assert run(selenium, name, code) == [40, True, True]


def test_another_tab_deletes_it(selenium: Any, name: str) -> None:
    code = """
from emerge_wasm.stores.indexeddb.store import IndexedDBStore
store = await opened()
await store.commit(puts((b"k", b"v")))
await IndexedDBStore.destroy(store._name)  # is not blocked by the open store
error = await failure(store.get([("states", b"k")]), Unavailable)
again = await opened()
result = [str(error), await again.get([("states", b"k")])]
await again.close()
"""
    message, values = run(selenium, name, code)
    assert "closed by the browser or another tab" in message and "reload" in message
    assert values == [None]


def test_newer_format_is_refused(selenium: Any, name: str) -> None:
    selenium.run_js(f"""
        await new Promise((resolve, reject) => {{
            const request = indexedDB.open("{name}", 99);
            request.onsuccess = () => {{ request.result.close(); resolve(); }};
            request.onerror = reject;
        }});""")
    assert "newer Emerge" in run(selenium, name, "result = str(await failure(opened(), Invalid))")


@pytest.mark.parametrize("format", [1, 2, 3])
def test_older_format_is_opened(selenium: Any, name: str, format: int) -> None:
    """Before the last spaces came."""
    new = ["links", "receipts", "blocks"][format - 1 :]
    spaces = [*(space for space in SPACES if space not in new), "counters"]
    selenium.run_js(f"""
        await new Promise((resolve, reject) => {{
            const request = indexedDB.open("{name}", {format});
            const spaces = {json.dumps(spaces)};
            request.onupgradeneeded = () => spaces.forEach((space) => request.result.createObjectStore(space));
            request.onsuccess = () => {{
                const bytes = (text) => new TextEncoder().encode(text);
                const change = request.result.transaction("states", "readwrite");
                change.objectStore("states").put(bytes("old").buffer, bytes("k"));
                change.oncomplete = () => {{ request.result.close(); resolve(); }};
            }};
            request.onerror = reject;
        }});""")
    code = f"""
store = await opened()
for space in {new}:
    await store.commit(puts((b"new", b"v"), space=space))
result = [value.decode() for value in await store.get([("states", b"k"), *((space, b"new") for space in {new})])]
await store.close()
"""
    assert run(selenium, name, code) == ["old", *["v"] * len(new)]


def test_foreign_database_is_refused(selenium: Any, name: str) -> None:
    selenium.run_js(f"""
        await new Promise((resolve, reject) => {{
            const request = indexedDB.open("{name}", 1);
            request.onupgradeneeded = () => request.result.createObjectStore("songs");
            request.onsuccess = () => {{ request.result.close(); resolve(); }};
            request.onerror = reject;
        }});""")
    assert "not an Emerge store" in run(selenium, name, "result = str(await failure(opened(), Invalid))")


def test_stubborn_tab_makes_unavailable(selenium: Any, name: str) -> None:
    """A page that does not let go of an older version: an error in the end, not a hang."""
    selenium.run_js(f"""
        await new Promise((resolve, reject) => {{
            const request = indexedDB.open("{name}", 1);
            request.onsuccess = () => {{ self.stubborn = request.result; resolve(); }};
            request.onerror = reject;
        }});""")
    code = f"""
from emerge_wasm.stores.indexeddb.store import IndexedDBStore
result = str(await failure(IndexedDBStore.destroy({name!r}), Unavailable))
"""
    try:
        assert "another tab" in run(selenium, name, code)
    finally:
        selenium.run_js("self.stubborn.close();")


@pytest.mark.parametrize("delay", [0.01, 0.05, 0, 0.15][: examples(2)])
def test_tab_closed_mid_store(selenium: Any, name: str, delay: float) -> None:
    """What was acknowledged is there; the commit during which the tab went away is there as a whole or not at all."""
    rows = 400
    batch = Batch(puts=[("states", b"%05d" % number, b"x" * 4000) for number in range(rows)], appends=[("log", b"big")])
    small = Batch(puts=[("entries", b"first", b"1")], appends=[("log", b"small")])
    packed = [base64.b64encode(pack(*pack_batch(each))).decode() for each in (small, batch)]
    tab = selenium.driver.context.new_page()
    try:
        tab.goto(f"{selenium.base_url}/driver")
        acknowledged = tab.evaluate(
            """async ([name, spaces, small, big]) => {
                const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
                const { open } = await import("/pyodide/emerge_indexeddb.mjs");
                const database = await open(name, spaces, "strict");
                await database.commit(bytes(small));
                database.commit(bytes(big));
                return "small";
            }""",
            [name, list(SPACES), *packed],
        )
        assert acknowledged == "small"
        time.sleep(delay)
    finally:
        tab.close()
    code = """
store = await opened()
states, log = await scan_all(store, "states", 1000), await store.scan("log")
next_number = await store.commit(Batch(appends=[("log", b"after")]))
first = await store.get([("entries", b"first")])
result = [len(states), [value.decode() for _, value in log], first == [b"1"], next_number]
await store.close()
"""
    found, log, first_is_there, next_number = run(selenium, name, code)
    assert first_is_there
    assert (found, log) in [(0, ["small"]), (rows, ["small", "big"])]
    assert next_number == [len(log) + 1]
