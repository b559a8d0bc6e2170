"""The document in which the page shows HTML with scripts that a cell made: from our origin, without one itself.

What runs in it has no cookies, no storage, no network and no access to the page; it can draw.
"""

from __future__ import annotations

from importlib import resources

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from .closed_document import closed_headers

TEXT = resources.files(__package__).joinpath("output.html").read_text("utf-8")

HEADERS = closed_headers(
    "script-src 'unsafe-inline'",
    "style-src 'unsafe-inline'",
    "img-src data: blob:",
    "font-src data:",
    "media-src data: blob:",
)


async def output(request: Request) -> Response:
    """`/output`: the document, the same for everybody."""
    return HTMLResponse(TEXT, headers=HEADERS)
