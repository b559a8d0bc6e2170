"""The page in WebKitGTK: sign in, the first example, what it stored, an edit, a method, versions, GraphQL, a search, a
notebook, a new name, a reload. All other stories are told in Chromium and Firefox.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from emerge_wasm import connect
from tests.conftest import start_server
from tests.scale import SCALE

from .webkit import NEEDED, WebKit, start_webkit

TEXT = "document.querySelector('[data-testid={}]')?.innerText"
STATE = "document.querySelector('[data-testid={}]')?.dataset.state"
COUNT = "document.querySelectorAll('[data-testid={}]').length"
FIELD = '[data-field="quantity_on_hand"] input'
VALUE = f"document.querySelector('{FIELD}')?.value"
absent = [program for program in NEEDED if not shutil.which(program)]


def has(text: str) -> Callable[[object], bool]:
    return lambda found: text in str(found)


def visit(browser: WebKit, route: str, expression: str, wanted: object) -> None:
    """Open what is at or below /inventory, until an expression is as wanted, or holds that text."""
    place = f"inventory/{route}" if not route.startswith("?") else f"inventory{route}"
    browser.evaluate(f"void (location.hash = '#/cluster/{place}')")
    browser.wait(expression, lambda found: found == wanted or (isinstance(found, str) and str(wanted) in found))


@pytest.mark.skipif(bool(absent), reason=f"takes {', '.join(absent)}")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kernels", [1, 2] if SCALE > 1 else [1])
def test_a_visit(kernels: int, tmp_path: Path) -> None:
    """It has neither shared memory nor JSPI here, and compiles a second Python when it is done with the first: on a
    busy machine that takes minutes, so that there is one in each run, and both by command.
    """
    place = ("--no-open", "--port", "0", "--node-port", "0", "--dir", str(tmp_path / "data"))
    up = start_server("up", *place)
    query = f"?kernels={kernels}"
    try:
        with start_webkit(tmp_path) as browser:
            browser.goto(up.found["page"])
            browser.goto(f"{up.found['url']}/{query}")
            said: list[str] = []

            def connected(text: object) -> bool:
                said.append(str(text))
                return "Connected" in said[-1]

            browser.wait(TEXT.format("status-connection"), connected)
            assert not [text for text in said if "offline" in text.lower()], "a false alarm"
            browser.click("[data-testid=example-inventory]")
            browser.wait(TEXT.format("prompt"), has("class"))
            browser.click("[data-testid=run-cell]")
            browser.wait(STATE.format("cell"), lambda state: state in ("done", "failed"))
            assert str(browser.evaluate(TEXT.format("cell"))).count("30.0") == 2
            with connect(up.host) as fs:
                assert fs.cat("/inventory/widget1.quantity_on_hand") == 10
            edit(browser)
            with connect(up.host) as fs:
                assert "7" in str(fs.cat("/inventory/widget1.quantity_on_hand"))
            look(browser)
            write(browser)
            with connect(up.host) as fs:
                assert [cell["source"] for cell in fs.getobject("/notebooks/untitled").cells] == ["6 * 7"]
            browser.goto(f"{up.found['url']}/{query}#/cluster/inventory/widget1")
            browser.wait(VALUE, has("7"))
    finally:
        assert up.stop() == 0


def edit(browser: WebKit) -> None:
    visit(browser, "widget1", VALUE, "10")
    focused = f"document.activeElement?.matches('{FIELD}')"
    until = time.monotonic() + 30
    while not browser.evaluate(focused) and time.monotonic() < until:  # what loads late shifts it
        browser.click(FIELD)
        time.sleep(0.2)
    browser.type("7")
    browser.click("[data-testid=save]")
    browser.wait(TEXT.format("status-save"), has("Saved on the cluster"))


def look(browser: WebKit) -> None:
    visit(browser, "widget1?tab=versions", COUNT.format("version"), 2)
    visit(browser, "widget1?tab=methods", COUNT.format("run-there-total_cost"), 1)
    browser.click("[data-testid=run-there-total_cost]")
    browser.wait(TEXT.format("run-result"), has(".0"))
    visit(browser, "?tab=graphql", TEXT.format("schema-node"), "query")
    browser.click("[data-testid=graphql-run]")
    browser.wait(TEXT.format("graphql-answer"), has("widget1"))
    visit(browser, "?tab=search", COUNT.format("search-text"), 1)
    browser.click("[data-testid=search-text]")
    browser.type("o.unit_price < 5")
    browser.click("[data-testid=search-start]")
    browser.wait(TEXT.format("search-row"), has("widget1"))


def write(browser: WebKit) -> None:
    """A notebook with one cell, which is run."""
    browser.click("[data-testid=clear-console]")  # or the notebook begins with these cells
    browser.wait(COUNT.format("cell"), lambda count: count == 0)
    browser.click("[data-testid=new-notebook]")
    browser.wait(COUNT.format("notebook-cell"), lambda count: count == 1)
    browser.click("[data-testid=notebook-cell] :is([data-testid=cell-source], [data-testid=cell-editor])")
    browser.wait("document.activeElement?.matches('[data-testid=cell-editor]')")
    browser.type("6 * 7")
    browser.click("[data-testid=run-all]")
    browser.wait(TEXT.format("notebook-cell"), has("42"))
    browser.wait(TEXT.format("notebook-state"), has("is saved"))
