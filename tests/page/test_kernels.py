"""Two kernels: whatever a cell does, the page goes on, and restarting the cells' kernel touches nothing else."""

from __future__ import annotations

import re
import time

from playwright.sync_api import expect

from tests.page.conftest import SLOW, Tab

LOOP = "for i in range(10**9): pass"


def test_the_page_works_while_a_cell_computes(tab: Tab) -> None:
    assert tab.run("fs.store(EmergeFile(name='kept', path='/k')).version").get_by_test_id("cell-value")
    tab.run(LOOP, wait="running")
    expect(tab.find("status-kernel")).to_have_attribute("data-state", "busy")
    started = time.monotonic()
    tab.open("#/cluster/inventory/widget1")
    expect(tab.find("object-title")).to_contain_text("widget1")
    print("opened", time.monotonic() - started)
    tab.find("stop").click()
    expect(tab.find("cell").last).to_contain_text("KeyboardInterrupt", timeout=SLOW)
    expect(tab.find("status-kernel")).to_have_attribute("data-state", re.compile("idle|ready"))
