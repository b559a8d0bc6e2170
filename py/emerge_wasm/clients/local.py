"""The client next door: a filesystem in this very process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any, cast

from ..filesystem import Filesystem
from ..operations import Context


class LocalTransport:
    """Operations straight into a filesystem, as one principal."""

    def __init__(self, filesystem: Filesystem, context: Context | None = None) -> None:
        self.filesystem = filesystem
        self.context = context or Context()

    async def call(self, name: str, args: list[Any]) -> Any:
        return await cast("Awaitable[Any]", self.filesystem.dispatch(name, args, self.context))

    def stream(self, name: str, args: list[Any]) -> AsyncIterator[Any]:
        return cast("AsyncIterator[Any]", self.filesystem.dispatch(name, args, self.context))

    async def close(self) -> None:
        await self.filesystem.close()
