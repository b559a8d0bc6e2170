"""The transport to a filesystem in the same process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import cast

from ...filesystem import Filesystem
from ...operations import Answer, Context, Values, Wire


class LocalTransport:
    """Calls operations of a filesystem directly, with this process's own rights unless `context` narrows them."""

    def __init__(self, filesystem: Filesystem, context: Context | None = None) -> None:
        self.filesystem = filesystem
        self.context = context or Context(superuser=True, via="local")
        if self.context.superuser:
            filesystem.core.superusers.add(self.context.principal)

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        return await cast("Awaitable[object]", self._dispatch(name, args, context))

    def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncIterator[object]:
        return cast("AsyncIterator[object]", self._dispatch(name, args, context))

    async def close(self) -> None:
        await self.filesystem.close()

    def _dispatch(self, name: str, args: Values, wanted: Wire | None) -> Answer:
        return self.filesystem.dispatch(name, args, self.context.narrowed(wanted, self.filesystem.core.is_superuser))
