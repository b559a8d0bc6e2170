"""Answers of a copy while the owner of a volume is away: which operations it may answer, and the mark of their age."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable
from contextlib import aclosing
from typing import NamedTuple, Protocol

from ..clients.partial import STALE, VALUES, mark_value
from ..errors import EmergeError, NotFound, Unavailable
from ..filesystem.searches.node_part import PARTS
from ..operations import Answer, find_operation

_NOT_OF_A_PATH = frozenset({"_run_part", "_evaluate_part", "watch", "changes", "subscribe", "begin", "query", "run"})


class CopyAges(Protocol):
    """Who knows how old copies are."""

    def as_of(self, filesystem: str) -> str | None:
        """A moment at which a copy on this node was what its owner had; None for what is no copy (any more)."""
        ...


def reads(name: str) -> bool:
    """Tell whether an operation, or a part of one, only reads what is at a path."""
    return name not in _NOT_OF_A_PATH and (name in PARTS or not find_operation(name).changes)


class CopyMark(NamedTuple):
    """What an answer of a copy is marked with: a moment since which it may have changed, and the owner that is away."""

    as_of: str
    owner: str


def mark_stale(name: str, answer: Answer, mark: CopyMark) -> Answer:
    """Mark the answer of a copy to an operation, where it is a map; each of the items of a stream.

    A copy that has nothing at a path does not say that nothing is there: its owner may have it. What is named by its
    hash has no age.
    """
    if name in ("classes", "authors"):
        return answer
    return _mark_items(answer, mark) if isinstance(answer, AsyncIterator) else _mark(name, answer, mark)


def oldest(answers: Iterable[object]) -> str:
    """Return the age of what is put together of several answers: that of the oldest copy's; "" where none gave one."""
    return min(
        (age for each in answers if isinstance(each, dict) and isinstance(age := each.get(STALE), str)), default=""
    )


async def _mark(name: str, answer: Awaitable[object], mark: CopyMark) -> object:
    try:
        found = await answer
    except NotFound as error:
        raise _unknown(error, mark) from None
    return mark_value(found, mark.as_of) if name in VALUES else _marked(found, mark.as_of)


async def _mark_items(answer: AsyncIterator[object], mark: CopyMark) -> AsyncGenerator[object, None]:
    async with aclosing(answer) as items:  # type: ignore[type-var]  # an async generator
        try:
            async for item in items:
                yield _marked(item, mark.as_of)
        except NotFound as error:
            raise _unknown(error, mark) from None


def _unknown(error: NotFound, mark: CopyMark) -> EmergeError:
    if "bundles" in error.details:  # a class that is to be sent along
        return error
    return Unavailable(
        f"{error.message} in the copy, and node {mark.owner}, which may have it, is away",
        path=error.path,
        remedy=f"start node {mark.owner} again, or promote the copy",
        missing=[mark.owner],
    )


def _marked(answer: object, as_of: str) -> object:
    if isinstance(answer, list):
        return [_marked(each, as_of) if isinstance(each, dict) else each for each in answer]
    return {**answer, STALE: as_of} if isinstance(answer, dict) else answer
