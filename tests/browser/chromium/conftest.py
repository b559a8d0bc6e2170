"""A real headless Chromium for all tests of this folder, and what it is served.

`selenium` (pytest-pyodide's name for it) is one page with Python in it, started from the build's snapshot: emerge_wasm
and msgpack are there, `emerge_indexeddb` is registered, and the contract scenarios can be imported.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from playwright.sync_api import Page as BrowserPage
from pytest_pyodide.runner import PlaywrightChromeRunner

from buildtools.browser import FLAGS
from tests.conftest import ROOT
from tests.pyodide import changed

DIST = ROOT / "dist"
START = """
const base = new URL("/FOLDER/", location.href).href;
const { boot } = await import("/pyodide/emerge_boot.mjs");
const { py: pyodide, fill } = await boot(base, {});
await fill();
pyodide.registerJsModule("emerge_indexeddb", await import("/pyodide/emerge_indexeddb.mjs"));
pyodide.runPython("import emerge_wasm.browser.native as native; assert native.use_native_msgpack(); del native");
"""


def pyodide_folder() -> str:
    return next(DIST.glob("pyodide-*")).name


class Handler(SimpleHTTPRequestHandler):
    """dist/ as the relay serves it; `/broken/…` and `/bare/…` are Pyodide with a bad snapshot and with none."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/driver":
            self.answer(b"<!doctype html><title>driver</title>", "text/html")
        elif self.path.endswith("?without-jspi"):
            worker = Path(self.translate_path(self.path)).read_bytes()
            self.answer(b"delete WebAssembly.Suspending; delete WebAssembly.promising;\n" + worker, "text/javascript")
        elif self.path == "/broken/snapshot.bin":
            self.answer(b"\0" * 65536, "application/octet-stream")
        else:
            super().do_GET()

    def answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def translate_path(self, path: str) -> str:
        if path == "/bare/snapshot.bin":
            return str(DIST / "absent")
        for folder in ("/broken/", "/bare/"):
            path = path.replace(folder, f"/{pyodide_folder()}/")
        return super().translate_path(path)

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="package")
def address() -> Iterator[str]:
    """Where dist/ is served, on loopback only."""
    modules = [DIST / "pyodide" / f"emerge_{name}.mjs" for name in ("indexeddb", "boot")]
    folder = next(DIST.glob("pyodide-*"), None)
    if folder is None or not all(path.exists() for path in [*modules, DIST / "assets"]):
        pytest.fail("dist/ is not complete: run python3 build.py build", pytrace=False)
    if source := changed(folder):
        pytest.fail(f"dist/ was made before {source} changed: run python3 build.py build", pytrace=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(DIST)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="package")
def binary() -> str | None:
    """The path of Chromium, None for Playwright's own."""
    return os.environ.get("EMERGE_CHROMIUM") or shutil.which("chromium")


@pytest.fixture(scope="package")  # no longer: while Playwright is on, no other event loop can run in this thread
def chromium(binary: str | None) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def context(chromium: Browser) -> BrowserContext:
    return chromium.new_context()


class Page(PlaywrightChromeRunner):
    """A page of that Chromium, with Python as the page has it."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context = context
        host, port = address.removeprefix("http://").split(":")
        super().__init__({}, int(port), host)

    def get_driver(self, jspi: bool = False) -> BrowserPage:
        return self.context.new_page()

    def prepare_driver(self) -> None:
        self.goto(f"{self.base_url}/driver")

    def load_pyodide(self) -> None:
        self.run_js(START.replace("FOLDER", pyodide_folder()) + self.POST_LOAD_PYODIDE_SCRIPT)

    def prepare(self) -> None:
        """Make tests.contracts importable."""
        self.run_js("pyodide.FS.mkdirTree('/suite/tests/contracts');")
        for file in (ROOT / "tests" / "contracts").glob("*.py"):
            text = json.dumps(file.read_text(encoding="utf-8"))
            self.run_js(f"pyodide.FS.writeFile('/suite/tests/contracts/{file.name}', {text});")
        self.run("import sys; sys.path.insert(0, '/suite')")


@pytest.fixture(scope="package")
def selenium_module_scope(context: BrowserContext, address: str) -> Iterator[Page]:
    """One page for all: starting Python takes longer than most tests."""
    page = Page(context, address)
    page.prepare()
    yield page
    page.quit()
