"""Packages in cells: from a folder and an index by the relay, kept for later, pinned by a notebook.

numpy's builds for browsers are on no index that a test reaches: a made-up wheel has its name here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from emerge_wasm import connect
from emerge_wasm.notebook import Notebook, make_cell
from tests.conftest import Server, start_server
from tests.wheels import PURE, Upstream, make_wheel, serve_index, sha256

from .conftest import SLOW, VIEWPORT, Site, Tab

NUMPY = "version = {!r}\n\ndef arange(count):\n    return list(range(count))\n"

PLOTLY = "application/vnd.plotly.v1+json"
# In the likeness of plotly 7.1: what a figure and its `show` are made of, and the script that its package has.
DRAWER = {
    "plotly/__init__.py": "",
    "plotly/basedatatypes.py": """
class BaseFigure:
    def __init__(self, data):
        self.data = data

    def to_json(self):
        import json
        return json.dumps({"data": self.data})

    def show(self):
        import plotly.io
        plotly.io.show({"data": self.data})

    def _repr_html_(self):
        return "<script src='https://cdn.plot.ly/plotly.js'></script>"
""",
    "plotly/io/__init__.py": "from ._renderers import show\n",
    "plotly/io/base_renderers.py": "class ExternalRenderer: pass\n",
    "plotly/io/json.py": "def to_json_plotly(figure):\n    import json\n    return json.dumps(figure)\n",
    "plotly/io/_renderers.py": """
class Renderers(dict):
    default = "browser"

renderers = Renderers()

def show(figure):
    renderers[renderers.default].render(figure)
""",
    "plotly/package_data/plotly.min.js": """
window.Plotly = { newPlot: async (place, data) => { place.textContent = `drawn ${data}`; } }; // </script>
""",
}
HEAR = """
from pyodide.ffi import create_proxy
import js
told = []
js.addEventListener("packagebytes", create_proxy(lambda event: told.append(event.detail.to_py())))
"""
STORED = {"output_type": "display_data", "data": {PLOTLY: {"data": [7, 8]}}, "metadata": {}}


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
    noise = random.Random(1).randbytes(1_500_000).hex()
    make_wheel(wheels, "large", modules={"large.py": f"version = '1.0'\nnoise = '{noise}'\n"})
    make_wheel(wheels, "plotly", modules=DRAWER)
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


def test_packages_are_loaded_kept_and_pinned(shop: Shop, site: Site, browser: Browser) -> None:
    with browser.new_context(viewport=VIEWPORT, reduced_motion="reduce") as context:
        tab = Tab(context.new_page())
        tab.page.goto(shop.relay.found["page"])
        tab.ready(patience=3 * SLOW)
        _load(tab)
        _draw(tab)
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
        tab.open("#/local/notebooks/drawn")
        expect(_frame(tab, "notebook")).to_have_text("drawn 7,8", timeout=SLOW)
        tab.check()


def _load(tab: Tab) -> None:
    """Imports load by themselves, `%pip` and micropip install, and what cannot be had is explained."""
    cell = tab.run("import numpy\nnumpy.arange(3)")
    expect(cell).to_contain_text("helper 1.0, numpy 2.4.3 loaded")
    expect(cell).to_contain_text("[0, 1, 2]")
    cell = tab.run(HEAR)
    cell = tab.run("%pip install large\nimport large\ntold[-1], len(told) > 1, large.version")
    expect(cell).to_contain_text(re.compile(r"\(\['large-1.0-py3-none-any.whl', (\d+), \1\], True, '1.0'\)"))
    expect(cell).not_to_contain_text(" MB")  # told while it comes
    if tab.engine == "webkit":  # inside a function nothing can be awaited there
        cell = tab.run("import deep\ndeep.version")
    else:
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


def _draw(tab: Tab) -> None:
    """Figures of plotly are drawn by its package's script, those of a notebook too, once this browser has it."""
    notebook = f"Notebook(name='drawn', path='/notebooks', cells=[{{**make_cell('a', 'f'), 'outputs': [{STORED}]}}])"
    tab.run(f"from emerge_wasm.notebook import Notebook, make_cell\nlocal.store({notebook})")
    tab.open("#/local/notebooks/drawn")
    expect(tab.find("chart-note")).to_contain_text("run the cell again", timeout=SLOW)
    cell = tab.run("from plotly.basedatatypes import BaseFigure\nBaseFigure([1, '</script>'])")
    expect(cell.frame_locator("iframe").locator("#chart")).to_have_text("drawn 1,</script>", timeout=SLOW)
    cell = tab.run("BaseFigure([2]).show()\nprint('after')")
    expect(cell.frame_locator("iframe").locator("#chart")).to_have_text("drawn 2", timeout=SLOW)
    expect(_frame(tab, "notebook")).to_have_text("drawn 7,8", timeout=SLOW)


def _frame(tab: Tab, testid: str) -> Locator:
    return tab.find(testid).frame_locator("iframe").locator("#chart")


def _pin(tab: Tab, shop: Shop, site: Site) -> None:
    """A notebook keeps what it has used, and has just that again, or says that it is not there."""
    kept = shop.wheels / f"numpy-2.4.3-{PURE}.whl"
    pin = f"numpy==2.4.3 --hash=sha256:{sha256(kept.read_bytes())}"
    with connect(site.node.host) as fs:
        cells = [make_cell("a", "import numpy\nnumpy.version")]
        fs.store(Notebook(name="sums", path="/notebooks", cells=cells))
        tab.open("#/cluster/notebooks/sums")
        _run_all(tab, "done", "'2.4.3'")
        packages = tab.find("notebook-packages")
        expect(packages).to_contain_text("2 packages", timeout=SLOW)
        packages.locator("summary").click()
        for width in (800, 1000) if tab.engine == "webkit" else (390, 800, 1000):  # which is NOT_NARROW
            tab.page.set_viewport_size({"width": width, "height": 800})
            box, pane = packages.locator(".list").bounding_box(), tab.find("panel-notebook").bounding_box()
            assert box is not None and pane is not None
            assert pane["x"] <= box["x"] and box["x"] + box["width"] <= pane["x"] + pane["width"]
        tab.page.keyboard.press("Escape")
        expect(packages.locator(".list")).to_be_hidden()
        tab.page.set_viewport_size(VIEWPORT)
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
