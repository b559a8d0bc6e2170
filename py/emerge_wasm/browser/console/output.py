"""Sends the output of cells to the page, in batches and up to a limit. Its only I/O is the given `send`."""

from __future__ import annotations

import io
import sys
import time
import warnings
from collections.abc import Callable
from typing import Literal

from ...errors import InconsistentAnswer, PartialAnswer, StaleAnswer

StreamName = Literal["stdout", "stderr"]
SendOutput = Callable[[int, StreamName, str], None]
"""Called with (cell, stream, text)."""

LIMIT = 1_000_000
"""Most characters that one cell may print; further ones are dropped, with one notice."""

BATCH = 16_384  # characters
DELAY = 0.05  # seconds
LINES = 8
"""So many lines are sent as soon as they end, in each DELAY: what computes next may leave the loop no turn for long."""


class ConsoleOutput:
    """Both output streams of the cell that runs now (or ran last: its tasks may still print)."""

    def __init__(self, send: SendOutput, limit: int = LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._send = send
        self._limit = limit
        self._room = limit
        self._cell = 0
        self._parts: list[tuple[StreamName, str]] = []
        self._size = 0
        self._sent = 0.0
        self._since, self._lines = 0.0, LINES
        self.soon: Callable[[], None] | None = None  # schedules a flush for the loop's next turn

    def begin(self, cell: int) -> None:
        """Assign further output to this cell."""
        self.flush()
        self._cell = cell
        self._room = self._limit

    @property
    def cell(self) -> int:
        """The cell that output is assigned to."""
        return self._cell

    def write(self, stream: StreamName, text: str) -> None:
        if not text or self._room < 0:
            return
        self._add(stream, text[: self._room])
        self._room -= len(text)
        if self._room < 0:
            self._add("stderr", f"\n… cut here: this cell printed more than {self._limit:,} characters\n")
        now = self._clock()
        if now - self._since > DELAY:
            self._since, self._lines = now, LINES
        ends = text.endswith("\n") and self._lines > 0
        if ends:
            self._lines -= 1
        if ends or self._size > BATCH or now - self._sent > DELAY:
            self.flush()
        elif self.soon is not None:
            self.soon()

    def _add(self, stream: StreamName, text: str) -> None:
        self._parts.append((stream, text))
        self._size += len(text)

    def flush(self) -> None:
        """Send the collected text; consecutive pieces of one stream are joined."""
        parts, self._parts, self._size = self._parts, [], 0
        self._sent = self._clock()
        while parts:
            stream = parts[0][0]
            count = next((i for i, part in enumerate(parts) if part[0] != stream), len(parts))
            self._send(self._cell, stream, "".join(text for _, text in parts[:count]))
            parts = parts[count:]


class CapturedStream(io.TextIOBase):
    def __init__(self, output: ConsoleOutput, name: StreamName) -> None:
        self._output = output
        self._name = name

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._output.write(self._name, text)
        return len(text)

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        self._output.flush()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the base declares a plain attribute
        return "utf-8"


def capture_streams(output: ConsoleOutput) -> None:
    """Redirect sys.stdout and sys.stderr to this output, and show warnings as a reader of cells needs them."""
    sys.stdout = CapturedStream(output, "stdout")
    sys.stderr = CapturedStream(output, "stderr")
    warnings.formatwarning = format_warning
    for kind in (InconsistentAnswer, PartialAnswer, StaleAnswer):  # each cell tells of its own answers
        warnings.simplefilter("always", kind)
    warnings.filterwarnings("ignore", "coroutine '<module>' was never awaited")  # the cell was stopped before it began


def format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Format a warning: with its line if a cell gave rise to it, and without a path in the library otherwise."""
    where = f"{filename}, line {lineno}: " if filename.startswith("<cell") else ""
    return f"{where}{category.__name__}: {message}\n"
