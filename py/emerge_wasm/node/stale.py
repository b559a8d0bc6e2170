"""Answers of a copy while the owner of a volume is away: which operations it may answer, and the mark of their age."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Protocol

from ..filesystem.searches.node_part import PARTS
from ..operations import Answer, find_operation

STALE = "stale"
"""The key of an answer, or of each row of a stream, that came from a copy: a moment since which it may have changed."""

_NOT_OF_A_PATH = frozenset({"_run_part", "_evaluate_part", "watch", "changes", "subscribe", "begin", "query", "run"})


class CopyAges(Protocol):
    """Who knows how old copies are."""

    def as_of(self, filesystem: str) -> str | None:
        """A moment at which a copy on this node was what its owner had; None for what is no copy (any more)."""
        ...


def reads(name: str) -> bool:
    """Tell whether an operation, or a part of one, only reads what is at a path."""
    return name not in _NOT_OF_A_PATH and (name in PARTS or not find_operation(name).changes)


def mark_stale(answer: Answer, as_of: str) -> Answer:
    """Mark an answer of a copy, where it is a map; each of the items of a stream."""
    return _mark_items(answer, as_of) if isinstance(answer, AsyncIterator) else _mark(answer, as_of)


async def _mark(answer: Awaitable[object], as_of: str) -> object:
    return _marked(await answer, as_of)


async def _mark_items(answer: AsyncIterator[object], as_of: str) -> AsyncGenerator[object, None]:
    async with aclosing(answer) as items:  # type: ignore[type-var]  # an async generator
        async for item in items:
            yield _marked(item, as_of)


def _marked(answer: object, as_of: str) -> object:
    if isinstance(answer, list):
        return [_marked(each, as_of) if isinstance(each, dict) else each for each in answer]
    return {**answer, STALE: as_of} if isinstance(answer, dict) else answer
