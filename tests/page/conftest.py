"""The built page in a real headless Chromium, against a live node and a live relay, each a process of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from buildtools.browser import FLAGS
from emerge_wasm import connect
from tests.conftest import ROOT, Server, run_example, start_server

SLOW = 30_000  # milliseconds: a busy machine boots Python slowly


@dataclass
class Site:
    """A node and a relay in a folder; the relay can be stopped and started again on its port."""

    folder: Path
    node: Server
    relay: Server

    @classmethod
    def start(cls, folder: Path) -> Site:
        node = start_server("node", "start", "--port", "0", "--name", "n1", "--store", f"sqlite:///{folder}/n1.db")
        return cls(folder, node, cls.start_relay(folder, node, "0"))

    @staticmethod
    def start_relay(folder: Path, node: Server, port: str) -> Server:
        return start_server("-h", node.host, "relay", "start", "--port", port, "--dir", str(folder))

    def stop_relay(self) -> None:
        assert self.relay.stop() == 0

    def restart_relay(self) -> None:
        self.relay = self.start_relay(self.folder, self.node, self.relay.found["url"].rpartition(":")[2])

    def stop(self) -> None:
        self.relay.stop()
        self.node.stop()


@pytest.fixture(scope="module")  # no longer: while Playwright is on, no other event loop can run in this thread
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("EMERGE_CHROMIUM") or shutil.which("chromium"), args=list(FLAGS)
        )
        yield browser
        browser.close()


@contextmanager
def started(folder: Path) -> Iterator[Site]:
    assert (ROOT / "dist" / "index.html").exists(), "the page is not built: run python3 build.py build"
    site = Site.start(folder)
    try:
        yield site
    finally:
        site.stop()


@contextmanager
def signed_in(browser: Browser, site: Site) -> Iterator[BrowserContext]:
    """A browser's profile that used the site's one-time link."""
    # without motion, which a machine with no graphics card would spend half of its time on
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(10_000)
    context.request.get(site.relay.found["page"])
    yield context
    context.close()


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site of all tests of a module but those marked `fresh`."""
    with started(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="module")
def shared_context(chromium: Browser, shared_site: Site) -> Iterator[BrowserContext]:
    """Their profile: what Chromium has compiled once, it has."""
    with signed_in(chromium, shared_site) as context:
        yield context


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """An empty site; a test that stops a part of it is marked `fresh` and has one of its own."""
    if request.node.get_closest_marker("fresh"):
        with started(tmp_path) as own:
            yield own
        return
    shared: Site = request.getfixturevalue("shared_site")
    with connect(shared.node.host) as fs:
        for pointer in fs.list("/"):
            fs.rm(pointer.full_path, recursive=True)
    yield shared


@dataclass
class Tab:
    """One tab of the page, and what a user does in it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    where: str = "cluster"  # which of the two filesystems a test is about

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def find(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    def ready(self, connection: str = "connected") -> None:
        expect(self.find("status-kernel")).to_have_attribute("data-state", "ready", timeout=SLOW)
        expect(self.find("status-connection")).to_have_attribute("data-state", connection, timeout=SLOW)

    def open(self, route: str) -> None:
        self.page.evaluate("route => { location.hash = route }", route)

    def use(self, where: str) -> None:
        self.find(f"fs-{where}").click()

    def run(self, code: str, *, wait: str = "done") -> Locator:
        """Run a console cell; its article, when it has reached that state."""
        count = self.find("cell").count()
        prompt = self.page.locator('.cm-content[data-testid="prompt"]')
        prompt.click()
        prompt.fill(code)
        self.page.keyboard.press("Shift+Enter")
        cell = self.find("cell").nth(count)
        expect(cell).to_have_attribute("data-state", wait, timeout=SLOW)
        return cell


@pytest.fixture
def context(request: pytest.FixtureRequest, chromium: Browser, site: Site) -> Iterator[BrowserContext]:
    """A profile that is signed in and holds nothing."""
    if request.node.get_closest_marker("fresh"):
        with signed_in(chromium, site) as own:
            yield own
        return
    shared: BrowserContext = request.getfixturevalue("shared_context")
    page = shared.new_page()
    kinds = {"origin": site.relay.found["url"].rstrip("/"), "storageTypes": "indexeddb,local_storage,file_systems"}
    shared.new_cdp_session(page).send("Storage.clearDataForOrigin", kinds)
    page.close()
    yield shared
    for page in shared.pages:
        page.close()


@contextmanager
def opened_in(context: BrowserContext) -> Iterator[Callable[[str], Tab]]:
    """Open a tab at an address; at the end no tab may have had an error or asked another origin."""
    tabs: list[Tab] = []

    def open(url: str) -> Tab:
        tab = Tab(context.new_page())
        tabs.append(tab)
        tab.page.goto(url)
        return tab

    yield open
    for tab in tabs:
        assert not tab.errors
        assert {url.split("/")[2].split(":")[0] for url in tab.requests if url.startswith(("http", "ws"))} <= {
            "127.0.0.1"
        }


@pytest.fixture
def open_tab(context: BrowserContext) -> Iterator[Callable[[str], Tab]]:
    with opened_in(context) as open:
        yield open


@pytest.fixture(scope="module")
def shared_tab(shared_context: BrowserContext, shared_site: Site) -> Iterator[Tab]:
    """One tab for all tests of a module that ask for it, because Python starts in each: what they make stays."""
    with opened_in(shared_context) as open:
        tab = open(shared_site.relay.found["url"])
        tab.ready()
        yield tab


@pytest.fixture
def tab(site: Site, open_tab: Callable[[str], Tab]) -> Tab:
    """The page, with /inventory/widget1 on the cluster."""
    run_example("inventory.py", site.node.host)
    tab = open_tab(site.relay.found["url"])
    tab.ready()
    return tab
