"""What browsers say of who opens a link, and that the question of `relay/sign_in.py` can be answered in them."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, expect

from emerge_wasm.relay.token import Tokens
from tests.page.conftest import SLOW, Site


@contextmanager
def serve_elsewhere(folder: Path) -> Iterator[str]:
    """Serve a folder in a thread, at an address that to browsers is another site than 127.0.0.1; its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(SimpleHTTPRequestHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_link_from_another_site_asks_and_can_be_answered(site: Site, browser: Browser, tmp_path: Path) -> None:
    url, tokens = site.relay.found["url"], Tokens(site.folder)
    tokens.add("mallory")
    text = tokens.link("mallory")
    try:
        (tmp_path / "index.html").write_text(f'<a href="{url}/?token={text}">look</a>')
        with serve_elsewhere(tmp_path) as elsewhere, browser.new_context() as context:
            page = context.new_page()
            page.goto(elsewhere)
            page.click("a")
            expect(page.locator("h1")).to_have_text("Sign in as mallory?")
            assert context.cookies() == []
            page.click("button")
            page.wait_for_url(f"{url}/")
            assert len(context.cookies()) == 1
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{url}/?token={tokens.link('mallory')}")  # as typed, or opened by a program
            page.wait_for_url(f"{url}/")
            assert len(context.cookies()) == 1
    finally:
        tokens.remove("mallory")


def test_one_sees_who_one_is_and_where_one_is_signed_in(site: Site, browser: Browser) -> None:
    url, tokens = site.relay.found["url"], Tokens(site.folder)
    tokens.add("carl")
    try:
        with browser.new_context() as first, browser.new_context() as second:
            pages = [context.new_page() for context in (first, second)]
            for page in pages:
                page.goto(f"{url}/?token={tokens.link('carl')}")
                expect(page.get_by_test_id("who")).to_have_text("carl", timeout=SLOW)
            here, there = pages
            here.get_by_test_id("who").click()
            rows = here.get_by_test_id("session")
            expect(rows).to_have_count(2)
            expect(here.get_by_test_id("sessions")).to_contain_text("You are carl.")
            own, other = (here.locator(f'[data-testid="session"][data-this="{own}"]') for own in ("true", "false"))
            other.get_by_role("button", name="End").click()
            expect(rows).to_have_count(1)
            expect(there.get_by_test_id("status-connection")).to_contain_text("not signed in", timeout=SLOW)
            expect(there.get_by_test_id("who")).to_have_count(0)
            own.get_by_role("button", name="Sign out").click()
            expect(here.get_by_test_id("sessions")).to_contain_text("Signed out")
            expect(here.get_by_test_id("status-connection")).to_contain_text("not signed in", timeout=SLOW)
            assert not first.cookies() and first.request.get(f"{url}/session").status == 403
    finally:
        tokens.remove("carl")
