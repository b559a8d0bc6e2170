"""Leaving out what lies in volumes that a caller may not come to, where many rows of many volumes are told."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from ..errors import EmergeError
from ..operations import Context
from ..paths import child_path
from ..results import ChangeRow, PointerRow
from .locate import Locator, VolumePart


class Ways:
    """Tells whether a caller may come to a path; each volume is asked about once, as for one answer."""

    def __init__(self, locator: Locator, context: Context) -> None:
        self._locator = locator
        self._context = context
        self._open: dict[str, bool] = {}

    async def lead_to(self, path: str) -> bool:
        """Tell whether the caller may pass through all that other nodes own above the volume of a path."""
        table = self._locator.volumes.table
        if table is None or self._context.superuser:
            return True
        top = table.volume_of(path).path
        if top not in self._open:
            try:
                await self._locator.check_way(top, self._context)
                self._open[top] = True
            except EmergeError:  # closed, or it cannot be known now
                self._open[top] = False
        return self._open[top]

    async def shown(self, part: VolumePart, rows: Sequence[PointerRow]) -> list[PointerRow]:
        """The rows of one filesystem that it owns, and that the caller may come to."""
        table = self._locator.volumes.table
        found: list[PointerRow] = []
        for row in rows:
            path = child_path(row["path"], row["name"]) if row["name"] else "/"
            owned = table is None or table.volume_of(path).filesystem == part.filesystem
            if owned and await self.lead_to(path):
                found.append(row)
        return found


async def passable(
    changes: AsyncIterator[ChangeRow], locator: Locator, context: Context
) -> AsyncGenerator[ChangeRow, None]:
    """The changes of volumes that the caller may come to at the time."""
    async with aclosing(changes) as rows:  # type: ignore[type-var]  # an async generator
        async for row in rows:
            if await Ways(locator, context).lead_to(row["path"]):
                yield row
