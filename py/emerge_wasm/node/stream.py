"""Streams of one path: they come from the node that owns it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..operations import Arguments, Context
from .locate import Locator
from .objects import Route


class StreamRoutes:
    """Make the routes of operations that stream what is at one path."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator

    def follow(self, name: str) -> Route:
        async def follow(args: Arguments, context: Context) -> AsyncGenerator[object, None]:
            async with aclosing(self._locator.stream(args.path, name, args, context)) as items:
                async for item in items:
                    yield item

        return follow
