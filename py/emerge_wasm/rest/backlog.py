"""The bytes of answers that wait for their readers, by principal: whoever does not read has so many kept.

Knows no HTTP: what is kept belongs to readers, each of which can be ended.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger("emerge.rest")

MOST = 64 << 20
"""Bytes of one principal. More end the answers of which nothing was taken for PATIENCE seconds; a single one may have
any size."""

PATIENCE = 5.0

TOO_MUCH = 4
"""So many times MOST end also those that are read, but slowly."""


class Reader(Protocol):
    """Whoever an answer is for."""

    account: str

    def abort(self) -> None:
        """End the answer, whose reader takes nothing of it."""


class Backlog:
    """What is kept for readers; those that have waited the longest come first. `clock` is in seconds, monotonic."""

    def __init__(
        self, most: int = MOST, patience: float = PATIENCE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._patience = patience
        self._clock = clock
        self._kept: dict[Reader, tuple[int, float]] = {}  # bytes, and since when they wait
        self._of: Counter[str] = Counter()
        self.ended = 0
        """How many answers were ended."""

    def __len__(self) -> int:
        """The bytes that are kept."""
        return self._of.total()

    def add(self, reader: Reader, size: int) -> None:
        """Keep more bytes for a reader."""
        kept, since = self._kept.get(reader) or (0, self._clock())
        self._kept[reader] = kept + size, since
        self._of[reader.account] += size
        if self._of[reader.account] > self._most:
            self._end_others(reader)

    def take(self, reader: Reader, size: int) -> None:
        """A reader has taken some; of all, it waits now for the shortest time."""
        kept, _ = self._kept.pop(reader, (0, 0.0))
        self._of[reader.account] -= min(size, kept)
        if kept > size:
            self._kept[reader] = kept - size, self._clock()

    def drop(self, reader: Reader) -> None:
        """Nothing is kept for a reader any more."""
        kept, _ = self._kept.pop(reader, (0, 0.0))
        self._of[reader.account] -= kept
        if not self._of[reader.account]:
            del self._of[reader.account]

    def _end_others(self, newest: Reader) -> None:
        """End answers of the same principal until what is kept is within the bound."""
        account, now = newest.account, self._clock()
        for each, (_, since) in list(self._kept.items()):
            if self._of[account] <= self._most:
                return
            is_read = now - since < self._patience and self._of[account] <= TOO_MUCH * self._most
            if each.account != account or each is newest or is_read:
                continue
            log.warning(
                "an answer for %s is not read, and ends: %s bytes wait", account or "a guest", self._of[account]
            )
            self.drop(each)
            self.ended += 1
            each.abort()
