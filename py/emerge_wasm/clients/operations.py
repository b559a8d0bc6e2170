"""How a client calls: by a transport, on somebody's behalf, so many calls at a time. Names no operation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from ..errors import Invalid
from ..operations import Transport, Wire, find_operation
from ..paths import split_path

AT_ONCE = 192
"""Calls of one client that are under way; more wait here, for a relay refuses those beyond 256 (streams count too)."""

PAGE = 1000


class Calling:
    """Calls and streams of one transport, in one context."""

    def __init__(self, transport: Transport, context: Wire | None = None) -> None:
        self.transport = transport
        self.context = context or {}  # on whose behalf, see `Context.narrowed`
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def _call(self, operation: str, *args: Any) -> Any:
        try:
            async with self._turns:
                return await self.transport.call(operation, list(args), self.context or None)
        except Invalid:
            _check_paths(operation, args)
            raise

    async def _stream(self, operation: str, *args: Any) -> AsyncGenerator[Any, None]:
        items = self.transport.stream(operation, list(args), self.context or None)
        try:
            async for item in items:
                yield item
        except Invalid:
            _check_paths(operation, args)
            raise
        finally:  # now, not when the garbage collector finds it: it holds a place on the other side
            if isinstance(items, AsyncGenerator):
                await items.aclose()


def _check_paths(operation: str, args: tuple[Any, ...]) -> None:
    """Refuse, by name, a path that could not even be written; the transport knows it only as a place in a message."""
    for parameter, value in zip(find_operation(operation).parameters, args, strict=False):
        if parameter.name in ("path", "source", "target", "first", "second"):
            split_path(value)
