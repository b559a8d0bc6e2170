"""What a terminal is shown: names in which a control of the direction of text is made visible.

Such a control makes a name look like another (`exe.pdf` for `fdp.exe`). What goes to a file or to a program stays as
it is.
"""

from __future__ import annotations

import re
import sys
from typing import TextIO, cast

_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # marks, embeddings, overrides, isolates


def visible(text: str) -> str:
    """Return a text with the controls of direction written out."""
    return _CONTROLS.sub(lambda found: f"<U+{ord(found[0]):04X}>", text)


class TerminalStream:
    """A stream to a terminal, on which such controls are seen."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(visible(text))

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def watch_terminals() -> None:
    """Let what this process prints to a terminal be seen so."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream.isatty() and not isinstance(stream, TerminalStream):
            setattr(sys, name, cast(TextIO, TerminalStream(stream)))
