"""The pages of a directory's objects, each asked for before it is needed.

A transport may offer, by an attribute `reads_ahead` that is true, that its `stream` of `objects` gives a page and those
that follow: then the other side reads them while earlier ones are on their way. Else each page is asked for by itself,
and the next one only where the cursor of the one before is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

from ..context import Wire
from ..operations import Operations, Transport, find_operation
from ..results import ObjectPage
from .partial import take_age

_OBJECTS = find_operation("objects")


def reads_ahead(transport: object) -> bool:
    """Whether a transport offers pages ahead."""
    return bool(getattr(transport, "reads_ahead", False))


class ObjectPages:
    """Gives pages one after the other: `take` the next one, or `ask` for it before. `close` ends what is under way."""

    def __init__(
        self, remote: Operations, transport: Transport, context: Wire, path: str, limit: int, as_of: str
    ) -> None:
        self._remote = remote
        self._transport = transport
        self._context = context
        self._path, self._limit, self._as_of = path, limit, as_of
        self._cursor: str | None = ""  # None: there are no more
        self._ahead: asyncio.Future[ObjectPage] | None = None
        self._following: AsyncGenerator[ObjectPage, None] | None = None

    async def ask(self) -> None:
        """Ask for the next page, if there is one. A method on a node has no event loop, and asks when it needs it."""
        if self._cursor is not None and self._ahead is None and asyncio._get_running_loop() is not None:
            self._ahead = asyncio.ensure_future(self._page(self._cursor))
            await asyncio.sleep(0)  # it is asked for

    async def take(self) -> ObjectPage | None:
        """Return the next page; None if there is none. One that was not asked for takes no task: a method has none."""
        if self._ahead is not None:
            page = await self._ahead
            self._ahead = None
        elif self._cursor is not None:
            page = await self._page(self._cursor)
        else:
            return None
        self._cursor = page["cursor"] or None
        return page

    async def close(self) -> None:
        """End what is under way."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.cancel()
            await asyncio.wait([ahead])
            if not ahead.cancelled():
                ahead.exception()  # whoever left did not ask for it
        if self._following is not None:
            await self._following.aclose()

    async def _page(self, cursor: str) -> ObjectPage:
        if cursor and self._following is None and reads_ahead(self._transport):
            args = _OBJECTS.without_defaults([self._path, cursor, self._limit, self._as_of])
            pages = self._transport.stream("objects", args, self._context or None)
            self._following = cast("AsyncGenerator[ObjectPage, None]", pages)  # as every stream of a transport
        if self._following is not None:
            page = await anext(self._following)
            take_age(page)
            return page
        return await self._remote.objects(self._path, cursor, self._limit, self._as_of)
