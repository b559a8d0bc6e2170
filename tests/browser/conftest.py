"""A real headless Chromium with Pyodide in it, for tests of what runs in a page.

`selenium` (pytest-pyodide's) is one page for all tests here: the emerge_wasm and
msgpack of `dist/pyodide` are loaded, `emerge_indexeddb` is registered, and the contract scenarios can be imported.
`python3 build.py build` makes that folder; `--dist-dir` names another one.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pytest_pyodide.runner import SeleniumChromeRunner
from pytest_pyodide.server import DefaultHandler
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from buildtools.browser import FLAGS
from tests.pyodide import LOCK, changed

ROOT = Path(__file__).parents[2]
CONTRACTS = ("store.py", "store_model.py")


class Handler(DefaultHandler):
    def log_message(self, *_: Any) -> None:
        pass


class Page(SeleniumChromeRunner):
    """A page of this machine's Chromium."""

    script_timeout = 120  # seconds: a busy machine boots Python slowly

    def get_driver(self, jspi: bool = False) -> Chrome:
        os.environ.setdefault("SE_AVOID_STATS", "true")
        options = Options()
        for flag in (*FLAGS, "--headless=new", "--js-flags=--expose-gc"):
            options.add_argument(flag)
        binary = os.environ.get("EMERGE_CHROMIUM") or shutil.which("chromium")
        if binary:
            options.binary_location = binary
        return Chrome(options, Service(os.environ.get("EMERGE_CHROMEDRIVER") or shutil.which("chromedriver")))

    def prepare(self) -> None:
        """Load our packages, register the JavaScript half of the store, and make tests.contracts importable."""
        self.load_package(["emerge-wasm", "msgpack"])
        self.run_js("pyodide.registerJsModule('emerge_indexeddb', await import('/emerge_indexeddb.mjs'));")
        self.run_js("pyodide.FS.mkdirTree('/suite/tests/contracts');")
        for name in CONTRACTS:
            text = json.dumps((ROOT / "tests" / "contracts" / name).read_text())
            self.run_js(f"pyodide.FS.writeFile('/suite/tests/contracts/{name}', {text});")
        self.run("import sys; sys.path.insert(0, '/suite')")


@pytest.fixture(scope="session")
def runtime() -> str:
    """Chromium, whatever pytest-pyodide's --rt says."""
    return "chrome"


@pytest.fixture(scope="session")
def dist_dir(request: pytest.FixtureRequest) -> Path:
    """The Pyodide files with our wheel among them."""
    given = Path(request.config.getoption("--dist-dir"))
    folder = given if (given / LOCK).exists() else ROOT / "dist" / "pyodide"
    if not (folder / LOCK).exists() or not (folder / "emerge_indexeddb.mjs").exists():
        pytest.fail(f"{folder} is not complete: run python3 build.py build", pytrace=False)
    if source := changed(folder):
        pytest.fail(f"{folder} was made before {source} changed: run python3 build.py build", pytrace=False)
    return folder


@pytest.fixture(scope="session")
def web_server_main(dist_dir: Path) -> Iterator[tuple[str, int, None]]:
    """(host, port, no log) of a server of these files, on loopback only."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(dist_dir)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield "127.0.0.1", server.server_address[1], None
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def selenium_module_scope(web_server_main: tuple[str, int, None], dist_dir: Path, runtime: str) -> Iterator[Page]:
    """One page for the session: starting Pyodide takes longer than most tests."""
    host, port, _ = web_server_main
    page = Page(server_port=port, server_hostname=host, dist_dir=dist_dir)
    try:
        page.prepare()
        yield page
    finally:
        page.quit()
