"""What was typed into a REPL that keeps no source (Python before 3.13): its line editor's history still has it.

The history may hold other sessions' lines too, and loses blank ones; whoever uses a text from here compares it with
the code that runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

FILENAME = "<stdin>"
LINES = 5000
_STARTS = ("class ", "def ", "async def ")


def typed_definitions() -> Iterator[str]:
    """The classes and functions that were typed at the prompt, decorators included, newest first."""
    lines = _history()
    for number in range(len(lines) - 1, -1, -1):
        if lines[number].startswith(_STARTS):
            first, last = number, number + 1
            while first and lines[first - 1].startswith("@"):
                first -= 1
            while last < len(lines) and lines[last][:1] in (" ", "\t", ")"):
                last += 1
            yield "\n".join(lines[first:last]) + "\n"


def _history() -> list[str]:
    readline = sys.modules.get("readline")
    if readline is None or not hasattr(sys, "ps1") or sys.version_info >= (3, 13):
        return []
    length = readline.get_current_history_length()
    return [readline.get_history_item(index) or "" for index in range(max(1, length - LINES), length + 1)]
