"""Find source that was typed into a REPL that keeps none (Python before 3.13), in the history of its line editor.

The history may hold other sessions' lines too, and loses blank ones: compare a text from here with the code that runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

FILENAME = "<stdin>"
LINES = 5000
MOST = 20
"""Lines of one statement that is no definition."""
_STARTS = ("class ", "def ", "async def ")


def typed_definitions() -> Iterator[str]:
    """Yield the classes and functions that were typed at the prompt, decorators included, newest first."""
    lines = _history()
    for number in range(len(lines) - 1, -1, -1):
        if lines[number].startswith(_STARTS):
            first, last = number, number + 1
            while first and lines[first - 1].startswith("@"):
                first -= 1
            while last < len(lines) and lines[last][:1] in (" ", "\t", ")"):
                last += 1
            yield "\n".join(lines[first:last]) + "\n"


def typed_statements(word: str) -> Iterator[str]:
    """Yield the statements with that word that were typed at the prompt, newest first, of at most MOST lines each."""
    lines = _history()
    for number in range(len(lines) - 1, -1, -1):
        if word in lines[number]:
            for first in range(number, max(-1, number - MOST), -1):
                yield from _complete(lines[first : first + MOST], number - first)


def _complete(lines: list[str], least: int) -> Iterator[str]:
    """Yield the shortest text of these lines that compiles and has more than the `least` first of them."""
    for last in range(least + 1, len(lines) + 1):
        text = "\n".join(lines[:last]) + "\n"
        try:
            compile(text, FILENAME, "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            continue
        yield text
        return


def _history() -> list[str]:
    readline = sys.modules.get("readline")
    if readline is None or not hasattr(sys, "ps1") or sys.version_info >= (3, 13):
        return []
    length = readline.get_current_history_length()
    return [readline.get_history_item(index) or "" for index in range(max(1, length - LINES), length + 1)]
