"""The built page in a real headless Chromium, against a live node and a live relay, each a process of its own. Some of
the tests, others in each run, are tried in Firefox and WebKitGTK as well; by EMERGE_TEST_SCALE=large, all of them.

Python starts in every tab, which takes longer than most tests: they share a site, a profile that is signed in, and one
tab of it, swept before each. What is about a reload, a second tab or a stranger opens its own.
"""

from __future__ import annotations

import ast
import importlib.util
import itertools
import os
import re
import shutil
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, ViewportSize, expect, sync_playwright

from buildtools.browser import FLAGS
from emerge_wasm import EmergeFile, connect
from tests.conftest import ROOT, Server, start_server
from tests.scale import SCALE, in_turn

from . import webkit

SLOW = 30_000  # milliseconds: a busy machine boots Python slowly
VIEWPORT: ViewportSize = {"width": 1440, "height": 900}
EXAMPLE = (ROOT / "examples" / "inventory.py").read_text()
SAID = re.compile("Firefox can.t establish|The page.s settings blocked|undefined$")
"""What Firefox counts as errors of the page: what was refused, and the end of a worker."""
SWEEP = "for pointer in await alocal.list('/'): await alocal.rm(pointer.full_path, recursive=True)"


@dataclass
class Site:
    """A node and a relay in a folder; each can be stopped, and started again on its port."""

    folder: Path
    node: Server
    relay: Server

    @classmethod
    def start(cls, folder: Path) -> Site:
        node = cls.start_node(folder, "0")
        return cls(folder, node, cls.start_relay(folder, node, "0"))

    @staticmethod
    def start_node(folder: Path, port: str) -> Server:
        return start_server("node", "start", "--port", port, "--name", "n1", "--store", f"sqlite:///{folder}/n1.db")

    @staticmethod
    def start_relay(folder: Path, node: Server, port: str) -> Server:
        return start_server("-h", node.host, "relay", "start", "--port", port, "--dir", str(folder))

    def restart(self) -> None:
        """Start again what was stopped."""
        if self.node.process.poll() is not None:
            self.node = self.start_node(self.folder, self.node.host.rpartition(":")[2])
        if self.relay.process.poll() is not None:
            self.relay = self.start_relay(self.folder, self.node, self.relay.found["url"].rpartition(":")[2])

    def clear(self) -> None:
        with connect(self.node.host) as fs:
            for pointer in fs.list("/"):
                fs.rm(pointer.full_path, recursive=True)

    def renew(self) -> None:
        """Give the node another store: a cluster that was founded in it is for ever."""
        self.node.stop()
        for path in self.folder.glob("n1.db*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.restart()

    def stop(self) -> None:
        self.relay.stop()
        self.node.stop()


FIREFOX = "firefox-esr"
STEADY = (
    "assist", "closed", "exchange", "failing", "files", "installed", "kept", "kernels", "layout", "live", "notebook",
    "object", "output", "packages", "page", "screens", "search", "sign_in", "table",
)  # fmt: skip
"""Of these modules. Of the others, one counts what Chromium asks for."""
SHARE = 12  # one in so many of the tests is tried in Firefox, too
IN_WEBKIT = (
    "assist", "closed", "exchange", "failing", "files", "installed", "kept", "kernels", "layout", "live", "notebook",
    "object", "output", "packages", "page", "screens", "search", "sign_in", "table", "transfer",
)  # fmt: skip
"""Of these modules, which by `not_webkit` say what cannot be tried. It starts Python for longer than all others."""
WEBKIT_SHARE = 100
NO_STOP = "WebKitGTK has no shared memory, by which a cell is stopped"
NO_WAITING = "WebKitGTK cannot wait for a result inside Python (JSPI), as this does"
NOT_NARROW = "WebKitGTK's window is no narrower than 500 pixels"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "only_chromium(reason): what it is about, or looks with, no other browser or driver has"
    )
    config.addinivalue_line(
        "markers", "not_webkit(reason): what WebKitGTK, or its driver, cannot do; small=True: by command only"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Chromium, and in turn Firefox and WebKitGTK; or the one that EMERGE_TEST_ENGINE names."""
    if "browser" not in metafunc.fixturenames:
        return
    number = zlib.crc32(metafunc.function.__qualname__.encode())
    either = metafunc.definition.get_closest_marker("only_chromium") is None
    unable = metafunc.definition.get_closest_marker("not_webkit")
    if unable is not None and SCALE > 1 and unable.kwargs.get("small"):
        unable = None
    module = metafunc.module.__name__.rpartition("_")[2]
    engines = ["chromium"]
    if either and (SCALE > 1 or module in STEADY) and in_turn(number % SHARE, SHARE):
        engines.append("firefox")
    if either and module in IN_WEBKIT and unable is None and in_turn(number % WEBKIT_SHARE, WEBKIT_SHARE):
        engines.append("webkit")
    if asked := os.environ.get("EMERGE_TEST_ENGINE"):
        engines = [asked] if either or asked == "chromium" else []
    lacks = {"firefox": [FIREFOX], "webkit": webkit.NEEDED}
    marks = {
        name: [pytest.mark.skipif(not all(map(shutil.which, needed)), reason=f"takes {', '.join(needed)}")]
        for name, needed in lacks.items()
    }
    marks["webkit"].append(pytest.mark.timeout(600))
    if unable is not None:
        marks["webkit"].append(pytest.mark.skip(reason=unable.kwargs["reason"]))
    params = [pytest.param(name, marks=marks.get(name, ())) for name in engines]
    metafunc.parametrize("browser", params, indirect=True, scope="package")


@pytest.fixture(scope="package")  # no longer: while Playwright is on, no other event loop can run in this thread
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(
    request: pytest.FixtureRequest, playwright: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    if request.param == "chromium":
        program = os.environ.get("EMERGE_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
    else:
        folder = tmp_path_factory.mktemp(request.param)
        module = {"firefox": f"bidi {FIREFOX}", "webkit": "webkit"}[request.param]
        (folder / "program").write_text(
            f'#!/bin/sh\ncd "{ROOT}"\nexec "{sys.executable}" -m tests.page.{module} "$@"\n'
        )
        (folder / "program").chmod(0o700)
        browser = playwright.firefox.launch(
            channel="moz-firefox",
            executable_path=folder / "program",
            env={**os.environ, "HOME": str(folder)},
            firefox_user_prefs={
                "ui.prefersReducedMotion": 1,
                "focusmanager.testmode": True,
                "browser.download.alwaysOpenPanel": False,  # it takes the focus
            },
        )
    expect.set_options(timeout=SLOW if request.param == "webkit" else 5_000)  # milliseconds
    yield browser
    expect.set_options(timeout=5_000)
    browser.close()


@pytest.fixture(scope="package")
def shared_site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for each browser, which signs in by its link."""
    assert (ROOT / "dist" / "index.html").exists(), "the page is not built: run python3 build.py build"
    site = Site.start(tmp_path_factory.mktemp("site"))
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    """The site, empty. A test may stop a part of it."""
    shared_site.clear()
    yield shared_site
    shared_site.restart()


class Waits(ast.NodeVisitor):
    """Finds what a cell itself asks of a filesystem or the user, outside of functions."""

    def __init__(self) -> None:
        self.found: list[tuple[int, int, bytes]] = []
        """Line, byte, and what belongs there so that the call is awaited."""

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        match node.func:
            case ast.Attribute(value=ast.Name(id="fs" | "local" | "cluster")) | ast.Name(id="input"):
                assert node.end_lineno is not None and node.end_col_offset is not None
                self.found += [
                    (node.lineno, node.col_offset, b"(await a"),
                    (node.end_lineno, node.end_col_offset, b")"),
                ]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        pass

    def visit_Lambda(self, node: ast.Lambda) -> None:
        pass


def awaited(code: str) -> str:
    """The cell as a user writes it where Python cannot wait for a result."""
    waits = Waits()
    try:
        waits.visit(ast.parse(re.sub("^[%!]", "#", code, flags=re.MULTILINE)))  # a line of its own kind, such as %live
    except SyntaxError:  # newer than this Python: no more than its last line
        head, between, last = code.rpartition("\n")
        return head + between + awaited(last) if head else code
    lines = code.encode().split(b"\n")
    for line, at, text in sorted(waits.found, reverse=True):
        lines[line - 1] = lines[line - 1][:at] + text + lines[line - 1][at:]
    return b"\n".join(lines).decode()


@dataclass
class Tab:
    """One tab of the page, and what a user does in it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    where: str = "cluster"  # which of the two filesystems a test is about
    spoilt: bool = False  # a test failed in it

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def find(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    @property
    def engine(self) -> str:
        browser = self.page.context.browser
        assert browser is not None
        return "webkit" if browser.version == "WebKitGTK" else browser.browser_type.name

    def ready(self, connection: str = "connected", patience: int = SLOW) -> None:
        """Wait for Python and the cluster; a profile's first visit compiles two Pythons, and takes longer."""
        patience = max(patience, 5 * SLOW) if self.engine == "webkit" else patience  # it compiles them for longer
        expect(self.find("status-kernel")).to_have_attribute("data-state", re.compile("ready|idle"), timeout=patience)
        expect(self.find("status-connection")).to_have_attribute("data-state", connection, timeout=SLOW)

    def sweep(self) -> None:
        """Leave nothing on the page and in this browser's filesystem, but what cells have defined."""
        if self.spoilt:
            self.page.evaluate("sessionStorage.clear()")  # or a dialog is open again
            self.page.reload()
            self.spoilt = False
        self.ready()
        self.page.bring_to_front()
        self.page.set_viewport_size(VIEWPORT)
        self.open("#/cluster/")
        if self.find("transfers-clear").is_visible():  # the list lies over the console
            self.find("transfers-clear").click()
        for note in ("dismiss-made", "dismiss-export"):  # it has a line, which others would lack
            if self.find(note).is_visible():
                self.find(note).click()
        self.run(SWEEP)
        self.find("clear-console").click()
        self.use("cluster")
        self.where = "cluster"

    def check(self) -> None:
        """It had no error and asked no other origin."""
        assert not [error for error in self.errors if not SAID.match(error)]
        asked = {url.split("/")[2].split(":")[0] for url in self.requests if url.startswith(("http", "ws"))}
        assert asked <= {"127.0.0.1"}

    def open(self, route: str) -> None:
        self.page.evaluate("route => { location.hash = route }", route)

    def use(self, where: str) -> None:
        self.find(f"fs-{where}").click()

    def double_click(self, place: Locator) -> None:
        """As a user does; Firefox's driver counts each click anew."""
        if self.engine == "firefox":
            place.click()
            place.dispatch_event("dblclick")
        else:
            place.dblclick()

    def write(self, editor: Locator, text: str) -> None:
        """Write into a CodeMirror in place of what is there: lines that Firefox's driver puts over lines are more."""
        editor.press("Control+a")
        self.page.keyboard.press("Delete")
        self.page.keyboard.insert_text(text)

    def fill_record(self, path: str, name: str, kind: str, value: str) -> None:
        """Ask for a new record, and fill its form with one field."""
        self.open("#/cluster/")
        self.find("create-object").click()
        self.find("new-path").fill(path)
        self.find("own-name").fill(name)
        self.find("own-kind").select_option(kind)
        self.find("own-text").fill(value)

    def run(self, code: str, *, wait: str = "done") -> Locator:
        """Run a console cell; its article, when it has reached that state."""
        code = awaited(code) if self.engine == "webkit" else code
        count = self.find("cell").count()
        prompt = self.page.locator('.cm-content[data-testid="prompt"]')
        prompt.click()
        prompt.fill(code)
        self.page.keyboard.press("Shift+Enter")
        cell = self.find("cell").nth(count)
        expect(cell).to_have_attribute("data-state", wait, timeout=SLOW)
        return cell

    def stop(self) -> None:
        """Stop the newest cell, which computes; where no Python is interrupted, as the page offers then."""
        cell = self.find("cell").last
        self.find("stop").click()
        if self.engine == "webkit":
            expect(cell.get_by_test_id("stubborn")).to_contain_text("none that computes")
            cell.get_by_test_id("stop-restart").click()
            expect(cell).to_have_attribute("data-state", "failed")
            self.ready()
        else:
            expect(cell).to_contain_text("KeyboardInterrupt", timeout=SLOW)


@pytest.fixture(scope="package")
def shared_tab(browser: Browser, shared_site: Site) -> Iterator[Tab]:
    """The tab of all tests, in the profile that used the site's one-time link."""
    # without motion, which a machine with no graphics card would spend half of its time on
    with browser.new_context(viewport=VIEWPORT, reduced_motion="reduce") as context:
        tab = Tab(context.new_page())
        context.set_default_timeout(SLOW if tab.engine == "webkit" else 10_000)
        tab.page.goto(shared_site.relay.found["page"])
        tab.ready()
        yield tab


SHARED = pytest.StashKey[Tab]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and SHARED in item.stash:
        item.stash[SHARED].spoilt = True
    return report


@pytest.fixture
def swept(request: pytest.FixtureRequest, site: Site, shared_tab: Tab) -> Iterator[Tab]:
    """The page, with nothing in either filesystem."""
    request.node.stash[SHARED] = shared_tab
    shared_tab.sweep()
    yield shared_tab
    shared_tab.check()


@pytest.fixture
def open_tab(shared_tab: Tab) -> Iterator[Callable[[str], Tab]]:
    """Open a further tab of the same profile at an address."""
    tabs: list[Tab] = []

    def open(url: str) -> Tab:
        tab = Tab(shared_tab.page.context.new_page())
        tabs.append(tab)
        tab.page.goto(url)
        return tab

    yield open
    for tab in tabs:
        tab.page.close()
        tab.check()


_numbers = itertools.count()


@dataclass
class Fresh:
    """A module with classes that no browser has been asked about yet. `mark` is in their documentation."""

    folder: Path
    text: str
    mark: str = field(default_factory=lambda: f"fresh{next(_numbers)}")

    def __post_init__(self) -> None:
        self.text = re.sub(r'(\(EmergeFile\):\n    """[^"\n]*)', rf"\1\n\n    {self.mark}\n    ", self.text)
        file = self.folder / f"{self.mark}.py"
        file.write_text(self.text)
        spec = importlib.util.spec_from_file_location(self.mark, file)
        assert spec is not None and spec.loader is not None
        sys.modules[self.mark] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)

    def __getitem__(self, name: str) -> type[EmergeFile]:
        found: type[EmergeFile] = getattr(sys.modules[self.mark], name)
        return found


@pytest.fixture
def stock(site: Site, tmp_path: Path) -> Fresh:
    """The classes of the example; /inventory/widget1 is on the cluster."""
    fresh = Fresh(tmp_path, EXAMPLE.partition("fs.store")[0])
    fields = {"unit_price": 3.0, "quantity_on_hand": 10}
    with connect(site.node.host) as fs:
        fs.store(fresh["InventoryItem"](id="widget1", name="widget1", path="/inventory", **fields))
    return fresh


@pytest.fixture
def tab(swept: Tab, stock: Fresh) -> Tab:
    """The page, with /inventory/widget1 on the cluster."""
    return swept
