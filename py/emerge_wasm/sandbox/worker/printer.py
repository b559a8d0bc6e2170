"""Sends printed text of shipped code to the node: a line at once, but no more often than every 0.05 s."""

from __future__ import annotations

import time

from .alarm import SOON, Alarm
from .node_connection import NodeConnection

_MOST = 1 << 14
"""Most characters to buffer."""


class Printer:
    """Buffers text and sends it to the node."""

    def __init__(self, connection: NodeConnection, alarm: Alarm) -> None:
        self._connection = connection
        self._alarm = alarm
        self._parts: list[str] = []
        self._size = 0
        self._sent = 0.0

    def write(self, text: str) -> None:
        self._parts.append(text)
        self._size += len(text)
        if self._size > _MOST or ("\n" in text and time.monotonic() - self._sent > SOON):
            self.flush()
        else:
            self._alarm.call_soon(self.flush)

    def flush(self) -> None:
        """Send the buffered text."""
        parts, self._parts, self._size = self._parts, [], 0
        self._alarm.forget()
        if parts:
            self._sent = time.monotonic()
            self._connection.send_item("".join(parts))
