"""A transport that gives each change an id, made of a prefix and its number.

Who does the same work again changes nothing twice. The work must make its changes in the same order each time; what it
reads may differ.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

from ...operations import Transport, Values, Wire, find_operation


class NumberedTransport:
    """Another transport, with a call id for each change. It does not close that one, which others use too."""

    def __init__(self, transport: Transport, prefix: str) -> None:
        self._transport = transport
        self._prefix = prefix
        self._numbers = count(1)

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        if find_operation(name).recorded and not (context or {}).get("call_id"):
            context = {**(context or {}), "call_id": f"{self._prefix} {next(self._numbers)}"}
        answer: object = await self._transport.call(name, args, context)
        return answer

    def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncIterator[object]:
        return self._transport.stream(name, args, context)

    async def close(self) -> None: ...
