"""The filesystem of a call that runs at the far end of a link."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from ...operations import Values, Wire
from ...wire.link import Link


class LinkHost:
    """The Host of a call, and a Transport: forwards requests over a link, their names after a prefix."""

    def __init__(self, link: Link, write: Callable[[str], None], prefix: str = "") -> None:
        self._link = link
        self._prefix = prefix
        self.write = write

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        return await self._link.call(self._prefix + name, args, context=context)

    def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncGenerator[object, None]:
        return self._link.stream(self._prefix + name, args, context)

    async def close(self) -> None:
        """Do nothing: the link is not the caller's."""
