"""Use does not grow the page's memory: some rounds in each run, an hour of them by EMERGE_TEST_SCALE=large."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import CDPSession, Locator, expect

from tests.conftest import ROOT
from tests.scale import SCALE

from .conftest import SLOW, Tab

pytestmark = pytest.mark.only_chromium(reason="its developer tools count what is held")
HOUR = 3600  # seconds
ROUNDS = 12
WARM = 10
LOOKS, SOME = 5, 2
CELL = """import gc, pyodide_js
def used():
    gc.collect()
    return f'held {len(gc.get_objects())} {pyodide_js._module.HEAPU8.length}'
cluster.getobject('/inventory/widget1').total_cost()
used()"""
PAGE, PYTHON, NODES, LISTENERS, SIGNALS_HELD = 30_000, 1, 1, 1, 1
"""What a round may leave: bytes of JavaScript (compiled code counts, and what the browser notes of the last requests),
objects of Python, nodes and listeners of the document, values of the page's runtime: of these none, but for what comes
once. An hour left 9 kB a round when the runtime kept some; the first sixty rounds leave 36 kB each, mostly code."""


def use(tab: Tab, number: int) -> tuple[int, int]:
    """Open, edit, search, run and close once; Python's objects in the cells' kernel, and its memory."""
    tab.open("#/cluster/inventory/widget1?tab=state")
    expect(tab.find("object-name")).to_have_text("widget1")
    field = tab.page.locator('[data-field="unit_price"] input')
    field.fill(str(number + 0.5))
    field.press("Control+s")
    expect(tab.find("status-save")).to_have_attribute("data-state", "saved", timeout=SLOW)
    for name in ("methods", "source", "versions"):
        tab.find(f"tab-{name}").click()
        expect(tab.find(f"panel-{name}")).to_be_visible()
    tab.open("#/cluster/inventory?tab=search")
    tab.find("search-text").fill(f"o.unit_price < {number + 100}")
    tab.find("search-start").click()
    expect(tab.find("search-row")).to_have_count(1, timeout=SLOW)
    tab.open("#/cluster/inventory?tab=graphql")
    expect(tab.page.locator('.cm-content[data-testid="graphql-query"]')).to_contain_text("inventoryItems")
    tab.find("graphql-run").click()
    expect(tab.find("graphql-answer")).to_contain_text("widget1", timeout=SLOW)
    tab.page.keyboard.press("Control+k")
    expect(tab.find("palette-input")).to_be_visible()
    tab.page.keyboard.press("Escape")
    found = paste(tab, CELL).get_by_test_id("cell-value").inner_text(timeout=SLOW).strip("'").split()
    tab.find("clear-console").click()
    return int(found[1]), int(found[2])


def paste(tab: Tab, code: str) -> Locator:
    """Run a cell whose text is pasted. What is typed is in the browser's own history of edits, too: a thousand steps,
    each with the nodes that it replaced."""
    prompt = tab.page.locator('.cm-content[data-testid="prompt"]')
    prompt.click()
    prompt.evaluate(PASTE, code)
    tab.page.keyboard.press("Shift+Enter")
    cell = tab.find("cell").first
    expect(cell).to_have_attribute("data-state", "done", timeout=SLOW)
    return cell


PASTE = """(prompt, text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    prompt.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""


SIGNALS = "function () { return this.filter((each) => 'wv' in each && 'rv' in each).length; }"
"""Counts the values among objects that Svelte's runtime follows: each has the number of its last write and read."""


def measure(session: CDPSession) -> dict[str, float]:
    """JavaScript's heap, and what the document and the page's runtime hold, once all that can go is gone."""
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    counters = session.send("Memory.getDOMCounters")
    heap = session.send("Runtime.getHeapUsage")["usedSize"]
    signals = count_signals(session)
    return {"heap": heap, "nodes": counters["nodes"], "listeners": counters["jsEventListeners"], "signals": signals}


def count_signals(session: CDPSession) -> int:
    group = {"objectGroup": "held"}
    kind = session.send("Runtime.evaluate", {"expression": "Object.prototype", **group})["result"]["objectId"]
    held = session.send("Runtime.queryObjects", {"prototypeObjectId": kind, **group})["objects"]["objectId"]
    call = {"functionDeclaration": SIGNALS, "objectId": held, "returnByValue": True}
    found = session.send("Runtime.callFunctionOn", call)["result"]["value"]
    session.send("Runtime.releaseObjectGroup", group)
    return int(found)


@pytest.mark.skipif(SCALE == 1, reason="an hour by EMERGE_TEST_SCALE=large, with -o faulthandler_timeout=0")
@pytest.mark.timeout(HOUR + 600 if SCALE > 1 else 300)
def test_use_does_not_grow_what_is_held(tab: Tab) -> None:
    cell = tab.run("cluster.getobject('/inventory/widget1');", wait="running")
    tab.find("consent-run").click()
    expect(cell).to_have_attribute("data-state", "done", timeout=SLOW)
    tab.find("clear-console").click()
    session = tab.page.context.new_cdp_session(tab.page)
    for number in range(WARM):
        python = use(tab, number)
    before, began, rounds = measure(session), time.monotonic(), 0
    while rounds < ROUNDS or (SCALE > 1 and time.monotonic() < began + HOUR):
        now = use(tab, WARM + rounds)
        rounds += 1
    after = measure(session)
    session.detach()
    grown = {name: (after[name] - before[name]) / rounds for name in before} | {"python": (now[0] - python[0]) / rounds}
    limit = {"heap": PAGE, "nodes": NODES, "listeners": LISTENERS, "signals": SIGNALS_HELD, "python": PYTHON}
    assert all(grown[name] <= limit[name] for name in limit), (grown, rounds)
    assert now[1] == python[1], "the memory of the cells' Python has grown"


def look(tab: Tab) -> None:
    """Open the parts of the page that are fetched late, and leave them."""
    tab.open("#/cluster/inventory/widget1?tab=state")
    expect(tab.find("object-name")).to_have_text("widget1")
    for name in ("methods", "versions", "rights"):
        tab.find(f"tab-{name}").click()
        expect(tab.find(f"panel-{name}")).to_be_visible()
    tab.open("#/cluster/inventory?tab=search")
    expect(tab.find("search-text")).to_be_visible()
    tab.page.keyboard.press("Control+k")
    expect(tab.find("palette-input")).to_be_visible()
    tab.page.keyboard.press("Escape")
    expect(tab.find("palette-input")).to_have_count(0)
    tab.page.locator('.cm-content[data-testid="prompt"]').click()  # the browser holds what had the keyboard last


def test_what_was_opened_and_left_is_let_go_of(tab: Tab) -> None:
    """The runtime of the page keeps no value of a part that is gone: Svelte's await block kept nine of each look."""
    session = tab.page.context.new_cdp_session(tab.page)
    counted = []
    for _ in range(LOOKS):
        look(tab)
        counted.append(measure(session)["signals"])
    session.detach()
    before, after = min(counted[:SOME]), min(counted[-SOME:])  # the browser may hold what was shown last
    assert before > 100, "the runtime's values are no longer known by their properties"
    assert after - before < LOOKS, counted


def test_nothing_waits_by_an_await_block() -> None:
    """What is shown within one is never let go of by Svelte 5.57.3: `ui/Loaded.svelte` waits in its place."""
    parts = (ROOT / "web").rglob("*.svelte")
    assert [str(path) for path in parts if "{#await" in path.read_text()] == []


def test_a_leak_is_noticed(tab: Tab) -> None:
    """What a listener that nobody removes holds is counted."""
    session = tab.page.context.new_cdp_session(tab.page)
    before = measure(session)
    tab.page.evaluate("() => { globalThis.held = Array.from({length: 200}, () => document.createElement('p')); }")
    tab.page.evaluate("() => held.forEach((each) => each.addEventListener('click', () => each))")
    after = measure(session)
    assert after["nodes"] - before["nodes"] > NODES and after["listeners"] - before["listeners"] > LISTENERS
    tab.page.evaluate("() => { delete globalThis.held; }")
    session.detach()
