"""Answers of a filesystem from which a volume was given away meanwhile: what was asked before may find nothing there.

A call that only reads is asked again, and so is a change that found nothing; nothing was done then.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing

from ..cluster.volume import MountTable
from ..errors import NotFound, Unavailable
from ..operations import Answer
from .paths import owned_paths
from .stale import reads
from .volumes import Volumes


def watch_volumes(volumes: Volumes, name: str, args: Sequence[object], answer: Answer) -> Answer:
    """Return the answer of a filesystem, unless what it is about was given to another one since it began.

    The answer raises Unavailable then, with `details["mounted"]`.
    """
    began = _Began(volumes, name, args)
    return _watch_items(began, answer) if isinstance(answer, AsyncIterator) else _watch(began, answer)


class _Began:
    """A call, and who owned what when it began."""

    __slots__ = ("_args", "_name", "_table", "_under_way", "_volumes")

    def __init__(self, volumes: Volumes, name: str, args: Sequence[object]) -> None:
        self._volumes, self._name, self._args = volumes, name, args
        self._table = volumes.table
        self._under_way = under_way(volumes)

    def check(self, found: bool) -> None:
        """Check that what it is about is where it was; a change that has `found` it was made.

        Raises:
            Unavailable: it is not.
        """
        now = self._volumes.table
        if now is self._table and under_way(self._volumes) == self._under_way:
            return
        if found and not reads(self._name):
            return
        paths = owned_paths(self._name, self._args)
        self._volumes.check_given(paths)
        if (
            self._table is None
            or now is None
            or all(_owners(now, path) == _owners(self._table, path) for path in paths)
        ):
            return
        raise Unavailable(
            f"{paths[0]} has become another node's meanwhile", path=paths[0], remedy="try again", mounted=True
        )


def under_way(volumes: Volumes) -> list[str]:
    """What is being given or taken."""
    return [*volumes.given, *volumes.taken] if volumes.given or volumes.taken else []


async def _watch(began: _Began, answer: Awaitable[object]) -> object:
    try:
        found = await answer
    except NotFound:
        began.check(False)
        raise
    began.check(True)
    return found


async def _watch_items(began: _Began, answer: AsyncIterator[object]) -> AsyncGenerator[object, None]:
    async with aclosing(answer) as items:  # type: ignore[type-var]  # an async generator
        try:
            async for item in items:
                yield item
        except NotFound:
            began.check(False)
            raise
    began.check(True)


def _owners(table: MountTable, path: str) -> list[tuple[str, str]]:
    """Who owns a path, and what others own below it."""
    own = (path, table.volume_of(path).filesystem)
    return [own, *((each.path, each.filesystem) for each in table.borders_below(path))]
