"""What a newcomer does in the page, end to end."""

from __future__ import annotations

import random
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, expect

from emerge_wasm import EmergeFile, connect
from tests.conftest import ROOT
from tests.page.conftest import EXAMPLE, NO_STOP, NO_WAITING, NOT_NARROW, SLOW, Fresh, Site, Tab
from tests.scale import SCALE


def test_open_edit_save_run_read(site: Site, tab: Tab) -> None:
    tree = tab.find("tree-cluster")
    tree.locator('[data-path="/inventory"] [data-testid="toggle"]').click()
    tree.locator('[data-path="/inventory/widget1"]').click()
    expect(tab.find("object-class")).to_contain_text("InventoryItem")

    price = tab.page.locator('[data-field="unit_price"] input')
    expect(price).to_have_value("3.0")
    price.fill("4.5")
    expect(tab.find("status-save")).to_contain_text("Not saved")
    price.press("Control+s")
    expect(tab.find("status-save")).to_contain_text("Saved on the cluster")
    with connect(site.node.host) as fs:
        assert fs.cat("/inventory/widget1.unit_price") == 4.5

    tab.find("tab-methods").click()
    tab.find("run-here-total_cost").click()
    tab.find("consent-run").click()
    expect(tab.page.locator('[data-testid="run"][data-place="here"] [data-testid="run-result"]')).to_have_text("45.0")
    tab.find("run-there-total_cost").click()
    expect(tab.page.locator('[data-testid="run"][data-place="there"] [data-testid="run-result"]')).to_have_text("45.0")

    tab.find("tab-source").click()
    expect(tab.find("panel-source")).to_contain_text("def total_cost(self) -> float:")
    tab.find("tab-versions").click()
    expect(tab.find("version")).to_have_count(2)


def test_a_bad_value_is_named_and_nothing_is_saved(site: Site, tab: Tab) -> None:
    tab.open("#/cluster/inventory/widget1")
    price = tab.page.locator('[data-field="unit_price"] input')
    price.fill("cheap")
    price.press("Control+s")
    expect(tab.page.locator('[data-field="unit_price"] [role="alert"]')).to_be_visible()
    expect(tab.find("status-save")).to_contain_text("Not saved")
    with connect(site.node.host) as fs:
        assert fs.get("/inventory/widget1").version == 1
    tab.find("revert").click()
    expect(price).to_have_value("3.0")


def test_a_stale_save_shows_both_states(site: Site, tab: Tab) -> None:
    tab.open("#/cluster/inventory/widget1")
    price = tab.page.locator('[data-field="unit_price"] input')
    price.fill("5.0")
    with connect(site.node.host) as fs:
        fs.update("/inventory/widget1", unit_price=6.0)
        price.press("Control+s")
        expect(tab.find("conflict")).to_contain_text("6.0")
        expect(tab.find("conflict")).to_contain_text("5.0")
        assert fs.cat("/inventory/widget1.unit_price") == 6.0
        tab.find("all-mine").click()
        tab.find("save-again").click()
        expect(tab.find("status-save")).to_contain_text("Saved on the cluster")
        assert fs.cat("/inventory/widget1.unit_price") == 5.0


def test_a_cell_stores_here_and_on_the_cluster_and_both_survive_a_reload(site: Site, tab: Tab) -> None:
    assert tab.run(EXAMPLE).inner_text().count("30.0") == 2
    tab.use("local")
    # run on the browser's own filesystem too: the very same file
    assert tab.run(EXAMPLE).inner_text().count("30.0") == 2
    tab.page.reload()
    tab.ready()
    cell = tab.run("[p.version for p in local.list('/inventory') + cluster.list('/inventory')]")
    expect(cell.get_by_test_id("cell-value")).to_have_text("[1, 2]")
    tab.open("#/local/inventory/widget1")
    expect(tab.page.locator('[data-field="unit_price"] input')).to_have_value("3.0")


def test_without_the_relay_the_browsers_own_goes_on(site: Site, tab: Tab) -> None:
    tab.use("local")
    tab.run(EXAMPLE)
    tab.page.wait_for_function("() => navigator.serviceWorker.controller !== null", timeout=SLOW)
    assert site.relay.stop() == 0
    expect(tab.find("status-connection")).to_have_attribute("data-state", "offline", timeout=SLOW)

    def edit_and_run(price: str, cost: str) -> None:
        tab.open("#/local/inventory/widget1")
        tab.find("tab-state").click()
        field = tab.page.locator('[data-field="unit_price"] input')
        field.fill(price)
        field.press("Control+s")
        expect(tab.find("status-save")).to_contain_text("Saved here")
        tab.find("tab-methods").click()
        tab.find("run-here-total_cost").click()
        expect(tab.find("run-result").first).to_have_text(cost)

    edit_and_run("7.0", "70.0")
    tab.page.reload()
    tab.ready("offline")
    tab.open("#/local/inventory/widget1")
    expect(tab.page.locator('[data-field="unit_price"] input')).to_have_value("7.0", timeout=SLOW)
    edit_and_run("8.0", "80.0")

    asked = "{ inventoryItems(filter: {unit_price: {gt: 7}}) { objects { name quantity_on_hand } } }"
    cell = tab.run(f"local.graphql({asked!r}, '/inventory')['data']['inventoryItems']['objects']")
    expect(cell.get_by_test_id("value-row")).to_have_text(re.compile(r"widget1\s*10"))
    cell = tab.run("[o.name for o in local.search(lambda o: o.unit_price > 7, '/inventory')]")
    expect(cell.get_by_test_id("cell-value")).to_have_text("['widget1']")

    tab.use("cluster")
    cell = tab.run("fs.list('/')", wait="failed")
    expect(cell).to_contain_text("Unavailable")
    expect(cell).to_contain_text("local")

    site.restart()
    expect(tab.find("status-connection")).to_have_attribute("data-state", "connected", timeout=SLOW)
    expect(tab.run("fs.get('/inventory/widget1').version").get_by_test_id("cell-value")).to_have_text("1")


def test_the_node_goes_and_comes_back(site: Site, tab: Tab) -> None:
    assert site.node.stop() == 0
    expect(tab.find("status-connection")).to_have_attribute("data-state", "offline", timeout=SLOW)
    expect(tab.run("fs.list('/')", wait="failed")).to_contain_text("Unavailable")
    site.restart()
    expect(tab.find("status-connection")).to_have_attribute("data-state", "connected", timeout=SLOW)
    expect(tab.run("[p.name for p in fs.list('/')]").get_by_test_id("cell-value")).to_have_text("['inventory']")


def test_the_console(tab: Tab) -> None:
    expect(tab.run("print('out')\n1 + 1").get_by_test_id("output")).to_contain_text("out")
    expect(tab.find("cell-value").last).to_have_text("2")
    failed = tab.run("def f():\n    return 1 / 0\n\nf()", wait="failed")
    expect(failed).to_contain_text("ZeroDivisionError")
    expect(failed).to_contain_text("return 1 / 0")
    assert "pyodide" not in failed.inner_text().lower()
    assert tab.run("await cluster.hello() if False else 'top-level await parses'")
    big = tab.run("for _ in range(100):\n    print('x' * 1_000_000)")
    expect(big.get_by_test_id("output-cut")).to_be_visible()
    expect(tab.run("6 * 7").get_by_test_id("cell-value")).to_have_text("42")


NEWER = """from dataclasses import dataclass
from emerge_wasm import EmergeFile

@dataclass
class Jar(EmergeFile):
    size: int = 1

    def grow(self) -> int:
        try:
            self.size += 1
        except ValueError, TypeError:
            pass
        return len(t"{self.size} l".values) + self.size

"""


def test_a_class_that_the_cluster_is_too_old_for(tab: Tab) -> None:
    """It is stored, and said once: the construct, both versions, what to do, and no path of the library."""
    cell = tab.run(NEWER + "for name in ('one', 'two'): fs.store(Jar(name=name, path='/jars'))")
    said = cell.get_by_test_id("output").inner_text()
    node = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert said.startswith("UserWarning: the class Jar was stored, but") and said.count("UserWarning") == 1
    assert f"node has Python {node}" in said and "line 12 of its code needs Python 3.14" in said
    assert "--python python3.14" in said and ".py" not in said
    cell = tab.run("fs.getobject('/jars/one').grow()")
    expect(cell.get_by_test_id("cell-value")).to_have_text("3")
    tab.open("#/cluster/jars/one?tab=source")
    expect(tab.find("newer-python")).to_contain_text(f"Runs in this tab only, not on n1: Python {node} is there")
    tab.find("tab-methods").click()
    tab.find("run-there-grow").click()
    expect(tab.find("run").first.get_by_test_id("failure")).to_contain_text("needs Python 3.14")
    tab.find("run-here-grow").click()
    expect(tab.find("run-result").first).to_have_text("3")


def test_code_that_a_cell_ran_is_not_asked_about(tab: Tab, stock: Fresh) -> None:
    """Another stored the very class: what is read is an instance of the one here."""
    define = stock.text
    cell = tab.run(define + "\nitem = fs.getobject('/inventory/widget1')\nisinstance(item, InventoryItem)")
    expect(cell.get_by_test_id("cell-value")).to_have_text("True")
    tab.run(define.replace("quantity_on_hand: int", "quantity_on_hand: float"))
    cell = tab.run("fs.getobject('/inventory/widget1').total_cost()")  # the user has run that code, too
    expect(cell.get_by_test_id("cell-value")).to_have_text("30.0")


@pytest.mark.not_webkit(reason=NO_STOP)
def test_stop_interrupts_a_loop(tab: Tab) -> None:
    """It shows meanwhile what it has printed."""
    tab.run("n = 0")
    cell = tab.run("while True:\n    n += 1\n    if n == 1000: print('n is', n)", wait="running")
    expect(cell.get_by_test_id("output")).to_have_text("n is 1000", timeout=SLOW)
    tab.find("stop").click()
    expect(cell).to_contain_text("KeyboardInterrupt", timeout=SLOW)
    expect(tab.run("n > 0").get_by_test_id("cell-value")).to_have_text("True")


def test_the_tree_follows_changes_made_elsewhere(site: Site, tab: Tab) -> None:
    with connect(site.node.host) as fs:
        fs.mkdir("/made/elsewhere")
    expect(tab.find("tree-cluster").get_by_text("made")).to_be_visible()


@pytest.fixture(scope="module")
def second(shared_tab: Tab) -> Iterator[Tab]:
    """Another tab of the same profile: the first test that uses it opens the page there, the last closes it."""
    tab = Tab(shared_tab.page.context.new_page())
    yield tab
    tab.page.close()
    tab.check()


def test_what_is_changed_at_any_moment_while_a_tab_opens_is_shown(site: Site, second: Tab) -> None:
    moments, shown = random.Random(9), threading.Event()

    def change() -> int:
        """Store objects at odd moments until the tab shows them; how many."""
        count = 0
        with connect(site.node.host) as fs:
            while count < 400 and not (shown.is_set() and count % 10 == 0):
                fs.store(EmergeFile(name=f"o{count:03}", path="/moving"))
                count += 1
                shown.wait(moments.uniform(0, 0.3))
        return count

    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(change)
        second.page.goto(site.relay.found["url"] + "#/cluster/moving")
        second.ready()
        expect(second.find("directory-count")).to_contain_text("entries", timeout=SLOW)
        shown.set()
        expect(second.find("directory-count")).to_have_text(f"{changing.result(timeout=30)} entries", timeout=SLOW)
    expect(second.find("tree-cluster").locator('[data-path="/moving"]')).to_be_visible()


def test_two_tabs_share_this_browsers_filesystem(site: Site, tab: Tab, second: Tab) -> None:
    if second.page.url == "about:blank":
        second.page.goto(site.relay.found["url"])
    second.ready()
    second.use("local")
    second.run(EXAMPLE)
    expect(tab.find("tree-local").get_by_text("inventory")).to_be_visible()
    tab.use("local")
    cell = tab.run(
        "[fs.run('/inventory/widget1', 'total_cost'), fs.update('/inventory/widget1', unit_price=1.0).version]"
    )
    expect(cell.get_by_test_id("cell-value")).to_have_text("[30.0, 2]")
    second.page.close()


@pytest.mark.not_webkit(reason=NO_WAITING)
def test_airports_from_a_cell(tab: Tab) -> None:
    """All of them on command, otherwise those of Alaska and of the west coast."""
    text = (ROOT / "examples" / "airports.py").read_text()
    some = "[row for row in read_table() if row['state'] in ('AK', 'CA', 'OR', 'WA')]"
    cell = tab.run(text if SCALE > 1 else text.replace("in read_table())", f"in {some})"))
    expect(cell).to_contain_text("3376 airports in 57 states" if SCALE > 1 else "590 airports in 4 states")
    tab.open("#/cluster/airports/AK")
    expect(tab.find("directory-count")).to_contain_text("263", timeout=SLOW)


@pytest.mark.not_webkit(reason=NOT_NARROW)
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_cut_off(tab: Tab, width: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": 844})
    widget = "#/cluster/inventory/widget1"
    for route, panel, text in (
        (widget, "state", "quantity_on_hand"),
        (f"{widget}?tab=methods", "methods", "total_cost"),
        ("#/cluster/inventory", "entries", "widget1"),
    ):
        tab.open(route)
        expect(tab.find(f"panel-{panel}")).to_contain_text(text)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


def test_its_link_signs_one_browser_in(browser: Browser, site: Site, tab: Tab) -> None:
    """The next that opens it is a stranger, who sees no data."""
    assert site.relay.stop() == 0
    site.restart()  # with a new link
    url, link = site.relay.found["url"], site.relay.found["page"]
    # without a service worker, which would fetch all that the page ever needs
    with browser.new_context() as first, browser.new_context(service_workers="block") as context:
        first.request.get(link)
        assert first.request.get(f"{url}/session").status == 204
        stranger = Tab(context.new_page())
        stranger.page.goto(link)
        stranger.page.goto(url)
        expect(stranger.find("status-connection")).to_have_attribute("data-state", "offline", timeout=SLOW)
        expect(stranger.find("status-connection")).to_have_attribute("title", re.compile("token|sign|link", re.I))
        expect(stranger.find("tree-cluster").locator('[data-path="/inventory"]')).to_have_count(0)
    expect(tab.find("tree-cluster").locator('[data-path="/inventory"]')).to_have_count(1)
