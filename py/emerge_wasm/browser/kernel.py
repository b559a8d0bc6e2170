"""The page's kernel: answers the page's requests (web/protocol.ts). Takes and sends JSON text, and leaves no proxies.

Call `start` once, then `submit` for each request. Answers and events go out through the `post` given to `start`. The
cells' kernel, if they have one, is `attach`ed; its events go in by `hear`.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..wire.frame import ITEM, write_frame
from .protocol.option import Options
from .requests.handlers import CELL_HANDLERS, PAGE_HANDLERS
from .start import begin_worker
from .tab import Tab

if TYPE_CHECKING:
    from pyodide.ffi import JsBuffer

_tab: Tab | None = None


def start(post: Callable[[str], object], options: str) -> None:
    """Start the kernel. `post` sends JSON to the page; `options` is the JSON of `protocol.Options`."""
    global _tab
    given: Options = json.loads(options)
    begin_worker(given)
    _tab = Tab(lambda message: post(json.dumps(message)), given, PAGE_HANDLERS, CELL_HANDLERS)
    _tab.begin()


def submit(id: int, kind: str, args: str, deed: str = "null") -> None:
    """Take a request; its reply is sent later. `deed` is the JSON of `protocol.Deed`."""
    _running().submit(id, kind, json.loads(args), json.loads(deed))


def pulse() -> None:
    """Answer a heartbeat by returning."""


def stop() -> None:
    """Stop the running cell at the point where it waits."""
    _running().stop()


def attach(post: Callable[[JsBuffer], object], framed: bool, interrupt: Callable[[int], object]) -> None:
    """Begin to serve a cells' kernel. `post` sends it a Uint8Array, one event, which is `framed` where its end is not
    kept; `interrupt` stops the run of a number there."""
    from pyodide.ffi import to_js  # type: ignore[import-not-found,unused-ignore]  # there in a browser only

    def send(data: bytes) -> None:
        post(to_js(write_frame(ITEM, data) if framed else data))

    _running().attach(send, interrupt)


def hear(data: JsBuffer) -> None:
    """Take one event of the cells' kernel, a Uint8Array."""
    cells = _running().cells
    if cells is not None:
        cells.hear(data.to_bytes())


def detach() -> None:
    """Forget the cells' kernel, which is gone."""
    _running().detach()


def _running() -> Tab:
    assert _tab is not None, "start comes first"
    return _tab


def warm() -> None:
    """Import modules that are otherwise imported late; called before the memory snapshot is made."""
    for name in LATE:
        importlib.import_module(name)


LATE = (
    "emerge_wasm",
    "emerge_wasm.browser.console.worker",
    "emerge_wasm.browser.guests.worker",
    "emerge_wasm.query",
    "emerge_wasm.stores.memory",
    "emerge_wasm.stores.indexeddb.store",
    "emerge_wasm.clients.transports.websocket",
    "pyodide.code",
    "pyodide.ffi",
    "pyodide.webloop",
    "tzdata",  # whoever looks for a module that is nowhere reads what its archive has
)
