"""Bound how a value is written out in full: what it shares is written again only so often, a cycle ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

from .value import DEPTH_LIMIT, Record, Value

REPEATED = 10_000
"""Items of containers that are written out again, in one value."""


class Expansion:
    """What of one value was written out, and what is being written out now."""

    def __init__(self) -> None:
        self._open: dict[int, int] = {}  # by id, how deep each is
        self._done: dict[int, object] = {}  # by id; kept alive, so that the ids stay theirs
        self._again = 0
        self._room = REPEATED

    def level_of(self, value: object) -> int | None:
        """Return how many levels up a value is being written out, if it is; 1 is the one around."""
        depth = self._open.get(id(value))
        return None if depth is None else len(self._open) - depth

    @contextmanager
    def entered(self, value: Value) -> Iterator[bool]:
        """Write out a container; False if it is too much, too deep, or within itself."""
        if id(value) in self._open or len(self._open) > DEPTH_LIMIT:
            yield False
            return
        again = id(value) in self._done
        if again or self._again:
            self._room -= 1 + _size(value)
            if self._room < 0:
                yield False
                return
        self._done[id(value)] = value
        self._open[id(value)] = len(self._open)
        self._again += again
        try:
            yield True
        finally:
            del self._open[id(value)]
            self._again -= again


def _size(value: Value) -> int:
    if isinstance(value, Record):
        return len(value.fields)
    if isinstance(value, SimpleNamespace) or not hasattr(value, "__len__"):
        return len(getattr(value, "__dict__", ()))
    return len(value)
