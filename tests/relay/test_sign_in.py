"""A link never makes a browser somebody else's without a question: not from another site, nor in place of a session."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import RelaySettings
from emerge_wasm.relay.token import Tokens

pytestmark = pytest.mark.asyncio


@pytest.fixture
def tokens(settings: RelaySettings) -> Tokens:
    return Tokens(settings.data)


def link_of(tokens: Tokens, name: str) -> str:
    """The text of a link of somebody new."""
    tokens.add(name)
    return tokens.link(name)


def browser(relay: RelayServer, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=relay.url, trust_env=False, verify=False, headers=headers)


async def name_of(relay: RelayServer, http: httpx.AsyncClient) -> str:
    """As whom the browser calls; "" without a session."""
    cookie = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
    caller = relay.relay.sessions.by_cookie(cookie.partition("=")[2])
    return "" if caller is None else caller.name


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("signed_in", [False, True])
async def test_another_sites_link_asks(relay: RelayServer, tokens: Tokens, site: str, signed_in: bool) -> None:
    async with browser(relay) as http:
        if signed_in:
            await http.get(f"/?token={link_of(tokens, 'ann')}")
        before = await name_of(relay, http)
        cookies, http.cookies = http.cookies, httpx.Cookies()  # they are of SameSite=Strict
        asked = await http.get(f"/?token={link_of(tokens, 'mallory')}", headers={"Sec-Fetch-Site": site})
        assert asked.status_code == 200 and "Sign in as mallory?" in asked.text
        assert (
            "set-cookie" not in asked.headers and "frame-ancestors 'none'" in asked.headers["content-security-policy"]
        )
        http.cookies = cookies
        assert await name_of(relay, http) == before


async def test_a_link_asks_before_it_replaces_a_session(relay: RelayServer, tokens: Tokens) -> None:
    text = link_of(tokens, "mallory")
    async with browser(relay) as http:
        await http.get(f"/?token={link_of(tokens, 'ann')}")
        asked = await http.get(f"/?token={text}", headers={"Sec-Fetch-Site": "none"})
        assert "signed in as ann now" in asked.text and await name_of(relay, http) == "ann"
        for origin in ({}, {"Origin": "null"}, {"Origin": "https://elsewhere.example"}):
            refused = await http.post("/session", data={"token": text}, headers=origin)
            assert refused.status_code == 403 and await name_of(relay, http) == "ann"
        taken = await http.post("/session", data={"token": text}, headers={"Origin": relay.url})
        assert taken.status_code == 303 and await name_of(relay, http) == "mallory"


async def test_what_asks_uses_no_link_up(relay: RelayServer) -> None:
    link = relay.invite()
    async with browser(relay) as http:
        asked = await http.get(link, headers={"Sec-Fetch-Site": "cross-site"})
        assert "operator" in asked.text
        assert (await http.get(link)).status_code == 303
        assert "operator" in await name_of(relay, http)


async def test_a_name_is_shown_as_text(relay: RelayServer, tokens: Tokens) -> None:
    text = link_of(tokens, "<b>$token&")
    async with browser(relay) as http:
        asked = await http.get(f"/?token={text}", headers={"Sec-Fetch-Site": "cross-site"})
    assert "Sign in as &lt;b&gt;$token&amp;?" in asked.text


@pytest.mark.parametrize("data", [{}, {"token": "x"}, {"token": "y" * 5000}])
async def test_a_form_with_nothing_right_gives_nothing(relay: RelayServer, data: dict[str, Any]) -> None:
    async with browser(relay) as http:
        assert (await http.post("/session", data=data, headers={"Origin": relay.url})).status_code == 403
