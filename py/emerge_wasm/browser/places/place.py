"""The two filesystems of a tab, called places: `local` (IndexedDB) and `cluster` (the relay).

A place outlives its connection, and raises `Unavailable` while it is disconnected.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any

from ...clients.client import Client
from ...errors import EmergeError, NotFound, Unavailable
from ...operations import Transport, Values, Wire, find_operation
from ...results import ChangePage, NodeInfo
from ..protocol.option import PlaceName
from .attempt import call_once, stream_once
from .changes import EmitChange, watch_changes

LOG = logging.getLogger("emerge.browser")

PAUSE = 0.5
"""Seconds from a watch's end to the next: the end may be noticed before the loss of the connection."""


BY_PAGE: ContextVar[bool] = ContextVar("by the page", default=False)
"""Whether the page itself asks, not a cell: then a remedy is for who uses the page."""

IN_PAGE = "the page connects again by itself, and keeps what is typed; {} can be used until then"
SHOWN: dict[PlaceName, str] = {"local": "the cluster", "cluster": "this browser's own filesystem"}


class TabPlace:
    """A filesystem by its name in cells: a Transport over the current connection.

    `remedy` is for cells. `reader` is for views, and loads no class. `principal` is the user's name there, None while
    it is unknown. `pythons` are the versions that its code can run under.
    """

    def __init__(self, name: PlaceName, remedy: str) -> None:
        self.name: PlaceName = name
        self.remedy = remedy
        self.reason = "it is not opened yet"
        self.behind: Transport | None = None
        self.opened = asyncio.Event()  # set once the first attempt to connect is over
        self.online = asyncio.Event()  # set while connected
        self.on_change: Callable[[], None] = lambda: None  # called after an operation that changes state
        self.principal: str | None = None
        self.reader = Client(self)
        self.pythons: list[str] = []
        self._since = -1  # the log position that every listing includes
        self._node = ""

    # --- the connection
    async def gain(self, transport: Transport, *, alone: bool) -> NodeInfo:
        """Connect the place to a transport, and return its node. `alone`: there are no other nodes.

        The log's position is read before anything is listed, so that no later change is missed.
        """
        hello: NodeInfo = await transport.call("hello", [])
        self._since = await _position(transport)
        self._node = "" if alone else hello["node"]
        self.principal = hello["principal"]
        self.pythons = hello["pythons"]
        self.behind = transport
        self.opened.set()
        self.online.set()
        return hello

    def lose(self, reason: str) -> None:
        """Disconnect the place, for this reason."""
        if self.behind is not None:
            LOG.warning("%s was lost: %s", self.name, reason)
        self.behind = None
        self.reason = reason
        self.opened.set()
        self.online.clear()

    def is_mine(self, pointer: Mapping[str, object]) -> bool:
        """Return whether the object with this pointer belongs to the user."""
        return self.principal is not None and pointer.get("owner") == self.principal

    async def follow(self, emit: EmitChange) -> None:
        """Emit every change that a listing may not include, for as long as the tab lives."""
        while True:
            await self.online.wait()
            transport = self.behind
            await watch_changes(self.reader, emit, self._since, self._node)
            await asyncio.sleep(PAUSE)
            if self.behind is transport:  # otherwise everything is listed again after reconnecting
                await self._list_again(emit)

    async def _list_again(self, emit: EmitChange) -> None:
        """Have the page list everything again: the watch ended, and changes may have been missed."""
        try:
            self._since = await _position(self.now())
        except EmergeError as error:
            LOG.warning("%s does not tell what changes: %s", self.name, error)
        else:
            emit("many", "/", None, "")

    # --- Transport
    def now(self) -> Transport:
        """Return the current transport. Raises Unavailable, naming the other place, while disconnected."""
        if self.behind is None:
            remedy = IN_PAGE.format(SHOWN[self.name]) if BY_PAGE.get() else self.remedy
            raise Unavailable(f"{self.name} is out of reach: {self.reason}", remedy=remedy)
        return self.behind

    async def call(self, name: str, args: Values, context: Wire | None = None) -> Any:
        await self.opened.wait()
        result = await call_once(self.now(), name, args, context)
        if find_operation(name).changes:
            self.on_change()
        return result

    async def has(self, path: str) -> bool:
        """Tell whether something is at a path that the user may see."""
        try:
            await self.call("get", [path])
        except NotFound:
            return False
        return True

    async def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncGenerator[Any, None]:
        await self.opened.wait()
        async with aclosing(stream_once(self.now(), name, args, context)) as items:
            async for item in items:
                yield item

    async def close(self) -> None:
        """Do nothing: the connection is the tab's, not the caller's."""


async def _position(transport: Transport) -> int:
    """Return the newest position of a filesystem's log."""
    page: ChangePage = await transport.call("changes", [-1])
    return page["position"]
