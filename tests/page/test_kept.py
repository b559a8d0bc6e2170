"""What the page keeps by itself: unsaved edits, what was last seen of the cluster; and whether the browser will."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect

from emerge_wasm import connect
from tests.page.conftest import SLOW, Site, Tab

NOTE = "from emerge_wasm import EmergeFile\nlocal.store(EmergeFile(name='note', path='/kept', data='first'))"


ROWS = """(name) => new Promise((resolve, reject) => {
    const opening = indexedDB.open("emerge-page");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
        const asked = opening.result.transaction(name).objectStore(name).getAll();
        asked.onsuccess = () => { opening.result.close(); resolve(asked.result); };
    };
})"""


def wait_for_rows(tab: Tab, name: str, condition: str) -> None:
    """Wait until that holds of what the page's own store has of one kind."""
    tab.page.wait_for_function(f"async () => (await ({ROWS})('{name}')){condition}", timeout=SLOW)


def wait_for_draft(tab: Tab, text: str, kept: str = "true") -> None:
    condition = f".some(({{ draft }}) => JSON.stringify(draft).includes('{text}')) === {kept}"
    wait_for_rows(tab, "drafts", condition)


def type_into(tab: Tab, field: str, text: str) -> None:
    box = tab.page.locator(f'[data-field="{field}"] input')
    box.fill(text)
    expect(tab.find("status-save")).to_have_attribute("data-state", "unsaved")


@contextmanager
def signed_out(tab: Tab) -> Iterator[None]:
    """The page is loaded again without its session, which it has back afterwards."""
    cookies = tab.page.context.cookies()
    tab.page.context.clear_cookies()
    try:
        tab.page.reload()
        tab.ready("offline")
        expect(tab.find("object")).to_contain_text("not signed in", timeout=SLOW)
        yield
    finally:
        tab.page.context.add_cookies(cookies)  # type: ignore[arg-type]  # as it gave them


def test_unsaved_edits_outlive_their_tab(site: Site, tab: Tab, open_tab: Callable[[str], Tab]) -> None:
    """It is closed without a word; another one offers what was typed, over the version that it was typed on."""
    url = f"{site.relay.found['url']}/#/cluster/inventory/widget1"
    first = open_tab(url)
    first.ready()
    type_into(first, "unit_price", "4.5")
    tab.open("#/cluster/inventory/widget1")
    expect(tab.page.locator('[data-field="unit_price"] input')).to_have_value("3.0", timeout=SLOW)
    expect(tab.find("draft-banner")).to_have_count(0)  # that tab is alive
    wait_for_draft(first, "4.5")
    first.page.close(run_before_unload=False)
    with connect(site.node.host) as fs:
        fs.update("/inventory/widget1", quantity_on_hand=11)

    second = open_tab(url)
    second.ready()
    expect(second.find("draft-banner")).to_contain_text("unit_price", timeout=SLOW)
    expect(second.find("status-drafts")).to_have_text("1 draft")
    expect(second.page.locator('[data-field="unit_price"] input')).to_have_value("3.0")
    second.find("draft-take").click()
    expect(second.page.locator('[data-field="unit_price"] input')).to_have_value("4.5")
    expect(second.find("newer-banner")).to_be_visible()
    second.find("save").click()
    expect(second.find("status-save")).to_contain_text("Saved on the cluster")
    with connect(site.node.host) as fs:
        found = fs.cat("/inventory/widget1")
        assert (found["unit_price"], found["quantity_on_hand"]) == (4.5, 11)

    type_into(second, "unit_price", "5.5")
    wait_for_draft(second, "5.5")
    second.page.close(run_before_unload=False)
    third = open_tab(url)
    third.ready()
    third.find("draft-discard").click()
    expect(third.find("draft-banner")).to_have_count(0)
    wait_for_draft(third, "5.5", kept="false")
    third.page.reload()
    third.ready()
    expect(third.page.locator('[data-field="unit_price"] input')).to_have_value("4.5", timeout=SLOW)
    expect(third.find("draft-banner")).to_have_count(0)


SHOWN = """from IPython.display import HTML, display
print('said')
display(HTML('<b data-drawn>drawn</b>'))
[1, 2]"""
LARGE = """from IPython.display import display
display({{'text/plain': '{0} of them', 'application/x-large': 'x' * 1_900_000}}, raw=True)"""


def test_what_cells_of_the_console_showed_outlives_a_reload(site: Site, open_tab: Callable[[str], Tab]) -> None:
    """All of it, within bounds, until it is cleared; and only for who saw it."""
    own = open_tab(f"{site.relay.found['url']}/#/cluster/")
    own.ready()

    def kept(count: int) -> list[int]:
        wait_for_rows(own, "outputs", f".length === {count}")
        found: list[int] = own.page.evaluate(f"async () => (await ({ROWS})('outputs')).map((row) => row.size)")
        return found

    def shown() -> list[str]:
        cells = own.find("cell")
        expect(cells).to_have_count(2, timeout=SLOW)
        expect(cells.nth(0).locator("[data-drawn]")).to_have_text("drawn", timeout=SLOW)
        expect(cells.nth(1).get_by_test_id("failure")).to_contain_text("ZeroDivisionError", timeout=SLOW)
        return [cell.locator(".out").inner_text() for cell in cells.all()]

    own.run(SHOWN)
    own.run("1 / 0", wait="failed")
    before = shown()
    assert "said" in before[0] and "[1, 2]" in before[0] and "line 1" in before[1]
    kept(2)
    own.page.reload()
    own.ready()
    assert shown() == before
    expect(own.find("cell").first).to_contain_text("not run since")

    own.find("cell").nth(1).press("x")
    kept(2)  # it may be brought back
    own.page.reload()
    own.ready()
    expect(own.find("cell")).to_have_count(1)
    kept(1)
    for number in range(5):
        own.run(LARGE.format(f"large{number}"))
    assert sum(kept(4)) <= 8 << 20  # the oldest are gone
    own.page.reload()
    own.ready()
    cells = own.find("cell")
    expect(cells).to_have_count(6)
    expect(cells.last).to_contain_text("large4 of them", timeout=SLOW)
    expect(cells.nth(0).locator(".out")).to_have_count(0)

    own.find("clear-console").click()
    kept(0)
    own.run("40 + 2")
    kept(1)
    with signed_out(own):
        kept(0)
        expect(own.find("cell").locator(".out")).to_have_count(0)
    own.find("clear-console").click()


def test_the_cluster_is_read_as_it_was_last_seen(site: Site, tab: Tab, open_tab: Callable[[str], Tab]) -> None:
    """Without the network, after a reload too, and marked as such; not by who is signed in no longer."""
    own = open_tab(f"{site.relay.found['url']}/#/cluster/inventory")
    own.ready()
    expect(own.find("object")).to_contain_text("widget1", timeout=SLOW)
    own.open("#/cluster/inventory/widget1")
    expect(own.page.locator('[data-field="unit_price"] input')).to_have_value("3.0", timeout=SLOW)
    own.page.wait_for_function("() => navigator.serviceWorker.controller !== null", timeout=SLOW)
    assert site.relay.stop() == 0
    own.page.reload()
    own.ready("offline")
    expect(own.page.locator('[data-field="unit_price"] input')).to_have_value("3.0", timeout=SLOW)
    expect(own.find("stale-banner")).to_contain_text("as seen")
    expect(own.find("tree-cluster").locator('[data-path="/inventory/widget1"]')).to_have_count(1)
    own.open("#/cluster/inventory")
    expect(own.find("stale")).to_contain_text(re.compile("as it was seen .*; the cluster is out of reach"))
    expect(own.find("outage-cluster")).to_contain_text(re.compile(r"Offline\. [A-Z].*\. Shown as last seen"))
    own.open("#/cluster/inventory/other")
    expect(own.find("object")).to_contain_text("out of reach")

    with connect(site.node.host) as fs:
        fs.update("/inventory/widget1", unit_price=9.0)
    site.restart()
    own.open("#/cluster/inventory/widget1")
    expect(own.find("status-connection")).to_have_attribute("data-state", "connected", timeout=SLOW)
    expect(own.page.locator('[data-field="unit_price"] input')).to_have_value("9.0", timeout=SLOW)
    expect(own.find("stale-banner")).to_have_count(0)

    with signed_out(own):
        expect(own.find("status-connection")).to_have_text("Cluster: not signed in")
        own.open("#/")
        expect(own.find("empty-desk")).to_contain_text("Open the link that the relay printed")
        assert own.page.evaluate(ROWS, "seen") == []


UNSURE = "() => { navigator.storage.persist = navigator.storage.persisted = async () => false; }"


@pytest.mark.not_webkit(reason="WebKitGTK has no navigator.storage, so it is not known whether it keeps anything")
def test_the_browser_is_asked_to_keep_what_is_stored(site: Site, swept: Tab) -> None:
    """One that does not promise it: the status line says so, and what can be done."""
    tab = swept
    tab.page.evaluate(UNSURE)  # patched: whether this browser promises it depends on what was clicked before
    tab.run(NOTE)
    storage = tab.find("status-storage")
    expect(storage).to_have_attribute("data-state", "best-effort", timeout=SLOW)
    expect(storage).to_have_attribute("title", re.compile(r"of .*B used"))
    tab.find("status-persist").click()
    expect(tab.find("notices")).to_contain_text("did not promise to keep")
    tab.find("dismiss").click()
    tab.page.evaluate("() => { delete navigator.storage.persist; delete navigator.storage.persisted; }")


def test_the_page_can_be_installed(site: Site) -> None:
    with urlopen(f"{site.relay.found['url']}/manifest.webmanifest") as answer:
        assert answer.headers["Content-Type"].startswith("application/manifest+json")
        manifest = json.load(answer)
    assert manifest["display"] == "standalone" and {each["type"] for each in manifest["icons"]} >= {"image/png"}
    for icon in manifest["icons"]:
        with urlopen(f"{site.relay.found['url']}{icon['src']}") as answer:
            assert answer.headers["Content-Type"] == icon["type"] and answer.read(1)
