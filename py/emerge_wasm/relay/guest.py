"""The empty document in which the page confines the code of others: served from our origin, without one itself.

`sandbox` without `allow-same-origin` takes cookies and storage away, the rest of the policy takes the network. What
runs in there comes from the page, and can talk only to it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from .closed_document import closed_headers

TEXT = resources.files(__package__).joinpath("guest.html").read_text("utf-8")


def _script_hash(text: str) -> str:
    found = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert found is not None
    return base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()


SCRIPTS = f"script-src 'sha256-{_script_hash(TEXT)}' blob: data: 'wasm-unsafe-eval'"
"""WebKit imports no blob where there is no origin."""
HEADERS = closed_headers(SCRIPTS, "worker-src data:")


async def guest(request: Request) -> Response:
    """`/guest`: the document, the same for everybody."""
    return HTMLResponse(TEXT, headers=HEADERS)
