"""Relay, node, network or Python fail before or in the middle of an action: the page says what happened, keeps what was
typed, and goes on with it afterwards. Every action by every failure; in each run some of them."""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from playwright.sync_api import Browser, FilePayload, Locator, expect

from emerge_wasm import EmergeFile, connect
from emerge_wasm.browser.protocol.step import ChangeStep
from emerge_wasm.browser.requests.handlers import DEEDS as PAGE_DEEDS
from emerge_wasm.browser.requests.handlers import EACH_TIME
from emerge_wasm.clients.sync import SyncClient
from tests.conftest import start_server
from tests.scale import SCALE, TURN, in_turn, pairs, sample

from .conftest import SLOW, VIEWPORT, Site, Tab
from .wire import CountedLine

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
        if self.name == "graphql":  # the document that it begins with comes late, and may come into what is typed
            expect(self.find(tab)).to_contain_text("objects", timeout=SLOW)
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
    """What a user does with what is typed, and where the page tells of it. What it shall have done is exact: once.

    `kind` is the request that the page makes for it, with the kind of its step where it is a change."""

    name: str
    kind: str
    begin: Callable[[Tab], None]
    go: Callable[[Tab], None]
    told: Callable[[Tab], Locator]
    typed: Callable[[Tab], None]
    done: Callable[[SyncClient], bool]
    cell: str = ""  # the test id of the cell that does it
    itself: bool = False  # the page asks again by itself, once it can
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


def ask(
    kind: str, path: str = "/inventory/widget1", target: str = "/inventory/other", where: str = "cluster"
) -> Callable[[Tab], None]:
    """Open the dialog of a row of the tree."""

    def begin(tab: Tab) -> None:
        tab.open(WIDGET)
        tab.find(f"tree-{where}").locator(f'[data-path="{path}"]').click(button="right")
        tab.find(f"menu-{kind}").click()
        if kind != "remove":
            tab.find("dialog-path").fill(target)

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


def write_cell(tab: Tab) -> None:
    """A cell of a notebook, which is saved."""
    write(tab)
    tab.write(tab.page.locator(EDITOR), WRITE)
    expect(tab.find("notebook-state")).to_contain_text(re.compile("Version [2-9] is saved"), timeout=SLOW)


@dataclass
class Stall(EmergeFile):
    """Sells."""

    sold: int = 0

    def sell(self, count: int) -> int:
        self.sold += count
        return self.sold

    def look(self) -> int:
        return self.sold

    def order(self, count: int, bonus: int = 0) -> int:
        self.sold = count + bonus  # however often it is made
        return self.sold


@dataclass
class Known(EmergeFile):
    """Keeps what it finds."""

    results: list[str] | None = None

    def query(self, fs: Any) -> list[str]:
        return [pointer.name for pointer in fs.list("/inventory")]


def call(tab: Tab, method: str = "order", args: str = "5, bonus=2") -> None:
    tab.open("#/cluster/shop/stall?tab=methods")
    tab.find(f"args-{method}").fill(args)


def call_here(tab: Tab) -> None:
    """The question whether the class may run here has been answered before."""
    call(tab, "sell", "5")
    tab.find("run-here-look").click()
    question = tab.find("consent").or_(tab.find("run-result").first)
    expect(question.first).to_be_visible(timeout=SLOW)
    if tab.find("consent").count():
        tab.find("consent-always").check()
        tab.find("consent-run").click()
    expect(tab.find("run-result").first).to_have_text("0", timeout=SLOW)


def sweep(tab: Tab) -> None:
    tab.open("#/cluster/shop?tab=run")
    tab.find("sweep-method").fill("sell")
    tab.find("sweep-args").fill("5")


def group(tab: Tab) -> None:
    tab.open(f"{WIDGET}?tab=rights")
    expect(tab.find("rights-said")).to_contain_text("everybody else may do nothing", timeout=SLOW)
    tab.find("rights-group").fill("sales")


def carry(tab: Tab) -> None:
    """Ask to copy what is in this browser to the cluster."""
    tab.run("local.store(EmergeFile(name='mine', path='/', data=1))")
    ask("copy", "/mine", where="local")(tab)
    tab.find("to-cluster").click()
    tab.find("dialog-path").fill("/inventory/other")


def notice(tab: Tab) -> Locator:
    return tab.find("notices").get_by_test_id("failure")


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


def earlier(tab: Tab) -> None:
    tab.open("#/cluster/shelf?tab=earlier")
    expect(tab.find("purge")).to_be_enabled(timeout=SLOW)


def purge(tab: Tab) -> None:
    tab.find("purge").click()
    tab.find("purge-confirm").click()


def price(fs: SyncClient) -> tuple[float, int]:
    return fs.cat("/inventory/widget1.unit_price"), fs.get("/inventory/widget1").version


def upload(tab: Tab) -> None:
    tab.open("#/cluster/inventory")
    expect(tab.find("choose-files")).to_be_attached(timeout=SLOW)
    expect(tab.find("listed")).to_have_count(1, timeout=SLOW)


def question(tab: Tab) -> None:
    tab.open("#/cluster/found/known?tab=methods")
    expect(tab.find("run-query")).to_be_enabled(timeout=SLOW)


def notebooks(fs: SyncClient) -> list[str]:
    there = "notebooks" in [pointer.name for pointer in fs.list("/")]
    return [pointer.name for pointer in fs.list("/notebooks")] if there else []


def names(fs: SyncClient) -> list[str]:
    return [pointer.name for pointer in fs.list("/inventory")]


BINARY: FilePayload = {"name": "file.bin", "mimeType": "application/octet-stream", "buffer": b"x" * 200_000}
IPYNB: FilePayload = {
    "name": "sums.ipynb",
    "mimeType": "application/json",
    "buffer": b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
}
PRICE = '[data-field="unit_price"] input'
EDITOR = '.cm-content[data-testid="cell-editor"]'
SOURCE = "total = 6 * 7"
WRITE = "cluster.update('/inventory/widget1', unit_price=4.5).version"
DEEDS = [
    Deed(
        "save",
        "save",
        edit,
        click("save"),
        lambda tab: tab.find("status-save").filter(has_text="Not saved"),
        lambda tab: expect(tab.page.locator(PRICE)).to_have_value("4.5"),
        lambda fs: price(fs) == (4.5, 2),
    ),
    Deed(
        "edit many",
        "change set",
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
        "change run",
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
        "change move",
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
        "change carry",
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
        "change chmod",
        rights,
        click("rights-save"),
        lambda tab: tab.find("object").get_by_test_id("failure"),
        lambda tab: expect(tab.find("may-2r")).to_be_checked(),
        lambda fs: fs.get("/inventory/widget1").perms == "rwxr-xr--",
    ),
    Deed(
        "edit cell",
        "change set",
        edit_cell,
        lambda tab: tab.page.keyboard.press("Enter"),
        lambda tab: tab.find("cell-problem"),
        has("cell-input", "4.5"),
        lambda fs: price(fs) == (4.5, 2),
        again=lambda tab: tab.find("cell-input").press("Enter"),
    ),
    Deed(
        "restore",
        "change restore",
        versions,
        click("restore-1"),
        lambda tab: tab.find("panel-versions").get_by_test_id("failure"),
        lambda tab: expect(tab.find("version")).not_to_have_count(0, timeout=SLOW),
        lambda fs: (fs.cat("/shelf/old.sold"), fs.get("/shelf/old").version) == (0, 3),
    ),
    Deed(
        "delete for good",
        "change purge",
        earlier,
        purge,
        lambda tab: tab.find("panel-earlier").get_by_test_id("failure"),
        lambda tab: expect(tab.find("panel-earlier")).to_be_visible(),
        lambda fs: "gone" not in [pointer.name for pointer in fs.list("/registry")],
    ),
    Deed(
        "rename",
        "change move",
        ask("rename"),
        click("dialog-confirm"),
        failure_in("dialog"),
        has("dialog-path", "/inventory/other"),
        lambda fs: names(fs) == ["other"],
        dialog="dialog",
    ),
    Deed(
        "copy",
        "change copy",
        ask("copy"),
        click("dialog-confirm"),
        failure_in("dialog"),
        has("dialog-path", "/inventory/other"),
        lambda fs: names(fs) == ["other", "widget1"],
        dialog="dialog",
    ),
    Deed(
        "remove",
        "change remove",
        ask("remove"),
        click("dialog-confirm"),
        failure_in("dialog"),
        lambda tab: expect(tab.find("dialog")).to_contain_text("widget1"),
        lambda fs: names(fs) == [],
        dialog="dialog",
    ),
    Deed(
        "create",
        "change create",
        lambda tab: tab.fill_record("/inventory/made", "amount", "int", "7"),
        click("new-create"),
        failure_in("new-object"),
        has("own-text", "7"),
        lambda fs: names(fs) == ["made", "widget1"] and fs.cat("/inventory/made.amount") == 7,
        dialog="new-object",
    ),
    Deed(
        "import",
        "loadsheet",
        load,
        click("import-go"),
        failure_in("import"),
        has("import-taken", "replace"),
        lambda fs: names(fs) == ["r1", "r2", "widget1"] and fs.get("/inventory/r1").version == 1,
        dialog="import",
    ),
    Deed(
        "notebook",
        "keepnotebook",
        write,
        lambda tab: tab.write(tab.page.locator(EDITOR), SOURCE),
        lambda tab: tab.find("failure").filter(has_text="what you typed is still here"),
        lambda tab: expect(tab.find("notebook-cell")).to_contain_text(SOURCE),
        lambda fs: [cell["source"] for cell in fs.getobject("/notebooks/untitled").cells] == [SOURCE],
    ),
    Deed(
        "run",
        "run",
        call,
        click("run-there-order"),
        lambda tab: tab.find("run").first.get_by_test_id("failure"),
        has("args-order", "5, bonus=2"),
        lambda fs: fs.cat("/shop/stall.sold") == 7,
    ),
    Deed(
        "cell",
        "cell",
        lambda tab: prompt(tab, WRITE),
        lambda tab: tab.page.keyboard.press("Shift+Enter"),
        lambda tab: tab.find("cell").first.get_by_test_id("failure"),
        lambda tab: expect(tab.find("cell").first.get_by_test_id("cell-source")).to_have_text(WRITE),
        lambda fs: fs.cat("/inventory/widget1.unit_price") == 4.5,
        again=lambda tab: tab.find("cell").first.press("Control+Enter"),
        cell="cell",
    ),
    Deed(
        "notebook cell",
        "cell",
        write_cell,
        lambda tab: tab.page.keyboard.press("Control+Enter"),
        lambda tab: tab.find("notebook-cell").first.get_by_test_id("failure"),
        lambda tab: expect(tab.find("notebook-cell").first).to_contain_text(WRITE),
        lambda fs: fs.cat("/inventory/widget1.unit_price") == 4.5,
        again=lambda tab: tab.find("notebook-cell").first.press("Control+Enter"),
        cell="notebook-cell",
    ),
    Deed(
        "make directory",
        "change mkdir",
        ask("mkdir", "/inventory", "/inventory/made"),
        click("dialog-confirm"),
        failure_in("dialog"),
        has("dialog-path", "/inventory/made"),
        lambda fs: names(fs) == ["made", "widget1"],
        dialog="dialog",
    ),
    Deed(
        "group",
        "change chown",
        group,
        click("rights-save"),
        lambda tab: tab.find("object").get_by_test_id("failure"),
        has("rights-group", "sales"),
        lambda fs: fs.get("/inventory/widget1").group == "sales",
    ),
    Deed(
        "carry here",
        "change carry",
        carry,
        click("dialog-confirm"),
        failure_in("dialog"),
        has("dialog-path", "/inventory/other"),
        lambda fs: names(fs) == ["other", "widget1"] and fs.get("/inventory/other").version == 1,
        dialog="dialog",
    ),
    Deed(
        "run on all",
        "runall",
        sweep,
        click("sweep-start"),
        failure_in("panel-run"),
        has("sweep-args", "5"),
        lambda fs: fs.cat("/shop/stall.sold") == 5,
    ),
    Deed(
        "run here",
        "run",
        call_here,
        click("run-here-sell"),
        lambda tab: tab.find("run").first.get_by_test_id("failure"),
        has("args-sell", "5"),
        lambda fs: fs.cat("/shop/stall.sold") == 5,
    ),
    Deed(
        "sell",
        "run",
        lambda tab: call(tab, "sell", "5"),
        click("run-there-sell"),
        lambda tab: tab.find("run").first.get_by_test_id("failure"),
        has("args-sell", "5"),
        lambda fs: fs.cat("/shop/stall.sold") == 5,
    ),
    Deed(
        "new notebook",
        "makenotebook",
        lambda tab: tab.open("#/cluster/inventory"),
        click("new-notebook"),
        notice,
        lambda tab: None,
        lambda fs: notebooks(fs) == ["untitled"],
    ),
    Deed(
        "import notebook",
        "readipynb",
        lambda tab: tab.open("#/cluster/inventory"),
        lambda tab: tab.find("import-ipynb").set_input_files([IPYNB]),
        notice,
        lambda tab: None,
        lambda fs: notebooks(fs) == ["sums"],
    ),
    Deed(
        "upload",
        "upload",
        upload,
        lambda tab: tab.find("choose-files").set_input_files([BINARY]),
        lambda tab: tab.find("transfer").filter(has_text="file.bin").filter(has_text=re.compile("out of reach|Python")),
        lambda tab: None,
        lambda fs: names(fs) == ["file.bin", "widget1"] and fs.get("/inventory/file.bin").version == 1,
        itself=True,
    ),
    Deed(
        "query",
        "run",
        question,
        click("run-query"),
        lambda tab: tab.find("run").first.get_by_test_id("failure"),
        lambda tab: None,
        lambda fs: fs.get("/found/known").version == 2,
    ),
]


@pytest.mark.only_chromium(reason="Firefox before 155 remembers that a module failed, until the page is loaded again")
def test_a_part_of_the_page_that_does_not_come_is_told_and_asked_for_again(site: Site, browser: Browser) -> None:
    """It is told where the user looks, whatever is open; the service worker would have the part."""
    with browser.new_context(viewport=VIEWPORT, reduced_motion="reduce", service_workers="block") as context:
        tab = Tab(context.new_page())
        tab.page.route("**/assets/Palette-*.js", lambda route: route.abort())
        tab.page.goto(site.relay.found["url"])
        expect(tab.find("status-kernel")).to_be_visible(timeout=SLOW)
        tab.page.keyboard.press("Control+k")
        note = tab.find("failure").filter(has_text="A part of the page could not be loaded")
        expect(note).to_be_in_viewport(ratio=1, timeout=SLOW)
        tab.find("load-again").click()
        expect(note).to_be_visible()
        tab.page.unroute("**/assets/Palette-*.js")
        tab.find("load-again").click()
        expect(tab.find("palette-input")).to_be_focused(timeout=SLOW)
        expect(note).to_have_count(0)


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


def freeze_node(site: Site, tab: Tab) -> None:
    """It has got the request, and does nothing for as long as nobody comes to see."""


def freeze_relay(site: Site, tab: Tab) -> None:
    """Nothing passes any more, and no connection ends."""
    site.relay.process.send_signal(signal.SIGSTOP)
    site.node.process.send_signal(signal.SIGCONT)


def cut_network(site: Site, tab: Tab) -> None:
    """The browser is told that it is offline."""
    tab.page.context.set_offline(True)
    site.node.process.send_signal(signal.SIGCONT)


def mend(site: Site, tab: Tab) -> None:
    """All is there again."""
    tab.page.context.set_offline(False)
    for server in (site.node, site.relay):
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGCONT)
    site.restart()


TIMED = 3_000
"""Milliseconds after which all has been tried again that is so by the clock: then only the return brings it on."""


def wait_until(what: str, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + SLOW / 1000
    while not holds():
        assert time.monotonic() < until, f"not so: {what}"
        time.sleep(0.05)


LOSSES: list[Callable[[Site, Tab], None]] = [
    lose_node,
    lose_answer,
    lose_python,
    lose_cells,
    lose_silently,
    freeze_node,
    freeze_relay,
    cut_network,
]
IN_WORKER = (lose_python, lose_cells, lose_silently, cut_network)
"""In workers Firefox's driver evaluates nothing, and what it calls offline leaves their connections open."""
ELSEWHERE = {
    "graphql": "a document is asked as a whole; its changes are numbered: tests/graphql/test_once.py",
    "index": "one that is there is not made twice",
    "relive": "a live value is made again whenever what it reads has changed",
    "repair": "a block that is whole is not made again",
}
"""What changes something and is in no row, and why."""
STEPS = {kind for step in get_args(ChangeStep) for kind in get_args(get_type_hints(step)["change"])}


def test_every_action_of_the_page_has_a_row() -> None:
    kinds = {deed.kind.partition(" ")[0] for deed in DEEDS}
    assert kinds | ELSEWHERE.keys() == PAGE_DEEDS | EACH_TIME
    assert not kinds & ELSEWHERE.keys()
    steps = {deed.kind.partition(" ")[2] for deed in DEEDS} - {""}
    assert steps | {"uncarry"} == STEPS, "what undoes a carry is asked for by its undoing"
    assert len({deed.name for deed in DEEDS}) == len(DEEDS)


@pytest.mark.skipif(not in_turn(0, 2), reason="every other run; all by EMERGE_TEST_SCALE=large")
@pytest.mark.parametrize(
    ("deed", "lose"),
    sample(pairs(DEEDS, LOSSES), 6),
    ids=lambda each: each.name if isinstance(each, Deed) else each.__name__,
)
def test_what_is_cut_off_in_the_middle_is_told_and_goes_on(
    site: Site, tab: Tab, deed: Deed, lose: Callable[[Site, Tab], None]
) -> None:
    if tab.engine != "chromium" and lose in IN_WORKER:
        pytest.skip("of the drivers, only Chromium's reaches into a worker, where this is lost")
    tab.spoilt = True  # whatever is open then
    cut_off(site, tab, deed, lose, lambda: mend(site, tab))


@pytest.mark.only_chromium(reason="it takes a Python of its own")
@pytest.mark.skipif(not in_turn(2, 4), reason="takes turns with others; all by EMERGE_TEST_SCALE=large")
@pytest.mark.parametrize("chosen", sample(["save", "sell", "rename", "run on all", "notebook"], 5))
def test_a_line_that_loses_all_and_does_not_end_is_noticed(
    site: Site, tab: Tab, open_tab: Callable[[str], Tab], tmp_path: Path, chosen: str
) -> None:
    """The connection is half open: nothing comes, and nobody says that it has ended."""
    line = CountedLine()
    place = ("--port", "0", "--dir", str(tmp_path))
    relay = start_server("-h", site.node.host, "relay", "start", *place, "--origin", line.origin)

    def swallow(site: Site, tab: Tab) -> None:
        line.passes.clear()
        site.node.process.send_signal(signal.SIGCONT)

    own = open_tab(line.lead_to(relay.found["page"]))
    try:
        own.ready(patience=3 * SLOW)
        own.open(WIDGET)
        expect(own.page.locator(PRICE)).to_be_visible(timeout=SLOW)  # its parts come at a first visit
        cut_off(site, own, next(deed for deed in DEEDS if deed.name == chosen), swallow, line.passes.set)
    finally:
        own.page.close()  # it may still load what comes late
        line.close()
        relay.stop()


def cut_off(site: Site, tab: Tab, deed: Deed, lose: Callable[[Site, Tab], None], back: Callable[[], None]) -> None:
    """Do something, lose it in the middle, and have all back."""
    try:
        with connect(site.node.host) as fs:
            stalls = [
                Stall(name="stall", path="/shop"),
                Stall(name="old", path="/shelf"),
                Stall(name="gone", path="/shelf"),
            ]
            fs.storeall([*stalls, Known(name="known", path="/found")])
            fs.update("/shelf/old", sold=1)
            fs.rm("/shelf/gone")
        deed.begin(tab)
        site.node.process.send_signal(signal.SIGSTOP)  # the request is on its way, and not answered
        deed.go(tab)
        tab.page.wait_for_timeout(300)  # whether it has arrived or not: what follows holds either way
        lose(site, tab)
        untouched = lose is lose_cells and not deed.cell
        if not untouched:
            expect(deed.told(tab)).to_be_visible(timeout=2 * SLOW)  # silence is noticed after 15 to 20 s
            said = deed.told(tab).inner_text()
            assert re.search(r"cluster|relay|node|n1|Python|kernel", said), said
            deed.typed(tab)
            if deed.itself:
                tab.page.wait_for_timeout(TIMED)
        back()
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
                if deed.cell or deed.undone or (not deed.itself and not deed.done(fs)):
                    (deed.again or deed.go)(tab)
            wait_until(f"{deed.name} is done", lambda: deed.done(fs))
            if deed.undone is not None:
                expect(deed.told(tab)).to_have_count(0, timeout=SLOW)
                tab.find("undo").click()
                undone = deed.undone
                wait_until(f"{deed.name} is undone", lambda: undone(fs))
        if deed.cell:
            expect(tab.find(deed.cell).first).to_have_attribute("data-state", "done", timeout=SLOW)
    finally:
        mend(site, tab)  # others use it
