"""A class typed in a cell ships, however its statements were compiled: in consoles, IPython, doctest, everywhere."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import ModuleType

import pytest

from emerge_wasm.browser.console.cell import Console
from emerge_wasm.bundles import capture
from emerge_wasm.errors import CannotShip

from .cell_ways import HEAD
from .test_bundle_place import interpreter, run

SCRIPT = str(Path(__file__).with_name("cell_ways.py"))
BY_AWAIT = {
    "a default": "def g(x=(await get(7))): return x",
    "a decorator": "@(await get(lambda f: f))\ndef g(): return 7",
}


def test_every_way_of_compiling() -> None:
    assert run(SCRIPT) == "done"


def test_ipython() -> None:
    assert run(SCRIPT, "ipython").splitlines()[-1:] == ["done"]


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_every_way_on_other_pythons(version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no python{version} here")
    assert run(SCRIPT, "few", python=python) == "done"


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Console:
    module = ModuleType("cells")
    monkeypatch.setitem(sys.modules, "cells", module)  # patched: as a console's module is there
    return Console(vars(module))


@pytest.mark.parametrize("text", BY_AWAIT.values(), ids=list(BY_AWAIT))
def test_what_is_made_by_an_await_is_refused_by_name(cells: Console, text: str) -> None:
    tail = "\n@dataclass\nclass A(EmergeFile):\n    def f(self): return g()"
    asyncio.run(cells.run(10_000, HEAD + "async def get(x): return x\n" + text + tail))
    with pytest.raises(CannotShip, match=r"\bg\b"):
        capture(cells.namespace["A"])  # type: ignore[arg-type]  # it is the class
