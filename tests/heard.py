"""Hear of a change: who has just begun to listen cannot tell from when on it is heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def heard(news: AsyncIterator[T], change: Callable[[], Awaitable[object]], seconds: float = 30.0) -> T:
    """Return the next of the news, which the change makes: it is made again until it is heard."""
    coming = asyncio.ensure_future(anext(news))  # type: ignore[arg-type]  # an awaitable
    try:
        async with asyncio.timeout(seconds):
            while not coming.done():
                await change()
                await asyncio.wait([coming], timeout=0.3)
            return await coming
    finally:
        coming.cancel()
