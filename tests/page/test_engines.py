"""The page's main story in each engine: sign in, the first example, what it stored, an edit, a reload."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from emerge_wasm import connect
from tests.conftest import start_server
from tests.scale import SCALE, in_turn

from .engines import ENGINES, NEEDED, wait

TEXT = "document.querySelector('[data-testid={}]')?.innerText"
STATE = "document.querySelector('[data-testid={}]')?.dataset.state"


def chosen() -> list[str]:
    """One in each run; WebKit, which compiles two Pythons for minutes on a busy machine, by command."""
    names = [*ENGINES] if SCALE > 1 else [name for name in ENGINES if name != "webkit"]
    return [name for at, name in enumerate(names) if in_turn(at, len(names))]


@pytest.mark.parametrize("name", chosen())
def test_a_first_visit(name: str, tmp_path: Path, chromium: Browser) -> None:
    if absent := [program for program in NEEDED[name] if not shutil.which(program)]:
        pytest.skip(f"{name} takes {', '.join(absent)}")
    place = ("--no-open", "--port", "0", "--node-port", "0", "--dir", str(tmp_path / "data"))
    up = start_server("up", *place)
    try:
        with ENGINES[name](tmp_path, chromium) as engine:
            engine.goto(up.found["page"])
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
            engine.click(field)
            engine.type("7")
            engine.click("[data-testid=save]")
            wait(engine, TEXT.format("status-save"), lambda text: "Saved on the cluster" in str(text))
            with connect(up.host) as fs:
                assert "7" in str(fs.cat("/inventory/widget1.quantity_on_hand"))

            engine.goto(f"{up.found['url']}/#/cluster/inventory/widget1")
            wait(engine, f"document.querySelector('{field}')?.value", lambda value: "7" in str(value))
    finally:
        assert up.stop() == 0
