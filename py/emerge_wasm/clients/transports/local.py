"""The client next door: a filesystem in this very process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import cast

from ...filesystem import Filesystem
from ...operations import Answer, Context, Values, Wire


class LocalTransport:
    """Operations straight into a filesystem: as whoever holds it, unless `context` says otherwise."""

    def __init__(self, filesystem: Filesystem, context: Context | None = None) -> None:
        self.filesystem = filesystem
        self.context = context or Context(superuser=True, via="local")

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        return await cast("Awaitable[object]", self._dispatch(name, args, context))

    def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncIterator[object]:
        return cast("AsyncIterator[object]", self._dispatch(name, args, context))

    async def close(self) -> None:
        await self.filesystem.close()

    def _dispatch(self, name: str, args: Values, wanted: Wire | None) -> Answer:
        return self.filesystem.dispatch(name, args, self.context.narrowed(wanted))
