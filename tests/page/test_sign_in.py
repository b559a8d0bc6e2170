"""What browsers say of who opens a link, and that the question of `relay/sign_in.py` can be answered in them."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from emerge_wasm.relay.token import Tokens
from tests.page.conftest import Site


def test_a_link_from_another_site_asks_and_can_be_answered(site: Site, browser: Browser) -> None:
    url, tokens = site.relay.found["url"], Tokens(site.folder)
    tokens.add("mallory")
    text = tokens.link("mallory")
    try:
        with browser.new_context() as context:
            page = context.new_page()
            page.route(
                "https://elsewhere.example/",
                lambda route: route.fulfill(content_type="text/html", body=f'<a href="{url}/?token={text}">look</a>'),
            )
            page.goto("https://elsewhere.example/")
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
