"""Packages in cells: from a folder and an index by the relay, kept for later, pinned by a notebook.

numpy's builds for browsers are on no index that a test reaches: a made-up wheel has its name here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from emerge_wasm import connect
from emerge_wasm.notebook import Notebook, make_cell
from tests.conftest import Server, start_server
from tests.wheels import PURE, Upstream, make_wheel, serve_index, sha256

from .conftest import SLOW, VIEWPORT, Site, Tab

NUMPY = "version = {!r}\n\ndef arange(count):\n    return list(range(count))\n"


@dataclass
class Shop:
    """A relay that has packages, and what stands behind it."""

    relay: Server
    wheels: Path
    upstream: Upstream


def make_numpy(folder: Path, version: str) -> Path:
    return make_wheel(
        folder, "numpy", version, modules={"numpy/__init__.py": NUMPY.format(version)}, requires=["helper"]
    )


@pytest.fixture
def shop(site: Site, tmp_path: Path) -> Iterator[Shop]:
    wheels, index = tmp_path / "wheels", tmp_path / "index"
    wheels.mkdir()
    index.mkdir()
    make_numpy(wheels, "2.4.3")
    make_wheel(wheels, "helper")
    make_wheel(wheels, "deep")
    for name in ("one", "two", "wrong", "three"):
        make_wheel(index, name)
    (index / "sources-1.0.tar.gz").write_bytes(b"sdist")
    upstream = Upstream(index, hashes={f"wrong-1.0-{PURE}.whl": "0" * 64})
    with serve_index(upstream) as origin:
        options = ["--dir", str(tmp_path / "relay"), "--wheels", str(wheels), "--packages", f"{origin}/simple"]
        relay = start_server("-h", site.node.host, "relay", "start", "--port", "0", *options)
        try:
            yield Shop(relay, wheels, upstream)
        finally:
            relay.stop()


def test_packages_are_loaded_kept_and_pinned(shop: Shop, site: Site, chromium: Browser) -> None:
    with chromium.new_context(viewport=VIEWPORT, reduced_motion="reduce") as context:
        tab = Tab(context.new_page())
        tab.page.goto(shop.relay.found["page"])
        tab.ready(patience=3 * SLOW)
        _load(tab)
        _pin(tab, shop, site)
        # all that was used loads without the relay
        shop.relay.stop()
        shop.upstream.down = True
        tab.page.reload()
        tab.ready("offline", 3 * SLOW)
        cell = tab.run("%pip install one -q\nimport numpy, deep, one\nnumpy.arange(4), one.version")
        expect(cell).to_contain_text("([0, 1, 2, 3], '1.0')")
        cell = tab.run("%pip install two")
        expect(cell).to_contain_text("two-1.0")
        expect(tab.run("%pip install three", wait="failed")).to_contain_text("out of reach")
        tab.check()


def _load(tab: Tab) -> None:
    """Imports load by themselves, `%pip` and micropip install, and what cannot be had is explained."""
    cell = tab.run("import numpy\nnumpy.arange(3)")
    expect(cell).to_contain_text("helper 1.0, numpy 2.4.3 loaded")
    expect(cell).to_contain_text("[0, 1, 2]")
    cell = tab.run("def f(name):\n    return __import__(name).version\n\nf('deep')")
    expect(cell).to_contain_text("'1.0'")
    cell = tab.run("%pip install one two -q\nimport one, two\none.version, two.version")
    expect(cell).to_contain_text("('1.0', '1.0')")
    expect(cell).not_to_contain_text("Collecting")
    cell = tab.run("import pandas", wait="failed")
    expect(cell).to_contain_text("No module named 'pandas'")
    expect(cell).to_contain_text("%pip install NAME asks 127.0.0.1")
    for code, told in (
        ("%pip install sources", "sources only"),
        ("%pip install absent", "none of that name"),
        ("import micropip\nawait micropip.install('absent')", "none of that name"),
        ("%pip install wrong", "is not the file that its index names"),
        ("%pip install numpy==9", "numpy 2.4.3"),
        ("%pip instal numpy", "%pip install NAME"),
    ):
        expect(tab.run(code, wait="failed")).to_contain_text(told)
    cell = tab.run("try:\n    import absent_module\nexcept ImportError:\n    print('went on')")
    expect(cell).to_contain_text("went on")


def _pin(tab: Tab, shop: Shop, site: Site) -> None:
    """A notebook keeps what it has used, and has just that again, or says that it is not there."""
    kept = shop.wheels / f"numpy-2.4.3-{PURE}.whl"
    pin = f"numpy==2.4.3 --hash=sha256:{sha256(kept.read_bytes())}"
    with connect(site.node.host) as fs:
        cells = [make_cell("a", "import numpy\nnumpy.version")]
        fs.store(Notebook(name="sums", path="/notebooks", cells=cells))
        tab.open("#/cluster/notebooks/sums")
        _run_all(tab, "done", "'2.4.3'")
        expect(tab.find("notebook-packages")).to_contain_text("2 packages", timeout=SLOW)
        expect(tab.find("notebook-state")).to_contain_text("is saved", timeout=SLOW)
        stored = fs.getobject("/notebooks/sums")
        assert isinstance(stored, Notebook) and [line.split("==")[0] for line in stored.requirements] == [
            "helper",
            "numpy",
        ]
        assert pin in stored.requirements
    make_numpy(shop.wheels, "3.0")
    tab.find("restart-run-all").click()
    _run_all(tab, "done", "'2.4.3'", begun=True)
    whole = kept.read_bytes()
    kept.unlink()
    tab.find("restart-run-all").click()
    _run_all(tab, "failed", "which this notebook has used", begun=True)
    kept.write_bytes(whole)


def _run_all(tab: Tab, state: str, text: str, *, begun: bool = False) -> None:
    cell = tab.find("notebook-cell").first
    if not begun:
        tab.find("run-all").click(timeout=SLOW)  # at once: it runs the cells when they are there
    expect(cell).to_contain_text(re.compile(re.escape(text)), timeout=3 * SLOW)
    expect(cell).to_have_attribute("data-state", state, timeout=3 * SLOW)
