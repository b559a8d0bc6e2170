"""What an object gives as bytes when it is read: bytes or text, or an iterable of those, cut and joined to parts."""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from ....errors import Invalid, LimitExceeded

Give = Callable[[bytes], Awaitable[None]]
"""Takes a part; it waits while the reader does not."""

PART_BYTES = 64 << 10
SOON = 0.05
"""Seconds that bytes wait for more of them to make a part, as far as there is a next one."""

_WHOLE = bytes | bytearray | memoryview | str


class _Parts:
    """Joins what comes to parts, and cuts what is too large for one."""

    def __init__(self, give: Give) -> None:
        self._give = give
        self._waiting = bytearray()
        self._last = time.monotonic()

    async def add(self, item: object) -> None:
        if not isinstance(item, _WHOLE):
            raise Invalid(
                f"it gives a {type(item).__name__}, not bytes",
                remedy="let the method give bytes, text or those one by one",
            )
        data = item.encode() if isinstance(item, str) else item
        for begin in range(0, len(data), PART_BYTES):
            self._waiting += data[begin : begin + PART_BYTES]
            while len(self._waiting) >= PART_BYTES:
                await self._pass(PART_BYTES)
        if self._waiting and time.monotonic() > self._last + SOON:
            await self.end()

    async def end(self) -> None:
        if self._waiting:
            await self._pass(len(self._waiting))

    async def _pass(self, size: int) -> None:
        part = bytes(self._waiting[:size])
        del self._waiting[:size]
        await self._give(part)
        self._last = time.monotonic()


async def pour(value: object, give: Give) -> None:
    """Give the bytes of what a method returned, one part after the other, as they are made."""
    parts = _Parts(give)
    if inspect.isawaitable(value):
        value = await value
    try:
        if isinstance(value, AsyncIterator):
            async for item in value:
                await parts.add(item)
        elif isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray, memoryview, str, dict)):
            for item in value:
                await parts.add(item)
        else:
            await parts.add(value)
    finally:
        if inspect.isgenerator(value):
            value.close()
        elif inspect.isasyncgen(value):
            await value.aclose()
    await parts.end()


class KeptParts:
    """Takes parts where nobody reads them as they come, up to a bound."""

    def __init__(self, most: int) -> None:
        self.data = bytearray()
        self._most = most

    async def give(self, part: bytes) -> None:
        self.data += part
        if len(self.data) > self._most:
            raise LimitExceeded(f"it gives more than {self._most} bytes at once", limit="result")
