"""What every kernel of a tab does first."""

from __future__ import annotations

import random
import sys

from .log import log_to_console
from .protocol.option import Options, ShellOptions


def begin_worker(options: Options | ShellOptions) -> None:
    """Set a worker's Python up."""
    log_to_console()
    if options["restored"]:
        random.seed()  # a snapshot repeats its random numbers
    sys.setrecursionlimit(options["recursion"])
