"""How the connection to the relay stands, told to the page. Reconnecting by itself is the transport's work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ...clients.transports.websocket import CONNECTING, NO_NODE, ONLINE, WebSocketTransport
from ...errors import EmergeError
from .place import Place

Tell = Callable[[dict[str, Any]], None]

SETTLE = 1.0
"""Seconds after a failed greeting until the next."""


class Connection:
    """Puts the relay's node behind a place while it is there."""

    def __init__(self, place: Place, url: str, tell: Tell) -> None:
        self.place = place
        self.online = asyncio.Event()
        self.transport = WebSocketTransport(url, on_status=self._stands)
        self._tell = tell
        self._greeting: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin; failing is told like any other loss, and tried again."""
        self._tell({"state": "connecting"})
        try:
            await self.transport.open()
        except EmergeError as error:
            self._lose(error.message)

    def _stands(self, state: str, detail: str) -> None:
        if self._greeting is not None:
            self._greeting.cancel()
            self._greeting = None
        if state == ONLINE:
            self._greeting = asyncio.ensure_future(self._greet())
        elif state == NO_NODE:
            self._lose("the relay is there, its node is not")
        elif state == CONNECTING:
            self._tell({"state": "connecting"})
        else:
            self._lose(detail or state)

    async def _greet(self) -> None:
        """Ask who is there, until it answers."""
        while True:
            try:
                hello = await self.transport.call("hello", [])
            except EmergeError as error:
                self._lose(error.message)
                await asyncio.sleep(SETTLE)
            else:
                return self._gain(hello)

    def _gain(self, hello: dict[str, Any]) -> None:
        self.place.behind = self.transport
        self.place.principal = hello["principal"]
        self.place.opened.set()
        self.online.set()
        self._tell({"state": "connected", "node": hello["node"], "durability": hello["durability"]})

    def _lose(self, reason: str) -> None:
        self.place.behind = None
        self.place.reason = reason
        self.place.opened.set()
        self.online.clear()
        self._tell({"state": "offline", "reason": reason})
