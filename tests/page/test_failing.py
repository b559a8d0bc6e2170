"""Relay, node, network or Python fail before or in the middle of an action: the page says what happened, keeps what was
typed, and goes on with it afterwards. Every action by every failure; in each run some of them."""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, expect

from emerge_wasm import EmergeFile, connect
from emerge_wasm.clients.sync import SyncClient
from tests.scale import SCALE, TURN, in_turn, pairs, sample

from .conftest import SLOW, Site, Tab

WIDGET = "#/cluster/inventory/widget1"


@dataclass
class Action:
    """What a user types, where, and how it is set off; `done` is shown when it has gone through."""

    name: str
    route: str
    box: str
    text: str
    go: str
    done: str
    shown: str

    def find(self, tab: Tab) -> Locator:
        return tab.page.locator(self.box).first

    def type(self, tab: Tab) -> None:
        tab.open(self.route)
        self.find(tab).fill(self.text)

    def typed(self, tab: Tab) -> None:
        """What was typed is where it was typed."""
        tab.open(self.route)
        box = self.find(tab)
        expect(box).to_be_visible(timeout=SLOW)
        held = box.evaluate("box => 'value' in box ? box.value : box.innerText")
        assert held.strip() == self.text, f"{self.name}: {held!r}"


ACTIONS = [
    Action(
        "save", f"{WIDGET}?tab=state", '[data-field="unit_price"] input', "4.5", "save", "status-save", "Saved on the"
    ),
    Action(
        "search",
        "#/cluster/inventory?tab=search",
        '[data-testid="search-text"]',
        "o.unit_price > 1.25",
        "search-start",
        "search-summary",
        "1 object",
    ),
    Action(
        "graphql",
        "#/cluster/inventory?tab=graphql",
        '.cm-content[data-testid="graphql-query"]',
        "{ objects { count } }",
        "graphql-run",
        "graphql-answer",
        "count",
    ),
    Action(
        "run on all",
        "#/cluster/inventory?tab=run",
        '[data-testid="sweep-method"]',
        "total_cost",
        "sweep-start",
        "sweep-status",
        "1 of 1",
    ),
]


def stop_relay(site: Site, tab: Tab) -> None:
    assert site.relay.stop() == 0


def stop_node(site: Site, tab: Tab) -> None:
    assert site.node.stop() == 0


def kill_node(site: Site, tab: Tab) -> None:
    site.node.kill()


FAILURES: list[Callable[[Site, Tab], None]] = [stop_relay, stop_node, kill_node]


def failures() -> list[Callable[[Site, Tab], None]]:
    """All by command, else one of them, whatever else has its turn."""
    return FAILURES if SCALE > 1 else [random.Random(f"{TURN} failing").choice(FAILURES)]


@pytest.mark.skipif(not in_turn(1, 2), reason="every other run; all by EMERGE_TEST_SCALE=large")
@pytest.mark.parametrize("fail", failures(), ids=lambda fail: fail.__name__)
def test_a_failure_is_told_and_nothing_typed_is_lost(
    site: Site, tab: Tab, open_tab: Callable[[str], Tab], fail: Callable[[Site, Tab], None]
) -> None:
    own = open_tab(site.relay.found["url"] + "/" + WIDGET)
    own.ready()
    for action in ACTIONS:
        action.type(own)
    fail(site, own)
    expect(own.find("status-connection")).to_have_attribute("data-state", "offline", timeout=SLOW)
    for action in ACTIONS:
        action.typed(own)
        button = own.find(action.go)
        if button.is_enabled():
            button.click()
            own.page.wait_for_timeout(100)
        else:  # then it says why
            said = button.get_attribute("title") or own.find("object").inner_text()
            assert re.search("offline|out of reach|away|stopped|Python|relay|node|connect", said, re.I), (
                action.name,
                said,
            )
        action.typed(own)

    site.restart()
    expect(own.find("status-connection")).to_have_attribute("data-state", "connected", timeout=SLOW)
    for action in ACTIONS:
        action.typed(own)
        expect(own.find(action.go)).to_be_enabled(timeout=SLOW)
        own.find(action.go).click()
        expect(own.find(action.done)).to_contain_text(action.shown, timeout=SLOW)
    with connect(site.node.host) as fs:
        assert fs.cat("/inventory/widget1.unit_price") == 4.5


@dataclass
class Deed:
    """What a user does with what is typed, and where the page tells of it. What it shall have done is exact: once."""

    name: str
    begin: Callable[[Tab], None]
    go: Callable[[Tab], None]
    told: Callable[[Tab], Locator]
    typed: Callable[[Tab], None]
    done: Callable[[SyncClient], bool]
    dialog: str = ""  # in which it is asked for; it is tried again by itself, and then is closed
    again: Callable[[Tab], None] | None = None  # how it is set off again, if otherwise
    undone: Callable[[SyncClient], bool] | None = None  # asked again in any case, it is answered with its undoing


def click(testid: str) -> Callable[[Tab], None]:
    return lambda tab: tab.find(testid).click()


def has(testid: str, text: str) -> Callable[[Tab], None]:
    return lambda tab: expect(tab.find(testid)).to_have_value(text)


def failure_in(testid: str) -> Callable[[Tab], Locator]:
    return lambda tab: tab.find(testid).get_by_test_id("failure")


def edit(tab: Tab) -> None:
    tab.open(f"{WIDGET}?tab=state")
    tab.page.locator(PRICE).fill("4.5")


def ask(kind: str, path: str = "/inventory/widget1") -> Callable[[Tab], None]:
    """Open the dialog of a row of the tree."""

    def begin(tab: Tab) -> None:
        tab.open(WIDGET)
        tab.find("tree-cluster").locator(f'[data-path="{path}"]').click(button="right")
        tab.find(f"menu-{kind}").click()
        if kind != "remove":
            tab.find("dialog-path").fill("/inventory/other")

    return begin


def load(tab: Tab) -> None:
    tab.open("#/cluster/inventory")
    rows = b"name,amount\nr1,1\nr2,2\n"
    tab.find("choose-import").set_input_files([{"name": "rows.csv", "mimeType": "text/plain", "buffer": rows}])
    expect(tab.find("import-preview")).to_be_visible(timeout=SLOW)
    tab.find("import-taken").select_option("replace")
    expect(tab.find("import-go")).to_be_enabled(timeout=SLOW)


def write(tab: Tab) -> None:
    tab.find("new-notebook").click()
    cell = tab.find("notebook-cell")
    expect(cell).to_have_count(1, timeout=SLOW)
    expect(tab.find("notebook-state")).to_contain_text("is saved", timeout=SLOW)
    cell.first.press("Enter")
    expect(tab.page.locator(EDITOR)).to_be_focused(timeout=SLOW)


@dataclass
class Stall(EmergeFile):
    """Sells."""

    sold: int = 0

    def sell(self, count: int) -> int:
        self.sold += count
        return self.sold

    def order(self, count: int, bonus: int = 0) -> int:
        self.sold = count + bonus  # however often it is made
        return self.sold


def call(tab: Tab) -> None:
    tab.open("#/cluster/shop/stall?tab=methods")
    tab.find("args-order").fill("5, bonus=2")


def prompt(tab: Tab, code: str) -> None:
    """Write a cell that is to be run."""
    place = tab.page.locator('.cm-content[data-testid="prompt"]')
    place.click()
    place.fill(code)


def mark(where: str, kind: str, first: str, second: str = "", to: str = "") -> Callable[[Tab], None]:
    """Fill in what is to be done with the first row of a table."""

    def begin(tab: Tab) -> None:
        tab.open(f"#/cluster/{where}")
        tab.find("listed").first.get_by_role("checkbox").click()
        tab.find(f"bulk-{kind}").click()
        tab.find("bulk-first").fill(first)
        if second:
            tab.find("bulk-second").fill(second)
        if to:
            tab.find("bulk-to").select_option(to)

    return begin


def rights(tab: Tab) -> None:
    tab.open(f"{WIDGET}?tab=rights")
    expect(tab.find("rights-said")).to_contain_text("everybody else may do nothing", timeout=SLOW)
    tab.find("may-2r").check()


def edit_cell(tab: Tab) -> None:
    tab.open("#/cluster/inventory")
    tab.double_click(tab.find("listed").first.locator('[data-column="field:unit_price"]'))
    tab.find("cell-input").fill("4.5")


def versions(tab: Tab) -> None:
    tab.open("#/cluster/shelf/old?tab=versions")
    expect(tab.find("restore-1")).to_be_enabled(timeout=SLOW)


def price(fs: SyncClient) -> tuple[float, int]:
    return fs.cat("/inventory/widget1.unit_price"), fs.get("/inventory/widget1").version


def names(fs: SyncClient) -> list[str]:
    return [pointer.name for pointer in fs.list("/inventory")]


PRICE = '[data-field="unit_price"] input'
EDITOR = '.cm-content[data-testid="cell-editor"]'
SOURCE = "total = 6 * 7"
WRITE = "cluster.update('/inventory/widget1', unit_price=4.5).version"
DEEDS = [
    Deed(
        "save",
        edit,
        click("save"),
        lambda tab: tab.find("status-save").filter(has_text="Not saved"),
        lambda tab: expect(tab.page.locator(PRICE)).to_have_value("4.5"),
        lambda fs: price(fs) == (4.5, 2),
    ),
    Deed(
        "edit many",
        mark("inventory", "set", "unit_price", "4.5"),
        click("bulk-go"),
        failure_in("made"),
        has("bulk-second", "4.5"),
        lambda fs: price(fs) == (4.5, 2),
        again=click("again"),
        undone=lambda fs: price(fs) == (3.0, 3),
    ),
    Deed(
        "run many",
        mark("shop", "run", "sell", "5"),
        click("bulk-go"),
        failure_in("made"),
        has("bulk-second", "5"),
        lambda fs: fs.cat("/shop/stall.sold") == 5,
        again=click("again"),
        undone=lambda fs: fs.cat("/shop/stall.sold") == 0,
    ),
    Deed(
        "move many",
        mark("inventory", "move", "/archive"),
        click("bulk-go"),
        failure_in("made"),
        has("bulk-first", "/archive"),
        lambda fs: names(fs) == [] and [each.name for each in fs.list("/archive")] == ["widget1"],
        again=click("again"),
        undone=lambda fs: names(fs) == ["widget1"] and fs.list("/archive") == [],
    ),
    Deed(
        "carry many",
        mark("inventory", "move", "/got", to="local"),
        click("bulk-go"),
        failure_in("made"),
        has("bulk-first", "/got"),
        lambda fs: names(fs) == [],
        again=click("again"),
        undone=lambda fs: names(fs) == ["widget1"],
    ),
    Deed(
        "rights",
        rights,
        click("rights-save"),
        lambda tab: tab.find("object").get_by_test_id("failure"),
        lambda tab: expect(tab.find("may-2r")).to_be_checked(),
        lambda fs: fs.get("/inventory/widget1").perms == "rwxr-xr--",
    ),
    Deed(
        "edit cell",
        edit_cell,
        lambda tab: tab.page.keyboard.press("Enter"),
        lambda tab: tab.find("cell-problem"),
        has("cell-input", "4.5"),
        lambda fs: price(fs) == (4.5, 2),
        again=lambda tab: tab.find("cell-input").press("Enter"),
    ),
    Deed(
        "restore",
        versions,
        click("restore-1"),
        lambda tab: tab.find("panel-versions").get_by_test_id("failure"),
        lambda tab: expect(tab.find("version")).not_to_have_count(0, timeout=SLOW),
        lambda fs: (fs.cat("/shelf/old.sold"), fs.get("/shelf/old").version) == (0, 3),
    ),
    Deed(
        "rename",
        ask("rename"),
        click("dialog-confirm"),
        failure_in("dialog"),
        has("dialog-path", "/inventory/other"),
        lambda fs: names(fs) == ["other"],
        dialog="dialog",
    ),
    Deed(
        "copy",
        ask("copy"),
        click("dialog-confirm"),
        failure_in("dialog"),
        has("dialog-path", "/inventory/other"),
        lambda fs: names(fs) == ["other", "widget1"],
        dialog="dialog",
    ),
    Deed(
        "remove",
        ask("remove"),
        click("dialog-confirm"),
        failure_in("dialog"),
        lambda tab: expect(tab.find("dialog")).to_contain_text("widget1"),
        lambda fs: names(fs) == [],
        dialog="dialog",
    ),
    Deed(
        "create",
        lambda tab: tab.fill_record("/inventory/made", "amount", "int", "7"),
        click("new-create"),
        failure_in("new-object"),
        has("own-text", "7"),
        lambda fs: names(fs) == ["made", "widget1"] and fs.cat("/inventory/made.amount") == 7,
        dialog="new-object",
    ),
    Deed(
        "import",
        load,
        click("import-go"),
        failure_in("import"),
        has("import-taken", "replace"),
        lambda fs: names(fs) == ["r1", "r2", "widget1"] and fs.get("/inventory/r1").version == 1,
        dialog="import",
    ),
    Deed(
        "notebook",
        write,
        lambda tab: tab.write(tab.page.locator(EDITOR), SOURCE),
        lambda tab: tab.find("notebook-state").filter(has_text="Not saved"),
        lambda tab: expect(tab.find("notebook-cell")).to_contain_text(SOURCE),
        lambda fs: [cell["source"] for cell in fs.getobject("/notebooks/untitled").cells] == [SOURCE],
    ),
    Deed(
        "run",
        call,
        click("run-there-order"),
        lambda tab: tab.find("run").first.get_by_test_id("failure"),
        has("args-order", "5, bonus=2"),
        lambda fs: fs.cat("/shop/stall.sold") == 7,
    ),
    Deed(
        "cell",
        lambda tab: prompt(tab, WRITE),
        lambda tab: tab.page.keyboard.press("Shift+Enter"),
        lambda tab: tab.find("cell").first.get_by_test_id("failure"),
        lambda tab: expect(tab.find("cell").first.get_by_test_id("cell-source")).to_have_text(WRITE),
        lambda fs: fs.cat("/inventory/widget1.unit_price") == 4.5,
        again=lambda tab: tab.find("cell").first.press("Control+Enter"),
    ),
]


def lose_node(site: Site, tab: Tab) -> None:
    """It has got the request, and dies."""
    site.node.kill()


def lose_answer(site: Site, tab: Tab) -> None:
    """The request is done, and nobody hears of it: the line is cut in between."""
    site.relay.kill()
    site.node.process.send_signal(signal.SIGCONT)


def lose_python(site: Site, tab: Tab, name: str = "kernel") -> None:
    """The kernel with the filesystems dies while it waits for the answer, as where there is no memory left."""
    worker = next(worker for worker in tab.page.workers if worker.evaluate("self.name") == name)
    worker.evaluate("void setTimeout(() => { throw new RangeError('out of memory') })")
    expect(tab.find("status-restart")).to_be_attached(timeout=SLOW)
    site.node.process.send_signal(signal.SIGCONT)


def lose_cells(site: Site, tab: Tab) -> None:
    """That of the cells dies: what runs in it is lost, and nothing else."""
    lose_python(site, tab, "cells")


def lose_silently(site: Site, tab: Tab) -> None:
    """It ends without a word, as where the browser ends it: the page notices by the lock that it held."""
    worker = next(worker for worker in tab.page.workers if worker.evaluate("self.name") == "kernel")
    worker.evaluate("void setTimeout(() => self.close())")
    expect(tab.find("status-restart")).to_be_attached(timeout=SLOW)
    site.node.process.send_signal(signal.SIGCONT)


def wait_until(what: str, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + SLOW / 1000
    while not holds():
        assert time.monotonic() < until, f"not so: {what}"
        time.sleep(0.05)


LOSSES: list[Callable[[Site, Tab], None]] = [lose_node, lose_answer, lose_python, lose_cells, lose_silently]


@pytest.mark.skipif(not in_turn(0, 2), reason="every other run; all by EMERGE_TEST_SCALE=large")
@pytest.mark.parametrize(
    ("deed", "lose"),
    sample(pairs(DEEDS, LOSSES), 4),
    ids=lambda each: each.name if isinstance(each, Deed) else each.__name__,
)
def test_what_is_cut_off_in_the_middle_is_told_and_goes_on(
    site: Site, tab: Tab, deed: Deed, lose: Callable[[Site, Tab], None]
) -> None:
    with connect(site.node.host) as fs:
        fs.storeall([Stall(name="stall", path="/shop"), Stall(name="old", path="/shelf")])
        fs.update("/shelf/old", sold=1)
    deed.begin(tab)
    site.node.process.send_signal(signal.SIGSTOP)  # the request is on its way, and not answered
    deed.go(tab)
    tab.page.wait_for_timeout(300)  # whether it has arrived or not: what follows holds either way
    lose(site, tab)
    untouched = lose is lose_cells and deed.name != "cell"
    if not untouched:
        expect(deed.told(tab)).to_be_visible(timeout=SLOW)
        deed.typed(tab)
    tab.spoilt = True  # whatever is open now

    site.restart()
    if lose in (lose_python, lose_cells, lose_silently):
        tab.errors.clear()  # it is ours
        if not untouched:
            offered = [tab.find(name) for name in ("failure-restart", "status-restart")]
            next(button for button in offered if button.count()).first.click()
    if not untouched:
        tab.ready()
    with connect(site.node.host) as fs:
        if deed.dialog:
            expect(tab.find(deed.dialog)).to_have_count(0, timeout=SLOW)
        elif not untouched:
            deed.typed(tab)
            if deed.name == "cell" or deed.undone or not deed.done(fs):
                (deed.again or deed.go)(tab)
        wait_until(f"{deed.name} is done", lambda: deed.done(fs))
        if deed.undone is not None:
            expect(deed.told(tab)).to_have_count(0, timeout=SLOW)
            tab.find("undo").click()
            undone = deed.undone
            wait_until(f"{deed.name} is undone", lambda: undone(fs))
    if deed.name == "cell":
        expect(tab.find("cell").first).to_have_attribute("data-state", "done", timeout=SLOW)
