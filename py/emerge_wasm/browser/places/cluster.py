"""Connects a place to the relay's node and reports the connection's state. The transport reconnects by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ...clients.transports.websocket import CONNECTING, NO_NODE, ONLINE, REFUSED, WebSocketTransport
from ...errors import EmergeError
from ...results import NodeInfo, VolumeRows
from ..protocol.event import ConnectionState
from .place import TabPlace

SETTLE = 1.0
"""Seconds from a failed `hello` to the next."""


class Connection:
    """Connects a place to the relay's node while that is available, and tells the page."""

    def __init__(self, place: TabPlace, url: str, tell: Callable[[ConnectionState], object]) -> None:
        self.place = place
        self.transport = WebSocketTransport(url, on_status=self._stands)
        self._tell = tell
        self._greeting: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start connecting; a failure is reported like a loss, and retried."""
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
        """Call `hello` until the node answers."""
        while True:
            try:
                hello = await self.place.gain(self.transport, alone=False)
                cluster = await self._cluster(hello)
            except EmergeError as error:
                self._lose(error.message)
                await asyncio.sleep(SETTLE)
            else:
                self._tell(
                    {
                        "state": "connected",
                        "node": hello["node"],
                        "durability": hello["durability"],
                        "principal": hello["principal"],
                        "cluster": cluster,
                    }
                )
                return

    async def _cluster(self, hello: NodeInfo) -> str:
        """Return what tells this cluster from others: the filesystem that owns its `/`."""
        volumes: VolumeRows = await self.place.call("volumes", [])
        return next((each["filesystem"] for each in volumes if each["path"] == "/"), hello["uuid"])

    def _lose(self, reason: str) -> None:
        self.place.lose(reason)
        self._tell({"state": "offline", "reason": reason, "refused": self.transport.state == REFUSED})
