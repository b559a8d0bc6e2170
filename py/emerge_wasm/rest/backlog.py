"""The bytes of answers that wait for their readers, by principal: whoever does not read has so many kept.

Knows no HTTP: what is kept belongs to readers, each of which can be ended.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Protocol

log = logging.getLogger("emerge.rest")

MOST = 64 << 20
"""Bytes of one principal. More end the answer that has waited the longest; a single one may have any size."""


class Reader(Protocol):
    """Whoever an answer is for."""

    account: str

    def abort(self) -> None:
        """End the answer, whose reader takes nothing of it."""


class Backlog:
    """What is kept for readers; those that have waited the longest come first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: dict[Reader, int] = {}
        self._of: Counter[str] = Counter()
        self.ended = 0
        """How many answers were ended."""

    def __len__(self) -> int:
        """The bytes that are kept."""
        return self._of.total()

    def add(self, reader: Reader, size: int) -> None:
        """Keep more bytes for a reader."""
        self._kept[reader] = self._kept.get(reader, 0) + size
        self._of[reader.account] += size
        if self._of[reader.account] > self._most:
            self._end_others(reader)

    def take(self, reader: Reader, size: int) -> None:
        """A reader has taken some; of all, it waits now for the shortest time."""
        left = self._kept.pop(reader, 0) - size
        self._of[reader.account] -= size
        if left > 0:
            self._kept[reader] = left

    def drop(self, reader: Reader) -> None:
        """Nothing is kept for a reader any more."""
        self._of[reader.account] -= self._kept.pop(reader, 0)
        if not self._of[reader.account]:
            del self._of[reader.account]

    def _end_others(self, newest: Reader) -> None:
        """End answers of the same principal until what is kept is within the bound."""
        account = newest.account
        for each in [each for each in self._kept if each.account == account and each is not newest]:
            if self._of[account] <= self._most:
                return
            log.warning(
                "an answer for %s is not read, and ends: %s bytes wait", account or "a guest", self._of[account]
            )
            self.drop(each)
            self.ended += 1
            each.abort()
