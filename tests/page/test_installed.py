"""Emerge as others install it: from its wheels, into an environment of its own, away from this checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from buildtools import wheel
from tests.classes.conftest import find_python
from tests.conftest import Server
from tests.scale import SCALE, in_turn

from .conftest import SLOW, Tab

PYTHONS = ("3.11", "3.12", "3.13")
EXTRA = "page" if SCALE == 1 else "all"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What `build.py wheel` makes, by its name."""
    made = wheel.make(tmp_path_factory.mktemp("wheels"))
    return {path.name.split("-")[0]: path for path in made if path.suffix == ".whl"}


def test_the_page_comes_with_the_licences_of_all_that_is_in_it(wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels["emerge_wasm_page"]) as archive:
        names = archive.namelist()
        text = archive.read(next(name for name in names if name.endswith("THIRD-PARTY.txt"))).decode()
    listed = text.partition("====")[0]
    for name in ("svelte ", "codemirror ", "pyodide ", "CPython ", "micropip ", "tzdata ", "graphql-core "):
        assert f"\n{name}" in listed
    assert "Mozilla Public License" in text and "Permission is hereby granted" in text
    files = [name for name in names if "/files/" in name]
    assert any(name.endswith("/files/index.html") for name in files)
    assert not [name for name in files if name.endswith((".bin", ".wasm", ".map"))]  # compressed, each of them
    assert not [name for name in zipfile.ZipFile(wheels["emerge_wasm"]).namelist() if name.startswith("tests/")]


@pytest.fixture(params=[python for at, python in enumerate(PYTHONS) if in_turn(at, len(PYTHONS))])
def installed(request: pytest.FixtureRequest, tmp_path: Path, wheels: dict[str, Path]) -> Iterator[Server]:
    """`emerge up` of a fresh environment."""
    python = find_python(request.param)
    if python is None:
        pytest.skip(f"there is no Python {request.param} here")
    environment = tmp_path / "environment"
    subprocess.run([python, "-m", "venv", "--without-pip", environment], check=True)
    bin = environment / "bin"
    pip = [sys.executable, "-m", "pip", "--python", bin / "python", "install", "--quiet", "--no-input"]
    links = ["--find-links", wheels["emerge_wasm_page"].parent]
    subprocess.run([*pip, *links, f"emerge-wasm[{EXTRA}] @ {wheels['emerge_wasm'].as_uri()}"], check=True)
    place = ["--no-open", "--port", "0", "--node-port", "0", "--dir", tmp_path / "data"]
    setting = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EMERGE_"))}
    process = subprocess.Popen(
        [bin / "emerge", "--json", "up", *place], cwd=tmp_path, env=setting, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    server = Server(process, json.loads(process.stdout.readline()))
    try:
        yield server
    finally:
        assert server.stop() == 0


@pytest.mark.skipif(not in_turn(0, 2), reason="takes turns with what a visit transfers; all by EMERGE_TEST_SCALE=large")
def test_up_shows_the_page(installed: Server, browser: Browser) -> None:
    with browser.new_context() as context:
        tab = Tab(context.new_page())
        tab.page.goto(installed.found["page"])
        tab.ready(patience=3 * SLOW)
        cell = tab.run("len(local.list('/')), len(cluster.list('/'))")
        expect(cell).to_contain_text("(0, 0)")
        tab.check()
