"""The time from opening the page to the result of its first cell, beside a bare `loadPyodide` to that of its first
statement.

Both run in the same Chromium, each round in a profile that was never anywhere (cold), then once more in another tab of
it (warm: caches and service worker filled). Emerge's page is served by `emerge up`, signed in, with a node behind it; a
script types `1+1` into the prompt as soon as the page shows one and runs it, and the clock stops when the result stands
on the page. The peer is a page that does nothing but start a module worker with Pyodide as its documentation says and
`runPython("1+1")`, served by a plain file server with the same headers, everything but the page itself kept for ever.
Both clocks start at the browser's navigation.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, Playwright, sync_playwright

from .browser import SignIn, profile
from .measure import ROUNDS, Row, print_rows
from .process import cluster, started

ASSETS = Path(__file__).parent / "web"
DIST = Path(__file__).parents[1] / "dist"
REST = 4000  # milliseconds after a first visit: the browser writes its caches, V8 its code after two seconds
AIM = "≤ 0.4"


@dataclass
class Site:
    """A page under measurement: where it is, and what is done to a fresh profile before it goes there."""

    url: str
    script: str = ""
    session: SignIn | None = None

    def visits(self, playwright: Playwright) -> tuple[float, float]:
        """Milliseconds to the first result: at the first visit of a fresh profile, and at the second."""
        with profile(playwright) as context:
            if self.session:
                self.session.into(context, self.url)
            if self.script:
                context.add_init_script(self.script)
            first, tab = self.visit(context)
            if self.session:
                tab.evaluate("navigator.serviceWorker.ready.then(() => undefined)")
            tab.wait_for_timeout(REST)
            tab.close()
            return first, self.visit(context)[0]

    def visit(self, context: BrowserContext) -> tuple[float, Page]:
        """Milliseconds to the first result in a new tab, and the tab."""
        tab = context.new_page()
        tab.goto(self.url)
        done = tab.evaluate("window.bench")
        if done["result"] != "2":
            raise RuntimeError(f"{self.url}: 1+1 is {done['result']}")
        return float(done["at"]), tab


@contextmanager
def bare() -> Iterator[str]:
    """The URL of the peer's page."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("index.html", "worker.mjs"):
            shutil.copy(ASSETS / name, folder)
        (Path(folder) / "pyodide").symlink_to(next(DIST.glob("pyodide-*")))
        with started("bench.static", folder) as url:
            yield url


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as place, bare() as url, sync_playwright() as p:
        ours = Site(f"{place['url']}/", (ASSETS / "type.js").read_text(), SignIn(place["page"]))
        peer = Site(url)
        taken = [(*ours.visits(p), *peer.visits(p)) for _ in range(ROUNDS)]
    cold, warm, peer_cold, peer_warm = (statistics.median(column) for column in zip(*taken, strict=True))
    rows = [Row("first visit", cold, [peer_cold], AIM), Row("second visit", warm, [peer_warm], AIM)]
    print_rows("Page open to the first cell's result", "milliseconds", ["bare loadPyodide"], rows)


if __name__ == "__main__":
    main()
