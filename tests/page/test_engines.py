"""The page's main story in each engine: sign in, the first example, what it stored, an edit, versions, a search,
GraphQL, a reload."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from emerge_wasm import connect
from tests.conftest import start_server
from tests.scale import SCALE, in_turn

from .engines import ENGINES, NEEDED, Engine, wait

TEXT = "document.querySelector('[data-testid={}]')?.innerText"
STATE = "document.querySelector('[data-testid={}]')?.dataset.state"


def chosen() -> list[tuple[str, str]]:
    """WebKit, and one of the others in each run, with what is added to the address.

    WebKit has neither shared memory nor JSPI here, and compiles a second Python when it is done with the first: on a
    busy machine that takes minutes. So it shows one, and both by command.
    """
    others = [name for name in ENGINES if name != "webkit"]
    turn = [(name, "") for at, name in enumerate(others) if in_turn(at, len(others))]
    return [*turn, ("webkit", "?kernels=1"), *([("webkit", "?kernels=2")] if SCALE > 1 else [])]


def visit(engine: Engine, route: str, expression: str, wanted: object) -> None:
    """Open what is at or below /inventory, until an expression is as wanted, or holds that text."""
    place = f"inventory/{route}" if not route.startswith("?") else f"inventory{route}"
    engine.evaluate(f"void (location.hash = '#/cluster/{place}')")
    wait(engine, expression, lambda found: found == wanted or (isinstance(found, str) and str(wanted) in found))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "query"), chosen())
def test_a_first_visit(name: str, query: str, tmp_path: Path, chromium: Browser) -> None:
    if absent := [program for program in NEEDED[name] if not shutil.which(program)]:
        pytest.skip(f"{name} takes {', '.join(absent)}")
    place = ("--no-open", "--port", "0", "--node-port", "0", "--dir", str(tmp_path / "data"))
    up = start_server("up", *place)
    try:
        with ENGINES[name](tmp_path, chromium) as engine:
            engine.goto(up.found["page"])
            if query:
                engine.goto(f"{up.found['url']}/{query}")
            said: list[str] = []

            def connected(text: object) -> bool:
                said.append(str(text))
                return "Connected" in said[-1]

            wait(engine, TEXT.format("status-connection"), connected)
            assert not [text for text in said if "offline" in text.lower()], "a false alarm"
            engine.click("[data-testid=example-inventory]")
            wait(engine, TEXT.format("prompt"), lambda text: "class" in str(text))
            engine.click("[data-testid=run-cell]")
            wait(engine, STATE.format("cell"), lambda state: state in ("done", "failed"))
            assert str(engine.evaluate(TEXT.format("cell"))).count("30.0") == 2
            with connect(up.host) as fs:
                assert fs.cat("/inventory/widget1.quantity_on_hand") == 10

            engine.evaluate("void (location.hash = '#/cluster/inventory/widget1')")
            field = '[data-field="quantity_on_hand"] input'
            wait(engine, f"document.querySelector('{field}')?.value", lambda value: value == "10")
            focused = f"document.activeElement?.matches('{field}')"
            until = time.monotonic() + 30
            while not engine.evaluate(focused) and time.monotonic() < until:  # what loads late shifts it
                engine.click(field)
                time.sleep(0.2)
            engine.type("7")
            if name == "firefox" and "7" not in str(engine.evaluate(f"document.querySelector('{field}')?.value")):
                pytest.xfail("a key for a field of the new forms did not arrive in Firefox: not understood yet")
            engine.click("[data-testid=save]")
            wait(engine, TEXT.format("status-save"), lambda text: "Saved on the cluster" in str(text))
            with connect(up.host) as fs:
                assert "7" in str(fs.cat("/inventory/widget1.quantity_on_hand"))

            visit(engine, "widget1?tab=versions", "document.querySelectorAll('[data-testid=version]').length", 2)
            visit(engine, "?tab=graphql", TEXT.format("schema-node"), "query")
            engine.click("[data-testid=graphql-run]")
            wait(engine, TEXT.format("graphql-answer"), lambda text: "widget1" in str(text))
            visit(engine, "?tab=search", "document.querySelector('[data-testid=search-text]') && 1", 1)
            engine.click("[data-testid=search-text]")
            engine.type("o.unit_price < 5")
            engine.click("[data-testid=search-start]")
            wait(engine, TEXT.format("search-row"), lambda text: "widget1" in str(text))

            engine.goto(f"{up.found['url']}/{query}#/cluster/inventory/widget1")
            wait(engine, f"document.querySelector('{field}')?.value", lambda value: "7" in str(value))
    finally:
        assert up.stop() == 0
