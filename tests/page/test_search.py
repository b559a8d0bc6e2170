"""Searching, comparing, restoring, running over a whole directory, and what nodes hold that are away, in the page."""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from emerge_wasm import EmergeFile, connect
from tests.conftest import start_server
from tests.page.conftest import NOT_NARROW, SLOW, VIEWPORT, Site, Tab


@dataclass
class Widget(EmergeFile):
    unit_price: float = 0.0

    def double(self) -> float:
        self.unit_price *= 2
        return self.unit_price

    def half(self, by: int = 2) -> float:
        if self.unit_price > 5:
            raise ValueError("too dear")
        print("halving")  # noqa: T201  # that it is heard is tested
        return self.unit_price / by

    @property
    def cheap(self) -> bool:
        return self.unit_price < 3


CELL = """
from dataclasses import dataclass

@dataclass
class Widget(EmergeFile):
    unit_price: float = 0.0

    def half(self, by: int = 2) -> float:
        if self.unit_price > 5:
            raise ValueError("too dear")
        return self.unit_price / by

    @property
    def cheap(self) -> bool:
        return self.unit_price < 3

local.storeall([Widget(name=f"w{i}", path="/shelf", unit_price=float(i)) for i in range(10)]);
"""


@pytest.fixture(scope="module")
def stocked(shared_site: Site, shared_tab: Tab) -> Tab:
    """/shelf/w0 … w9, of prices 0.0 to 9.0, on the cluster and in this browser; a plain object without a price."""
    shared_site.clear()
    shared_tab.sweep()
    with connect(shared_site.node.host) as fs:
        fs.storeall([Widget(name=f"w{i}", path="/shelf", unit_price=float(i)) for i in range(10)])
        fs.store(EmergeFile(name="plain", path="/shelf"))
    shared_tab.run(CELL)
    shared_tab.run("local.store(EmergeFile(name='plain', path='/shelf'));")
    return shared_tab


@pytest.fixture(params=["cluster", "local"])
def shelf(request: pytest.FixtureRequest, stocked: Tab) -> Tab:
    """The shelf of one of the two filesystems, which no test changes; the page begins anew at its root."""
    stocked.where = request.param
    stocked.open(f"#/{stocked.where}/")
    return stocked


def search(tab: Tab, text: str, order: str = "") -> None:
    tab.open(f"#/{tab.where}/shelf?tab=search")
    tab.find("search-text").fill(text)
    tab.find("search-start").click()
    if order:
        tab.find(f"sort-field:{order}").click()


def test_a_search_finds_and_counts(shelf: Tab) -> None:
    search(shelf, "o.unit_price < 3.5 and 'w' in o.name", "unit_price")
    expect(shelf.find("search-row")).to_have_count(4, timeout=SLOW)
    expect(shelf.find("search-summary")).to_contain_text("4 objects · scanned 11")
    expect(shelf.find("search-row").first).to_contain_text("0.0")
    expect(shelf.find("search-errors")).to_contain_text("1 object left out")
    expect(shelf.find("consent")).to_have_count(0)  # a plain predicate is read, not run
    shelf.find("search-explain").click()
    expect(shelf.find("search-plan")).not_to_be_empty()
    shelf.find("search-row").nth(2).get_by_role("button").click()
    expect(shelf.find("object-name")).to_have_text("w2")
    shelf.page.go_back()
    expect(shelf.find("search-row")).to_have_count(4)


def test_a_wrong_expression_is_named(shelf: Tab) -> None:
    search(shelf, "o.unit_price <")
    expect(shelf.find("failure")).to_contain_text("Invalid")
    search(shelf, "o.unit_price > 100")
    expect(shelf.find("search-results")).to_contain_text("Nothing fits")


def test_a_search_that_needs_code(shelf: Tab) -> None:
    search(shelf, "o.cheap")
    expect(shelf.find("search-row")).to_have_count(3, timeout=SLOW)


def test_a_run_over_a_directory(shelf: Tab) -> None:
    row = shelf.find(f"tree-{shelf.where}").locator('[data-path="/shelf"]')
    row.click(button="right")
    shelf.find("menu-run").click()
    shelf.find("sweep-method").fill("half")
    shelf.find("sweep-args").fill("4")
    shelf.find("sweep-start").click()
    expect(shelf.find("sweep-status")).to_contain_text(re.compile("11 of 11 objects, 5 failed · in "), timeout=SLOW)
    expect(shelf.find("sweep-row").first).to_have_class(re.compile("failed"))
    expect(shelf.find("sweep-results")).to_contain_text("too dear")
    expect(shelf.find("sweep-results")).to_contain_text("1.25")


def test_graphql_begins_with_rows_completes_and_shows_its_schema(shelf: Tab) -> None:
    shelf.open(f"#/{shelf.where}/shelf?tab=graphql")
    document = shelf.page.locator('.cm-content[data-testid="graphql-query"]')
    expect(document).to_contain_text("widgets(limit: 10)", timeout=SLOW)
    expect(document).to_contain_text("unit_price")
    shelf.find("graphql-run").click()
    answer = json.loads(shelf.find("graphql-answer").inner_text(timeout=SLOW))
    assert answer["data"]["widgets"]["count"] == 10 and "unit_price" in answer["data"]["widgets"]["objects"][0]
    shelf.find("graphql-show-schema").click()
    fields = shelf.page.locator('[data-testid="schema-node"][data-name="widgets"]')
    fields.get_by_label("What widgets has").click()
    expect(fields).to_contain_text("WidgetFilter")
    shelf.write(document, "{ wid")
    shelf.page.keyboard.press("Control+Space")
    offered = shelf.page.locator(".cm-tooltip-autocomplete li")
    expect(offered.filter(has_text=re.compile("^widgets"))).to_have_count(1)
    shelf.page.keyboard.press("Escape")
    shelf.write(document, "{ nosuchfield }")
    expect(shelf.page.locator(".cm-lintRange-error")).to_have_count(1)
    shelf.write(document, "{ objects { count } }")  # in progress: another visit goes on with it
    shelf.open(f"#/{shelf.where}/shelf?tab=entries")
    shelf.open(f"#/{shelf.where}/shelf?tab=graphql")
    expect(document).to_have_text("{ objects { count } }")
    shelf.find("graphql-first").click()


@pytest.mark.not_webkit(reason="a press on the line of time does not arrive there by its driver")
def test_versions_are_compared_and_restored(shared_site: Site, shared_tab: Tab) -> None:
    tab = shared_tab
    with connect(shared_site.node.host) as fs:
        fs.store(Widget(name="w", path="/restored", unit_price=1.0))
        fs.update("/restored/w", unit_price=2.0)
        fs.update("/restored/w", unit_price=3.0)
        tab.open("#/cluster/restored/w?tab=versions")
        tab.find("compare-1").click()
        row = tab.find("differences").locator('tr[data-field="unit_price"]')
        expect(row).to_contain_text("1.0")
        expect(row).to_contain_text("3.0")
        tab.find("version-pair").locator("summary").click()
        expect(tab.find("pair-first")).to_have_value("2")
        tab.find("timeline-0").press("Home")
        expect(tab.find("pair-first")).to_have_value("1")
        line = tab.find("timeline").locator(".line").bounding_box()
        assert line is not None
        tab.page.mouse.move(line["x"] + line["width"] - 2, line["y"] + 30)
        tab.page.mouse.down()
        expect(tab.find("pair-first")).to_have_value("3")
        tab.page.mouse.move(line["x"] + 2, line["y"] + 30, steps=4)
        tab.page.mouse.up()
        expect(tab.find("pair-second")).to_have_value("1")
        tab.find("version-pair").locator("summary").click()
        tab.find("restore-1").click()
        expect(tab.find("version")).to_have_count(4)
        assert fs.cat("/restored/w.unit_price") == 1.0
        tab.find("version").locator("button.version").nth(2).click()
        expect(tab.find("version-banner")).to_contain_text("Version 2 of 4, read only")
        tab.find("restore-shown").click()
        expect(tab.find("version-banner")).to_have_count(0)
        assert fs.cat("/restored/w.unit_price") == 2.0


@pytest.mark.not_webkit(reason=NOT_NARROW)
def test_a_run_leaves_a_receipt(shared_site: Site, shared_tab: Tab) -> None:
    tab = shared_tab
    with connect(shared_site.node.host) as fs:
        fs.store(Widget(name="w", path="/run", unit_price=1.0))
    tab.open("#/cluster/run/w?tab=methods")
    tab.page.set_viewport_size({"width": 390, "height": 500})
    tab.find("run-there-double").click()
    expect(tab.find("run-result")).to_have_text("2.0")
    expect(tab.find("run-result")).to_be_in_viewport()  # though it is below the methods
    tab.page.set_viewport_size(VIEWPORT)
    expect(tab.find("run-version")).to_contain_text("Ran on version 1")
    tab.find("run-receipt").locator("summary").click()
    expect(tab.find("receipt").first).to_contain_text("1 → 2")
    tab.find("run-there-half").click()
    expect(tab.find("output").first).to_contain_text("halving")
    tab.find("receipts").locator("summary").first.click()
    expect(tab.find("receipts").locator("li")).to_have_count(2)


def test_what_is_away_is_told(shared_site: Site, shared_tab: Tab, tmp_path: Path) -> None:
    tab = shared_tab
    store = f"sqlite:///{tmp_path}/shed.db"
    shed = ("node", "start", "--port", "0", "--name", "shed", "--store", store, "--join", shared_site.node.host)
    with connect(shared_site.node.host) as fs, ExitStack() as stack:
        fs.foundcluster()
        stack.callback(shared_site.renew)
        node = start_server(*shed, sandbox=False)
        stack.callback(node.kill)
        fs.mount("/tools", "shed")
        fs.store(Widget(name="saw", path="/tools"))
        fs.store(Widget(name="own", path="/"))
        tab.open("#/cluster/")
        row = tab.find("tree-cluster").locator('[data-path="/tools"]')
        row.get_by_test_id("toggle").click()
        expect(tab.find("tree-cluster").locator('[data-path="/tools/saw"]')).to_be_visible()
        expect(row).not_to_contain_text("away")
        expect(tab.find("missing")).to_have_count(0)

        tab.open("#/cluster/?tab=nodes")
        listed = tab.find("panel-nodes").locator('[data-testid="node"][data-node="shed"]')
        expect(listed).to_have_attribute("data-state", "here")
        expect(listed).to_contain_text("/tools")
        expect(tab.find("node-count")).to_have_text("2 nodes")
        fs.replicate("/tools", 1)
        copies = tab.find("volume").and_(tab.page.locator('[data-path="/tools"]')).get_by_test_id("copy")
        expect(copies).to_have_text(["n1 the same"], timeout=SLOW)
        fs.with_umask(0).mkdir("/open")
        fs.as_user("ann").store(Widget(name="by", path="/open"))
        feed = tab.find("feed-row").first
        expect(feed).to_contain_text(re.compile(r"stored\s+/open/by\s+version 1.*by ann on n1"))
        tab.find("feed-pause").click()
        fs.rm("/open/by")
        expect(tab.find("feed-waiting")).to_have_text("1 more since")
        tab.find("feed-pause").click()
        expect(feed).to_contain_text("removed")
        fs.replicate("/tools", 0)
        assert node.stop() == 0
        expect(listed).to_have_attribute("data-state", "away")
        expect(tab.find("node-count")).to_have_text("2 nodes, 1 away")
        tab.open("#/cluster/?tab=entries")
        until = time.monotonic() + SLOW / 1000  # a list that was asked for before may come first
        while "on shed, which is away" not in row.inner_text():
            assert time.monotonic() < until
            tab.find("refresh-cluster").click()
            tab.page.wait_for_timeout(200)
        line = "Not complete: node shed is away; what it holds is left out."
        expect(tab.find("missing")).to_have_text(line)
        expect(tab.find("directory")).to_contain_text("on shed, which is away")
        row.click()
        expect(tab.find("failure")).to_contain_text("shed")
        expect(tab.find("failure")).to_have_attribute("data-code", "Unavailable")

        tab.where = "cluster"
        tab.open("#/cluster/?tab=search")
        tab.find("search-text").fill("o.name == 'own'")
        tab.find("search-start").click()
        expect(tab.find("search-row")).to_have_count(1)
        expect(tab.find("missing")).to_have_text(line)
        tab.use("cluster")
        for asked in ("fs.count()", "fs.count()", "fs.list('/')"):
            output = tab.run(f"{asked};").get_by_test_id("output")
            expect(output).to_have_text("PartialAnswer: node shed is away: what it holds is left out")

        node = start_server(*shed, sandbox=False)
        stack.callback(node.kill)
        tab.open("#/cluster/?tab=nodes")
        expect(listed).to_have_attribute("data-state", "here")
        tab.open("#/cluster/tools?tab=entries")
        fs.rm("/tools/saw")
        tab.find("refresh-cluster").click()
        expect(row).not_to_contain_text("away")
        expect(tab.find("failure")).to_have_count(0)
        expect(tab.find("directory-count")).to_have_text("0 entries")
        fs.unmount("/tools")
        assert node.stop() == 0
