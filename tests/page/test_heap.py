"""Use does not grow the page's memory: some rounds in each run, an hour's worth by EMERGE_TEST_SCALE=large."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.scale import examples

from .conftest import Tab

ROUNDS = examples(6)
WARM = 4
CELL = """import gc
cluster.getobject('/inventory/widget1').total_cost()
gc.collect()
print('held', len(gc.get_objects()))"""
PAGE, PYTHON = 60_000, 40
"""Bytes of JavaScript, and objects of Python, that a round may leave: caches fill, and compiled code counts."""


def use(tab: Tab) -> int:
    """Look at everything once, and run a cell; the number of Python's objects in its kernel."""
    tab.open("#/cluster/inventory/widget1")
    expect(tab.find("object-name")).to_have_text("widget1")
    for name in ("methods", "source", "versions", "state"):
        tab.find(f"tab-{name}").click()
        expect(tab.find(f"panel-{name}")).to_be_visible()
    tab.open("#/cluster/inventory")
    expect(tab.find("object-name")).to_have_text("inventory")
    tab.page.keyboard.press("Control+k")
    expect(tab.find("palette-input")).to_be_visible()
    tab.page.keyboard.press("Escape")
    tab.run(CELL)
    text = tab.find("cell").last.inner_text()
    tab.find("clear-console").click()
    return int(text.rpartition("held ")[2].split()[0])


def test_use_does_not_grow_the_heap(tab: Tab) -> None:
    tab.run("cluster.getobject('/inventory/widget1')", wait="running")
    tab.find("consent-run").click()
    session = tab.page.context.new_cdp_session(tab.page)

    def heap() -> float:
        for _ in range(2):
            session.send("HeapProfiler.collectGarbage")
        return float(session.send("Runtime.getHeapUsage")["usedSize"])

    for _ in range(WARM):
        objects = use(tab)
    before = heap()
    for _ in range(ROUNDS):
        now = use(tab)
    assert (heap() - before) / ROUNDS <= PAGE
    assert (now - objects) / ROUNDS <= PYTHON
    session.detach()
