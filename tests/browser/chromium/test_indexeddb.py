"""The IndexedDB store in real Chromium: the same contract as every store, then what only a browser does."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Error

from emerge_wasm.store import SPACES, Batch
from emerge_wasm.stores.indexeddb.buffer import pack
from emerge_wasm.stores.indexeddb.store import pack_batch
from tests.browser.chromium.test_blocks import kill, kill_as_it_prints, launch
from tests.browser.chromium.test_kernel import Tab
from tests.conftest import ROOT
from tests.contracts.store import SCENARIOS
from tests.scale import TURN, examples, in_turn, sample


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


LEAVES = ("versions", "links", "indexes")
"""Spaces whose rows lie in leaves; the contract's own three are with these exchanged."""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__.removeprefix("scenario_"))
def test_contract_in_leaves(selenium: Any, name: str, scenario: Any) -> None:
    code = f"""
from pathlib import Path
from types import ModuleType
from tests.contracts import store as contract
text = Path(contract.__file__).read_text()
own = 'STATES, ENTRIES, LOG = "states", "entries", "log"'
assert own in text
module = ModuleType("tests.contracts.in_leaves")
exec(text.replace(own, "STATES, ENTRIES, LOG = {LEAVES!r}"), vars(module))
await module.{scenario.__name__}(opened)"""
    run(selenium, name, code)


@pytest.mark.parametrize(
    "scenario", sample(SCENARIOS, 3), ids=lambda scenario: scenario.__name__.removeprefix("scenario_")
)
def test_contract_in_rows(selenium: Any, name: str, scenario: Any) -> None:
    run(selenium, name, f"from tests.contracts.store import {scenario.__name__} as scenario\nawait scenario(opened)")


@pytest.mark.parametrize(("words", "steps"), [("SMALL", 150), ("LARGE", 250)])
@pytest.mark.parametrize("seed", range(1, 1 + examples(1)))
def test_random_operations(selenium: Any, name: str, words: str, steps: int, seed: int) -> None:
    done = run(
        selenium,
        name,
        f"""
from tests.contracts.store_model import {words}, run_random
result = await run_random(opened, {seed + int(TURN)}, {steps}, {words})""",
    )
    assert min(done[action] for action in ("commit", "get", "scan")) > 5


@pytest.mark.parametrize("space", ["states", "entries"])
def test_two_tabs_lose_no_update(selenium: Any, name: str, space: str) -> None:
    """Two connections, as two tabs have, count together; their rows lie in one leaf."""
    code = f"""
space = {space!r}
"""
    code += """
stores = [await opened(), await opened()]
await stores[0].commit(puts((b"n", b"0"), space=space))

async def count(store):
    for turn in range(20):
        while True:
            [value] = await store.get([(space, b"n")])
            other = b"%d %d" % (stores.index(store), turn)
            batch = puts((b"n", b"%d" % (int(value) + 1)), (other, bytes(1000)), space=space)
            batch.expect(space, b"n", value)
            batch.append("log", b"x")
            try:
                await store.commit(batch)
                break
            except Conflict:
                pass

await asyncio.gather(*[count(store) for store in stores])
[value] = await stores[1].get([(space, b"n")])
numbers = [int.from_bytes(key, "big") for key, _ in await stores[0].scan("log")]
rows = len(await stores[0].scan(space))
result = [int(value), rows, numbers == list(range(1, 41)), stores[0].capabilities.many_writers]
for store in stores:
    await store.close()
"""
    assert run(selenium, name, code) == [40, 41, True, True]


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


NEW = {1: "links", 2: "receipts", 3: "blocks"}
"""The space that came with the format after this one."""

MAKE_OLDER = """
async ([name, format, spaces, count]) => {
    const request = indexedDB.open(name, format);
    request.onupgradeneeded = () => spaces.forEach((space) => request.result.createObjectStore(space));
    await new Promise((resolve, reject) => { request.onsuccess = resolve; request.onerror = reject; });
    const database = request.result;
    const bytes = (text) => new TextEncoder().encode(text);
    const change = database.transaction(spaces, "readwrite");
    for (const space of spaces.filter((space) => space !== "counters")) {
        for (let number = 0; number < count; number++) {
            const key = bytes(`${String(number % 7)} ${String(number).padStart(6, "0")}`);
            change.objectStore(space).put(bytes(`${space} ${number} ${"x".repeat(number % 400)}`).buffer, key);
        }
    }
    change.objectStore("counters").put(17, "log");
    await new Promise((resolve, reject) => { change.oncomplete = resolve; change.onabort = reject; });
    database.close();
}
"""
"""Make a database as an earlier release did: a row of an object store for each row of a space."""

CHECK_OLDER = """
store = await opened()
wrong = []
for space in SPACES:
    keys = sorted((b"%d %06d" % (number % 7, number), number) for number in range(COUNT if space in OLD else 0))
    rows = [(key, b"%s %d %s" % (space.encode(), number, b"x" * (number % 400))) for key, number in keys]
    if await scan_all(store, space, 1000) != rows:
        wrong.append(space)
    await store.commit(puts((b"new", b"v"), space=space))
    if (await store.get([(space, b"new")])) != [b"v"]:
        wrong.append(space)
result = [wrong, await store.commit(Batch(appends=[("log", b"next")]))]
await store.close()
"""


def older_spaces(format: int) -> list[str]:
    """The spaces that a database of a format has."""
    return [space for space in SPACES if space not in [NEW[each] for each in NEW if each >= format]]


def check_older(format: int, count: int) -> str:
    return f"from emerge_wasm.store import SPACES\nCOUNT, OLD = {count}, {older_spaces(format)!r}\n{CHECK_OLDER}"


@pytest.mark.parametrize("format", [1, 2, 3, 4])
def test_older_format_is_opened(selenium: Any, name: str, format: int) -> None:
    """With all that is in it, whatever spaces there were; its rows, one by one then, are put into leaves."""
    count = 2500 if format == 4 else 3
    selenium.driver.evaluate(MAKE_OLDER, [name, format, [*older_spaces(format), "counters"], count])
    assert run(selenium, name, check_older(format, count)) == [[], [18]]


STOP_HALFWAY = """
async ([name, spaces]) => {
    const { open } = await import("/pyodide/emerge_indexeddb.mjs");
    const [read, put] = [IDBObjectStore.prototype.getAllKeys, IDBObjectStore.prototype.put];
    window.puts = 0;
    let reads = 0;
    IDBObjectStore.prototype.put = function (...given) {
        window.puts += 1;
        return put.apply(this, given);
    };
    IDBObjectStore.prototype.getAllKeys = function (...given) {
        if (++reads < 5) return read.apply(this, given);
        const goOn = () => (this.get(0).onsuccess = goOn); // a transaction lasts as long as somebody asks
        goOn();
        window.halfway = true;
        return {};
    };
    void open(name, spaces, "strict");
}
"""
"""Open a database of before, and stand still when some of its rows are in leaves."""


@pytest.mark.skipif(not in_turn(0, 2), reason="takes turns with the next; all by EMERGE_TEST_SCALE=large")
def test_a_browser_is_killed_as_it_upgrades(
    context: BrowserContext, binary: str | None, address: str, tmp_path: Path
) -> None:
    """Nothing is lost: the next one that opens it begins anew."""
    older = [*older_spaces(4), "counters"]
    browser = launch(context, tmp_path, binary)
    page = browser.new_page()
    page.goto(f"{address}/driver")
    page.evaluate(MAKE_OLDER, ["older", 4, older, 2500])
    page.evaluate(STOP_HALFWAY, ["older", list(SPACES)])
    page.wait_for_function("window.halfway && window.puts > 50")
    kill(tmp_path)
    with suppress(Error):  # there is none any more
        browser.close()
    with launch(context, tmp_path, binary) as browser:
        tab = Tab(browser.new_page(), address)
        assert tab.value(OPENED.format(name="older") + check_older(4, 2500) + "\nresult") == "[[], [18]]"


OPENED = """
import pathlib, sys
from emerge_wasm.store import Batch
from emerge_wasm.stores import open_store
folder = pathlib.Path("/suite/tests/contracts")
folder.mkdir(parents=True, exist_ok=True)
(folder / "store.py").write_text(STORE)
sys.path.insert(0, "/suite")
from tests.contracts.store import puts, scan_all

async def opened():
    return await open_store("indexeddb://{name}")
""".replace(
    "STORE", repr((ROOT / "tests" / "contracts" / "store.py").read_text()).replace("{", "{{").replace("}", "}}")
)

WRITE = """
import asyncio
store = await opened()

async def work(worker):
    for turn in range(10**9):
        name = b"%d.%d" % (worker, turn)
        batch = Batch(puts=[(space, name, b"x" * 200) for space in ("entries", "states", "versions")])
        batch.append("log", name)
        batch.append("log", name)
        await store.commit(batch)
        print(name.decode())

await asyncio.gather(*[work(worker) for worker in range(8)])
"""

AFTER = """
store = await opened()
spaces = [await scan_all(store, space, 1000) for space in ("entries", "states", "versions")]
names, *others = [[key.decode() for key, _ in rows] for rows in spaces]
log = await scan_all(store, "log", 1000)
logged = [value.decode() for _, value in log]
numbers = [int.from_bytes(key, "big") for key, _ in log]
whole = others == [names, names] and logged[::2] == logged[1::2] and sorted(logged[::2]) == names
[whole, numbers == [*range(1, len(log) + 1)], sorted(set(ACKNOWLEDGED) - set(names))]
"""


@pytest.mark.skipif(not in_turn(1, 2), reason="takes turns with the one before; all by EMERGE_TEST_SCALE=large")
def test_a_browser_is_killed_as_it_stores(
    context: BrowserContext, binary: str | None, address: str, tmp_path: Path
) -> None:
    """Each commit is there as a whole or not at all, and every one that was acknowledged."""
    browser = launch(context, tmp_path, binary)
    tab = Tab(browser.new_page(), address)
    tab.value(OPENED.format(name="killed"))
    acknowledged = kill_as_it_prints(browser, tab, tmp_path, WRITE, 6)
    with launch(context, tmp_path, binary) as browser:
        tab = Tab(browser.new_page(), address)
        tab.value(OPENED.format(name="killed"))
        assert tab.value(AFTER.replace("ACKNOWLEDGED", repr(acknowledged))) == "[True, True, []]"
    assert len(acknowledged) > 5


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


@pytest.mark.parametrize(
    ("delay", "space"), [(0.01, "states"), (0, "versions"), (0.05, "states"), (0.01, "versions")][: examples(2)]
)
def test_tab_closed_mid_store(selenium: Any, name: str, delay: float, space: str) -> None:
    """What was acknowledged is there; the commit during which the tab went away is there as a whole or not at all."""
    rows = 400
    batch = Batch(puts=[(space, b"%05d" % number, b"x" * 4000) for number in range(rows)], appends=[("log", b"big")])
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
    code = f"""
store = await opened()
states, log = await scan_all(store, {space!r}, 1000), await store.scan("log")
next_number = await store.commit(Batch(appends=[("log", b"after")]))
first = await store.get([("entries", b"first")])
result = [len(states), [value.decode() for _, value in log], first == [b"1"], next_number]
await store.close()
"""
    found, log, first_is_there, next_number = run(selenium, name, code)
    assert first_is_there
    assert (found, log) in [(0, ["small"]), (rows, ["small", "big"])]
    assert next_number == [len(log) + 1]
