"""The filesystem of a call that runs at the far end of a link."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import cast

from ...operations import Values, Wire
from ...wire.event import SentArguments, packed
from ...wire.link import Link
from .object_rows import read_page

OBJECT_PAGES = "objects.following"
"""Asks for a page of `objects` and those that follow, as a stream. Of the page's own filesystem they are written by
`object_rows`."""

PAGES = 3
"""How many pages may come before they are taken: each has up to 4 MiB of states."""


class LinkHost:
    """The Host of a call, and a Transport: forwards requests over a link, their names after a prefix.

    `reads_ahead`: the other end answers OBJECT_PAGES.
    """

    def __init__(
        self, link: Link, write: Callable[[str], None], prefix: str = "", *, reads_ahead: bool = False
    ) -> None:
        self._link = link
        self._prefix = prefix
        self.write = write
        self.reads_ahead = reads_ahead

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        sent = packed(args) if name == "storeall" else args  # whose rows are plain
        return await self._link.call(self._prefix + name, cast("SentArguments", sent), context=context)

    def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncGenerator[object, None]:
        if self.reads_ahead and name == "objects":
            return self._object_pages(args, context)
        return self._link.stream(self._prefix + name, args, context)

    async def _object_pages(self, args: Values, context: Wire | None) -> AsyncGenerator[object, None]:
        async with aclosing(self._link.stream(self._prefix + OBJECT_PAGES, args, context, slots=PAGES)) as pages:
            async for page in pages:
                yield read_page(page)

    async def close(self) -> None:
        """Do nothing: the link is not the caller's."""
