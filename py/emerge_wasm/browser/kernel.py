"""The kernel of a tab: answers the page's requests (web/protocol.ts). Takes and sends JSON text, and leaves no proxies.

Call `start` once, then `submit` for each request. Answers and events go out through the `post` given to `start`.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import sys
from collections.abc import Callable

from .log import log_to_console
from .native import use_native_msgpack
from .protocol import Options
from .requests.handlers import HANDLERS
from .tab import Tab

NATIVE_DELAY = 0.5
"""Seconds until msgpack's native module is loaded: that takes as long as the start itself, so it comes later."""

_tab: Tab | None = None


def start(post: Callable[[str], object], options: str) -> None:
    """Start the kernel. `post` sends JSON to the page; `options` is the JSON of `protocol.Options`."""
    global _tab
    given: Options = json.loads(options)
    log_to_console()
    if given["restored"]:
        random.seed()  # a snapshot repeats its random numbers
        if given["sync"]:  # WebKit, which has no JSPI, links a module for longer than everything else takes together
            asyncio.get_event_loop().call_later(NATIVE_DELAY, use_native_msgpack)
    sys.setrecursionlimit(given["recursion"])
    _tab = Tab(lambda message: post(json.dumps(message)), given, HANDLERS)
    _tab.begin()


def submit(id: int, kind: str, args: str) -> None:
    """Take a request; its reply is sent later."""
    _running().submit(id, kind, json.loads(args))


def pulse() -> None:
    """Answer a heartbeat by returning."""


def stop() -> None:
    """Stop the running cell at the point where it waits."""
    _running().stop()


def _running() -> Tab:
    assert _tab is not None, "start comes first"
    return _tab


def warm() -> None:
    """Import modules that are otherwise imported late; called before the memory snapshot is made."""
    for name in LATE:
        importlib.import_module(name)


LATE = (
    "emerge_wasm",
    "emerge_wasm.browser.guests.worker",
    "emerge_wasm.query",
    "emerge_wasm.stores.memory",
    "emerge_wasm.stores.indexeddb.store",
    "emerge_wasm.clients.transports.websocket",
    "pyodide.code",
    "pyodide.ffi",
    "pyodide.webloop",
)
