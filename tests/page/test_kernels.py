"""Two kernels: whatever a cell does, the page goes on, and restarting the cells' kernel touches nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Browser, expect

from tests.page.conftest import SLOW, VIEWPORT, Site, Tab

LOOP = "for i in range(10**9): pass"


def test_the_page_works_while_a_cell_computes(tab: Tab) -> None:
    tab.run(LOOP, wait="running")
    expect(tab.find("status-kernel")).to_have_attribute("data-state", "busy")
    tab.open("#/cluster/inventory/widget1")
    expect(tab.find("object-name")).to_contain_text("widget1")
    tab.stop()
    expect(tab.find("status-kernel")).to_have_attribute("data-state", re.compile("idle|ready"))


def test_cells_work_without_shared_memory(browser: Browser, shared_site: Site) -> None:
    """The two kernels then pass messages, and Python waits by JSPI."""
    with browser.new_context(viewport=VIEWPORT, reduced_motion="reduce") as context:
        context.add_init_script("delete globalThis.SharedArrayBuffer")
        tab = Tab(context.new_page())
        tab.page.goto(shared_site.relay.found["url"])
        tab.use("local")
        expect(tab.run("local.mkdir('/y')\nlen(local.list('/'))").get_by_test_id("cell-value")).to_have_text("1")
        cell = tab.run("await alocal.rm('/y')\ninput('q? ')", wait="running")
        cell.get_by_test_id("input").get_by_role("textbox").fill("abc")
        tab.page.keyboard.press("Enter")
        expect(cell.get_by_test_id("cell-value")).to_have_text("'abc'", timeout=SLOW)
        tab.check()


def test_a_python_that_ends_without_a_word_is_noticed(site: Site, open_tab: Callable[[str], Tab]) -> None:
    """By the lock that its worker held; no heartbeat is missed before."""
    tab = open_tab(f"{site.relay.found['url']}/#/cluster/inventory")
    tab.ready()
    cell = tab.run("from js import close\nclose()\nawait __import__('asyncio').sleep(3600)", wait="failed")
    expect(cell.get_by_test_id("failure")).to_contain_text("its worker ended")
    cell.get_by_test_id("failure-restart").or_(tab.find("status-restart")).first.click()
    expect(tab.run("6 * 7").get_by_test_id("cell-value")).to_have_text("42", timeout=SLOW)
    tab.errors.clear()  # an ended worker is one
