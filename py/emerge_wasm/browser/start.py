"""What every kernel of a tab does first."""

from __future__ import annotations

import asyncio
import random
import sys

from .log import log_to_console
from .native import use_native_msgpack
from .protocol import Options, ShellOptions

NATIVE_DELAY = 0.5
"""Seconds until msgpack's native module is loaded: that takes as long as the start itself, so it comes later."""


def begin_worker(options: Options | ShellOptions) -> None:
    """Set a worker's Python up."""
    log_to_console()
    if options["restored"]:
        random.seed()  # a snapshot repeats its random numbers
        if options["jspi"]:  # WebKit, which has none, links a module for longer than everything else takes together
            asyncio.get_event_loop().call_later(NATIVE_DELAY, use_native_msgpack)
    sys.setrecursionlimit(options["recursion"])
