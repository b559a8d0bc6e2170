"""Slow down who guesses tokens: of an address from which many were wrong, the answers to more wrong ones come late.

A token that is right is never waited for, wherever it comes from.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from ipaddress import IPv6Address, ip_address

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FREE = 10
"""Wrong tokens of an address in a minute that are answered at once."""

MINUTE = 60.0

ADDRESSES = 10_000
"""Addresses that are remembered."""

_MARK = "emerge.guess"

Pause = Callable[[float], Awaitable[object]]


def note_guess(connection: HTTPConnection) -> None:
    """Note that what was shown on this connection is no token."""
    connection.scope[_MARK] = True


class SlowGuesses:
    """An ASGI application whose answers to noted guesses are slowed down. `clock` is in seconds, monotonic."""

    def __init__(self, app: ASGIApp, clock: Callable[[], float] = time.monotonic, pause: Pause = asyncio.sleep) -> None:
        self._app = app
        self._clock = clock
        self._pause = pause
        self._wrong: Counter[str] = Counter()
        self._ends = 0.0  # of the minute that is counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_late(message: Message) -> None:
            if scope.pop(_MARK, False):
                await self._hold_up(_address(scope))
            await send(message)

        await self._app(scope, receive, send_late)

    async def _hold_up(self, address: str) -> None:
        """Wait the longer, the more tokens of that address were wrong in this minute: 1 s, 2 s, to 10 s."""
        now = self._clock()
        if now >= self._ends or len(self._wrong) >= ADDRESSES:
            self._wrong.clear()
            self._ends = now + MINUTE
        self._wrong[address] += 1
        more = self._wrong[address] - FREE
        if more > 0:  # whoever waits costs no more than whoever is connected and asks nothing
            await self._pause(min(more, 10))


def _address(scope: Scope) -> str:
    """The address that a request comes from; of IPv6 the network, of which one has all addresses."""
    client = scope.get("client")
    host = str(client[0]) if client else ""
    try:
        found = ip_address(host)
    except ValueError:
        return host
    return str(IPv6Address(int(found) >> 64 << 64)) if isinstance(found, IPv6Address) else host
