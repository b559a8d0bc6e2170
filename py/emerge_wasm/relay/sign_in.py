"""What a link with a token does in a browser: it lets in whoever opened it, and asks where they may not want that.

A page of another site could send a browser to such a link, and its user would go on as somebody else without a word.
The session's cookie is not sent along then, so it does not tell; what browsers say of who asks does.
"""

from __future__ import annotations

import re
from html import escape
from importlib import resources
from string import Template
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse

from ..rest.gate import LOOPBACK, own_origins
from .session import RelayCaller

_LARGEST = 64 << 10  # bytes of a form
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",  # with none, browsers would not say that the form is ours
}
_PAGE = Template(resources.files(__package__).joinpath("sign_in.html").read_text("utf-8"))


def is_opened_by_the_user(request: Request) -> bool:
    """Tell whether the user opened the address, or a page of the relay's own did.

    Browsers say so at addresses that they hold secure; there, who says nothing is no browser.
    """
    said = request.headers.get("sec-fetch-site")
    if said is None:
        return request.url.scheme == "https" or request.url.hostname in LOOPBACK
    return said in ("none", "same-origin")


def question(token: str, caller: RelayCaller, now: RelayCaller | None) -> HTMLResponse:
    """Return the page that asks whether this browser is to go on as the link's principal."""
    instead = f"It is signed in as {now.name} now, and would not be any more." if now is not None else ""
    text = _PAGE.substitute(name=escape(caller.name), instead=escape(instead), token=escape(token))
    return HTMLResponse(text, headers=_HEADERS)


async def answered_token(request: Request, host: str, origins: tuple[str, ...]) -> str | None:
    """Return the token of the page's form; None when another page sent it."""
    found = await _posted(request, host, origins)
    return None if found is None else found.get("token", [""])[0]


async def posted_ids(request: Request, host: str, origins: tuple[str, ...]) -> set[str] | None:
    """Return the ids of sessions of a form; None when another page sent it."""
    found = await _posted(request, host, origins)
    return None if found is None else {*found.get("id", [])}


async def _posted(request: Request, host: str, origins: tuple[str, ...]) -> dict[str, list[str]] | None:
    """Return the fields of a form of our own pages, None for any other."""
    if request.headers.get("origin") not in own_origins(request, host, origins):
        return None
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > _LARGEST:
            return None
    return parse_qs(data.decode("ascii", "replace"))


def browser_of(request: Request) -> str:
    """Return what a browser calls itself, in few words: as in "Firefox 140, Linux"."""
    said = request.headers.get("user-agent", "")
    system = next((name for mark, name in _SYSTEMS.items() if mark in said), "")
    for mark, name in _BROWSERS.items():
        if found := re.search(rf"{mark}/(\d+)", said):
            return ", ".join(filter(None, (f"{name} {found[1]}", system)))
    return said[:40]


_BROWSERS = {
    "Edg": "Edge",
    "OPR": "Opera",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "HeadlessChrome": "Chrome",
    "Chrome": "Chrome",
    "Version": "Safari",
}
"""The words by which browsers call themselves, those that others say too behind theirs."""
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iOS",
    "iPad": "iPadOS",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}
