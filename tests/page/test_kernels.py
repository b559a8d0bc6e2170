"""Two kernels: whatever a cell does, the page goes on, and restarting the cells' kernel touches nothing else."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.page.conftest import SLOW, Tab

LOOP = "for i in range(10**9): pass"


def test_the_page_works_while_a_cell_computes(tab: Tab) -> None:
    tab.run(LOOP, wait="running")
    expect(tab.find("status-kernel")).to_have_attribute("data-state", "busy")
    tab.open("#/cluster/inventory/widget1")
    expect(tab.find("object-name")).to_contain_text("widget1")
    tab.find("stop").click()
    expect(tab.find("cell").last).to_contain_text("KeyboardInterrupt", timeout=SLOW)
    expect(tab.find("status-kernel")).to_have_attribute("data-state", re.compile("idle|ready"))
