"""How the page is divided, and what the keyboard does in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Locator, expect

from emerge_wasm import EmergeFile, connect

from .conftest import NOT_NARROW, SLOW, VIEWPORT, Site, Tab


def width(place: Locator) -> float:
    box = place.bounding_box()
    assert box is not None
    return box["width"]


def height(place: Locator) -> float:
    box = place.bounding_box()
    assert box is not None
    return box["height"]


def test_what_is_empty_or_folded_takes_little_room_and_it_is_kept(tab: Tab) -> None:
    tab.open("#/cluster/inventory/widget1")
    local, cluster, console = (tab.find(name) for name in ("pane-local", "pane-cluster", "console"))
    assert height(local) < height(cluster)  # there is nothing in it
    assert width(local) <= 0.25 * VIEWPORT["width"]
    tab.find("fold-local").click()
    tab.find("fold-console").click()
    expect(tab.find("tree-local")).to_be_hidden()
    expect(tab.find("prompt")).to_be_hidden()
    for pane in (console, local):
        expect(pane).to_have_css("height", re.compile(r"^[0-4]?\d(\.\d+)?px$"))
    border = tab.page.get_by_role("separator", name="Width of the trees")
    narrow = width(local)
    border.press("ArrowRight")
    expect(local).not_to_have_css("width", f"{narrow:g}px")
    wide = width(local)

    tab.page.reload()
    tab.ready()
    expect(tab.find("tree-local")).to_be_hidden()
    expect(tab.find("prompt")).to_be_hidden()
    assert abs(width(local) - wide) < 2
    border.press("ArrowLeft")
    tab.find("fold-local").click()
    tab.find("fold-console").click()
    expect(tab.find("prompt")).to_be_visible()


@pytest.mark.not_webkit(reason=NOT_NARROW)
def test_fields_have_room_at_any_width(tab: Tab) -> None:
    tab.open("#/cluster/inventory/widget1")
    field = tab.page.locator('[data-field="unit_price"] input')
    for size in (1440, 800, 390):
        tab.page.set_viewport_size({"width": size, "height": 900})
        expect(field).to_be_visible()
        assert width(field) >= 150, size
        assert tab.page.locator("h1:visible").count() == 1
    titles = {"local": "This browser", "cluster": "Cluster", "console": "Console", "object": "widget1"}
    for pane, title in titles.items():
        tab.find(f"show-{pane}").click()
        expect(tab.page.locator("h1:visible")).to_contain_text(title)
    assert tab.page.evaluate("document.title") == "widget1 · Emerge"


IN_SIGHT = """() => {
    const {left, right, top, bottom} = document.activeElement.getBoundingClientRect();
    const found = [top + 2, bottom - 2].map((y) => document.elementFromPoint((left + right) / 2, y));
    return found.every((over) => document.activeElement.contains(over));
}"""


@pytest.mark.parametrize("key", ["Tab", "Shift+Tab"])
def test_what_the_keyboard_comes_to_is_in_sight(site: Site, tab: Tab, key: str) -> None:
    """Not under the bar with Save, whichever way it comes, in a window that does not hold all."""
    with connect(site.node.host) as fs:
        long = EmergeFile(name="long", path="/")
        vars(long).update({f"field_{number:02}": number for number in range(20)})
        fs.store(long)
    tab.open("#/cluster/long")
    tab.page.set_viewport_size({"width": 1440, "height": 700})
    first = "field_00" if key == "Tab" else "field_18"
    tab.page.locator(f'[data-field="{first}"] input').focus()
    if key == "Shift+Tab":
        tab.page.keyboard.press("Tab")  # to the last one, by a key: WebKit leaves what a script comes to under the bar
    seen = set()
    for _ in range(20):
        tab.page.wait_for_function(IN_SIGHT)  # WebKit draws what is scrolled a moment later
        seen.add(tab.page.evaluate("document.activeElement.id"))
        tab.page.keyboard.press(key)
    assert seen >= {f"field-field_{number:02}" for number in range(20)}


def test_the_tree_has_the_keyboard_after_a_click(tab: Tab) -> None:
    tab.find("tree-cluster").locator('[data-path="/inventory"] [data-testid="toggle"]').click()
    row = tab.find("tree-cluster").locator('[data-path="/inventory/widget1"]')
    row.click()
    tab.page.keyboard.press("F2")
    expect(tab.find("dialog")).to_contain_text("Rename")
    tab.page.keyboard.press("Escape")
    expect(tab.find("dialog")).to_have_count(0)
    tab.page.keyboard.press("Delete")
    expect(tab.find("dialog")).to_contain_text("Remove")
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("ArrowUp")
    tab.page.keyboard.press("Enter")
    expect(tab.find("object-name")).to_have_text("inventory")


def test_commands_by_name_and_by_keys_of_ones_own(tab: Tab) -> None:
    tab.page.keyboard.press("Control+k")
    tab.find("palette-input").fill("/inventory/widget1")
    tab.page.keyboard.press("ArrowDown")  # in this browser, then on the cluster
    tab.page.keyboard.press("Enter")
    expect(tab.find("object-name")).to_have_text("widget1")
    tab.page.keyboard.press("Control+k")
    tab.find("palette-input").fill("shortcuts")
    tab.page.keyboard.press("Enter")
    tab.find("keys-fold").click()
    tab.page.keyboard.press("F8")
    expect(tab.find("keys-fold")).to_have_text("F8")
    for keys, told in (("Control+s", "saves"), ("Control+b", "was that of “Hide or show the trees”")):
        tab.find("keys-dock").click()
        tab.page.keyboard.press(keys)
        expect(tab.find("keys-told")).to_contain_text(told)
    expect(tab.find("keys-dock")).to_have_text("Ctrl+B")
    expect(tab.find("keys-trees")).to_have_text("none")
    tab.page.keyboard.press("Escape")
    expect(tab.find("shortcuts")).to_be_hidden()
    tab.page.keyboard.press("F8")
    expect(tab.find("prompt")).to_be_hidden()
    tab.page.keyboard.press("F8")
    expect(tab.find("prompt")).to_be_visible()
    tab.page.evaluate("localStorage.removeItem('emerge.keys')")
    tab.spoilt = True  # the next test has the keys that the page comes with


@pytest.mark.not_webkit(reason=NOT_NARROW)
def test_back_leads_to_the_pane_before_on_a_phone(tab: Tab) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.find("show-cluster").click()
    tab.find("tree-cluster").locator('[data-path="/inventory"]').click()
    expect(tab.find("object-name")).to_have_text("inventory")
    tab.find("show-console").click()
    expect(tab.find("console")).to_be_visible()
    tab.page.go_back()
    expect(tab.find("object-name")).to_be_visible()
    tab.page.go_back()
    expect(tab.find("tree-cluster")).to_be_visible()


@pytest.mark.only_chromium(reason="no other browser drags what comes to lie under the mouse")
def test_a_border_follows_the_mouse_where_rows_lie_beside_it(tab: Tab) -> None:
    """A row that came to lie under where the mouse went down was dragged instead."""
    tab.open("#/cluster/inventory/widget1")
    row = tab.find("tree-cluster").locator('[data-path="/inventory/widget1"]').bounding_box()
    border = tab.page.get_by_role("separator", name="Width of the trees")
    at, mouse = border.bounding_box(), tab.page.mouse
    assert row is not None and at is not None
    before = int(border.get_attribute("aria-valuenow") or 0)
    x, y = at["x"] + at["width"] / 2, row["y"] + row["height"] / 2
    mouse.move(x, y)
    mouse.down()
    for by in (40, 80, 120, 90):
        mouse.move(x + by, y)
        expect(border).to_have_attribute("aria-valuenow", str(before + by))
    mouse.up()
    tab.page.keyboard.press("ArrowLeft")
    expect(border).to_have_attribute("aria-valuenow", str(before + 90 - 24))


def test_back_closes_the_dialog_that_is_open_and_nothing_else(tab: Tab) -> None:
    """Whichever it is; and an address that is typed closes it, too."""
    page = tab.page
    for path in ("/inventory", "/inventory/widget1"):
        page.keyboard.press("Control+k")
        tab.find("palette-input").fill(path)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(tab.find("object-name")).to_have_text(path.rpartition("/")[2])
    address = page.url

    def ask(key: str) -> None:
        tab.find("tree-cluster").locator('[data-path="/inventory/widget1"]').focus()
        page.keyboard.press(key)

    ways: list[tuple[str, Callable[[], None]]] = [
        ("palette", lambda: page.keyboard.press("Control+k")),
        ("shortcuts", lambda: page.keyboard.press("?")),
        ("dialog", lambda: ask("F2")),
        ("dialog", lambda: ask("Delete")),
        ("restart-dialog", lambda: tab.find("restart").click()),
    ]
    for name, begin in ways:
        begin()
        expect(tab.find(name)).to_be_visible()
        page.evaluate("history.back()")
        expect(tab.find(name)).to_be_hidden()
        page.wait_for_function("address => location.href === address", arg=address)  # it goes a step back and returns
        expect(tab.find("object-name")).to_have_text("widget1")
    ask("F2")
    expect(tab.find("dialog")).to_be_visible()
    page.evaluate("location.hash = '#/cluster/inventory'")
    expect(tab.find("object-name")).to_have_text("inventory")
    expect(tab.find("dialog")).to_be_hidden()
    page.evaluate("history.back()")
    expect(tab.find("object-name")).to_have_text("widget1")


def test_a_deep_link_reveals_its_row_wherever_it_is_in_a_directory(site: Site, tab: Tab) -> None:
    """Not by listing all that is before it."""
    with connect(site.node.host) as fs:
        fs.storeall([EmergeFile(name=f"o{number:04}", path="/deep") for number in range(2_300)])
        fs.store(EmergeFile(name="last", path="/lower/down"))
    tree = tab.find("tree-cluster")
    tab.open("#/cluster/deep")
    expect(tree.locator('[data-path="/deep/o0003"]')).to_be_visible(timeout=SLOW)
    tab.open("#/cluster/lower/down")  # at the end, below what is listed in part
    last = tree.locator('[data-path="/lower/down"]')
    expect(last).to_be_in_viewport(timeout=SLOW)
    expect(last).to_have_attribute("aria-expanded", "true")
    expect(tree.get_by_test_id("list-more")).to_be_visible()
    tab.open("#/cluster/deep/o2100")
    row = tree.locator('[data-path="/deep/o2100"]')
    expect(row).to_be_visible(timeout=SLOW)
    expect(row).to_have_attribute("aria-selected", "true")
    expect(tab.find("object-name")).to_have_text("o2100")
    tab.open("#/cluster/deep")
    expect(tab.find("directory-count")).to_have_text("2,300 entries", timeout=SLOW)
    for name in ("o0003", "none"):
        tab.open(f"#/cluster/deep/{name}")
        found = tree.locator('[data-path="/deep/o0003"]') if name == "o0003" else tab.find("failure")
        expect(found.first).to_be_visible(timeout=SLOW)
    tab.find("look-earlier").click()
    expect(tab.find("earlier")).to_contain_text("Nothing that was removed", timeout=SLOW)
    zone = tab.page.evaluate("new Intl.DateTimeFormat().resolvedOptions().timeZone")
    expect(tab.find("as-of-zone")).to_have_text(f"{zone} time".replace("_", " "))


PLACE = """([tree, path, high]) => {
    const row = tree.querySelector(`[data-path="${path}"]`)?.getBoundingClientRect();
    return row && tree.scrollHeight !== high && String(Math.round(row.top - tree.getBoundingClientRect().top));
}"""
"""Where a row is in its tree, once that is of another height; it is drawn when the scrolling is told."""

FIRST = """tree => {
    const top = tree.getBoundingClientRect().top;
    const rows = [...tree.querySelectorAll("[data-path]")];
    return rows.filter((row) => row.getBoundingClientRect().bottom > top + 1).map((row) => row.dataset.path).sort()[0];
}"""


def test_what_is_in_view_of_a_tree_stays_there(site: Site, tab: Tab) -> None:
    """Whatever comes above it: what is before a deep link's row, and what others store and remove."""
    tree = tab.find("tree-cluster")

    def place(path: str, high: int = 0) -> int:
        found = tab.page.wait_for_function(PLACE, arg=[tree.element_handle(), path, high], timeout=SLOW)
        return int(found.json_value())

    def change(work: Callable[[], object], path: str) -> int:
        """Where a row is when a directory comes or goes above it."""
        high = tree.evaluate("tree => tree.scrollHeight")
        work()
        return place(path, high)

    with connect(site.node.host) as fs:
        fs.storeall([EmergeFile(name=f"o{number:04}", path="/many") for number in range(1_200)])
        tab.open("#/cluster/many/o0900")
        row = tree.locator('[data-path="/many/o0900"]')
        expect(row).to_be_visible(timeout=SLOW)
        expect(tree.locator('[data-path="/many/o0890"]')).to_be_attached(timeout=SLOW)  # as its place is in view
        before = place("/many/o0900")
        assert 0 <= before < tree.evaluate("tree => tree.clientHeight")
        for name in ("/above", "/before"):
            assert change(partial(fs.mkdir, name), "/many/o0900") == before
        assert change(partial(fs.rm, "/above"), "/many/o0900") == before
        first = tree.evaluate(FIRST)
        assert first < "/many/o0900"
        fs.rm(first)  # as many are listed as before, where there are more
        expect(tree.locator(f'[data-path="{first}"]')).to_have_count(0, timeout=SLOW)
        assert place("/many/o0900") == before

        tree.evaluate("tree => { tree.scrollTop = 0 }")
        assert place("/") == 0
        assert change(partial(fs.mkdir, "/another"), "/") == 0
        expect(tree.locator('[data-path="/another"]')).to_be_visible(timeout=SLOW)


def test_the_console_docks_and_the_trees_hide_and_both_are_kept(tab: Tab) -> None:
    tab.open("#/cluster/inventory/widget1")
    main, console = tab.find("object"), tab.find("console")
    tab.find("dock-console").click()
    tab.find("hide-trees").click()
    border = tab.page.get_by_role("separator", name="Width of the console")
    border.press("ArrowLeft")
    for again in (False, True):
        expect(tab.find("tree-cluster")).to_be_hidden()
        left, right = main.bounding_box(), console.bounding_box()
        assert left is not None and right is not None
        assert left["x"] < 20 and right["x"] >= left["x"] + left["width"] and abs(left["y"] - right["y"]) < 5
        if not again:
            wide = right["width"]
            tab.page.reload()
            tab.ready()
    assert abs(width(console) - wide) < 2
    tab.page.set_viewport_size({"width": 800, "height": 900})  # no room for both beside each other
    expect(tab.page.locator(".page")).to_have_attribute("data-dock", "below")
    assert height(console) < 500 and width(console) > 700
    tab.page.set_viewport_size(VIEWPORT)
    tab.find("dock-console").click()
    tab.page.keyboard.press("Control+b")
    expect(tab.find("tree-cluster")).to_be_visible()
    tab.spoilt = True
