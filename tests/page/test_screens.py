"""Every screen: what axe finds in both themes, and pictures of the main ones, which docs/page.md shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from emerge_wasm import connect
from emerge_wasm.notebook import Notebook, make_cell
from tests.scale import SCALE, in_turn

from .accessible import CONTRAST, problems
from .conftest import SLOW, VIEWPORT, Fresh, Site, Tab
from .picture import ALIKE, check_picture, difference

WIDGET = "#/cluster/inventory/widget1"


def _open(route: str, shown: str) -> Callable[[Tab], None]:
    """Open an address, and wait for what has this test id."""

    def show(tab: Tab) -> None:
        tab.open(route)
        expect(tab.find(shown).first).to_be_visible(timeout=SLOW)

    return show


def _press(keys: str, shown: str) -> Callable[[Tab], None]:
    def show(tab: Tab) -> None:
        tab.page.keyboard.press(keys)
        expect(tab.find(shown).first).to_be_visible(timeout=SLOW)

    return show


def _graphql(tab: Tab) -> None:
    _open("#/cluster/inventory?tab=graphql", "schema-node")(tab)
    tab.find("graphql-first").click()  # another story may have typed something there
    tab.find("graphql-run").click()
    expect(tab.find("graphql-answer")).to_contain_text("widget1", timeout=SLOW)


def _search(tab: Tab) -> None:
    _open("#/cluster/inventory?tab=search", "search-text")(tab)
    tab.find("search-text").fill("o.unit_price < 5")
    tab.find("search-start").click()
    expect(tab.find("search-row")).to_have_count(3, timeout=SLOW)


def _edited(tab: Tab) -> None:
    _open(f"{WIDGET}?tab=state", "panel-state")(tab)
    tab.page.locator('[data-field="unit_price"] input').fill("cheap")
    expect(tab.find("status-save")).to_have_attribute("data-state", "unsaved")


def _shortcuts(tab: Tab) -> None:
    tab.page.keyboard.press("Control+k")
    tab.find("palette-input").fill("shortcuts")
    tab.page.keyboard.press("Enter")
    expect(tab.find("shortcuts")).to_be_visible(timeout=SLOW)


def _mkdir(tab: Tab) -> None:
    tab.find("mkdir-cluster").click()
    expect(tab.find("dialog")).to_be_visible()


def _console(tab: Tab) -> None:
    tab.run("1 / 0", wait="failed")
    tab.run("import sys\nprint('err', file=sys.stderr)\ndisplay({'rows': [1, 2], 'more': {'deep': True}})\n[1, 2, 3]")
    tab.run("print(fs.run('/inventory/widget1', 'total_cost'))\nfs.list('/inventory')")


SCREENS: dict[str, Callable[[Tab], None]] = {
    "start": _open("#/", "empty-desk"),
    "directory": _open("#/cluster/inventory?tab=entries", "directory-count"),
    "search": _search,
    "run on all": _open("#/cluster/inventory?tab=run", "sweep-method"),
    "graphql": _graphql,
    "cluster": _open("#/cluster/?tab=nodes", "node"),
    "source": _open(f"{WIDGET}?tab=source", "panel-source"),
    "methods": _open(f"{WIDGET}?tab=methods", "method"),
    "versions": _open(f"{WIDGET}?tab=versions", "version"),
    "not there": _open("#/cluster/inventory/none", "failure"),
    "object": _open(f"{WIDGET}?tab=state", "panel-state"),
    "edits": _edited,
    "console": _console,
    "notebook": _open("#/cluster/notebooks/sums", "panel-notebook"),
    "palette": _press("Control+k", "palette-input"),
    "shortcuts": _shortcuts,
    "dialog": _mkdir,
}
DIALOGS = {"palette", "shortcuts", "dialog"}
PICTURES = {"directory": "table", "graphql": "graphql", "console": "console", "notebook": "notebook"}


@pytest.fixture(scope="module")
def laid(shared_site: Site, shared_tab: Tab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A page that has something of everything."""
    from .conftest import EXAMPLE

    shared_site.clear()
    shared_tab.sweep()
    made = Fresh(tmp_path_factory.mktemp("classes"), EXAMPLE.partition("fs.store")[0])["InventoryItem"]
    cells = [make_cell("a", "# Sums\n\nof *two* numbers", "markdown"), make_cell("b", "1 + 1")]
    with connect(shared_site.node.host) as fs:
        rows = [(f"widget{number}", 1.0 + number) for number in range(1, 6)]
        fields = [{"id": name, "name": name, "unit_price": price, "quantity_on_hand": 10} for name, price in rows]
        fs.storeall([made(path="/inventory", **each) for each in fields])
        fs.update("/inventory/widget1", unit_price=3.0)
        fs.store(Notebook(name="sums", path="/notebooks", cells=cells))
    yield shared_tab
    shared_tab.page.evaluate("delete document.documentElement.dataset.theme")
    shared_tab.spoilt = True


def walk(tab: Tab, look: Callable[[str], None]) -> None:
    """Show one screen after the other, and look at each."""
    for name, show in SCREENS.items():
        show(tab)
        look(name)
        if name in DIALOGS:
            tab.page.keyboard.press("Escape")
        if name == "edits":
            tab.find("revert").click()


def test_each_screen_is_accessible_in_both_themes_and_looks_as_its_picture(laid: Tab) -> None:
    """In the dark one only colours are looked at, and in each run at those of every other screen."""
    tab, page = laid, laid.page
    found: list[str] = []

    def look(name: str) -> None:
        found.extend(f"{name}: {each}" for each in problems(page))
        if name in PICTURES:
            check_picture(page, PICTURES[name])
        if SCALE > 1 or in_turn(len(name) % 2, 2):
            found.extend(f"{name}, dark: {each}" for each in problems(page, "dark", CONTRAST))

    walk(tab, look)
    assert page.viewport_size == VIEWPORT
    assert not found, "\n".join(found)
    tab.check()


def test_these_can_fail(laid: Tab) -> None:
    """A label that is missing, a colour that cannot be read in one of the themes, and another picture are noticed."""
    page = laid.page
    light = page.screenshot()
    page.evaluate(
        """() => document.body.insertAdjacentHTML("beforeend",
            "<p id=bad style='position:fixed;inset:0;z-index:99;background:#fff;color:#eee'>faint <input></p>")"""
    )
    try:
        found = [each.partition(":")[0] for each in problems(page)]
        assert {"label", "color-contrast"} <= {*found}
        assert difference(page, light, page.screenshot()) > ALIKE > difference(page, light, light)
        page.evaluate("document.getElementById('bad').style.cssText += ';background:var(--well);color:#333'")
        assert not problems(page, "light", CONTRAST) and problems(page, "dark", CONTRAST)
    finally:
        page.evaluate("document.getElementById('bad').remove()")
