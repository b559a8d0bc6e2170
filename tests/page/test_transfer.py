"""What a visit of the page costs on the wire."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.conftest import ROOT, start_server
from tests.scale import in_turn

from .conftest import SLOW, Site, Tab
from .wire import CountedLine

FIRST, AGAIN = 12_000_000, 100_000
"""Bytes: of all that a first visit takes, and of what a second one asks anew."""
BY_GZIP = 16_500_000
"""Bytes that a first visit takes where a browser takes gzip and nothing better, as WebKitGTK."""
SCRIPTS = 300 << 10
"""Bytes of compressed JavaScript until the page can be used."""
MOST = 7
"""Files of it: each takes some milliseconds of the browser and of the relay, in which Python starts more slowly."""
LOADED = """performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname.slice(1))
    .filter((path) => path.startsWith("assets/"))"""
"""What the page itself has asked for; its service worker keeps the late parts, too."""
OFFLINE = (
    "navigator.serviceWorker.ready.then(() => caches.open('emerge-page')).then(kept => kept.match('/')).then(Boolean)"
)


def by_gzip(path: str) -> int:
    """The bytes of a file as it is sent to who takes gzip; 0 for what is no file."""
    file = ROOT / "dist" / (path.partition("?")[0].strip("/") or "index.html")
    return next((sent.stat().st_size for sent in (Path(f"{file}.gz"), file) if sent.is_file()), 0)


@pytest.mark.skipif(not in_turn(1, 2), reason="takes turns with an installed page; all by EMERGE_TEST_SCALE=large")
def test_a_visit_is_small_and_the_next_one_takes_nothing(browser: Browser, site: Site, tmp_path: Path) -> None:
    line = CountedLine()
    place = ("--port", "0", "--dir", str(tmp_path))
    relay = start_server("-h", site.node.host, "relay", "start", *place, "--origin", line.origin)
    page = line.lead_to(relay.found["page"])
    try:
        with browser.new_context() as context:
            tab = Tab(context.new_page())
            tab.page.goto(page)
            tab.ready(patience=3 * SLOW)
            tab.page.wait_for_function(OFFLINE)
            scripts = [path for path in tab.page.evaluate(LOADED) if path.endswith(".js")]
            assert len(scripts) <= MOST, scripts
            assert 0 < sum((ROOT / "dist" / f"{path}.gz").stat().st_size for path in scripts) <= SCRIPTS, scripts
            taken, most = line.received, FIRST
            if tab.engine == "webkit":  # driven, it has no cache on disk: its service worker asks for each file again
                taken, most = sum(by_gzip(path) for path in {*line.asked}), BY_GZIP
            assert 1_000_000 < taken <= most, f"{taken:,} bytes in {len(line.asked)} requests"
            tab.page.close()
            line.reset()

            again = Tab(context.new_page())
            again.page.goto(line.origin)
            again.ready()
            asked = [path for path in line.asked if path.startswith(("/assets/", "/pyodide-"))]
            compiled = [path for path in asked if path.endswith(".wasm") and tab.engine == "webkit"]  # in no cache
            assert asked == compiled
            anew = line.received - sum(map(by_gzip, compiled))
            assert 0 < anew <= AGAIN, f"{anew:,} bytes for {line.asked}"
    finally:
        line.close()
        relay.stop()
