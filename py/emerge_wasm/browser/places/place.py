"""The two filesystems of a tab: `local` (IndexedDB, here) and `cluster` (the relay), each with its clients.

A place outlives its connection: its clients stay, and raise `Unavailable` while nothing is behind them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from ...clients.client import Client
from ...clients.sync import SyncClient
from ...errors import EmergeError, Invalid, Unavailable
from ...operations import Transport, Values, Wire, find_operation
from ...results import ChangePage, NodeInfo
from ..guests.consent import AskingClient, Consent
from ..protocol import PlaceName
from .changes import EmitChange, watch_changes

LOG = logging.getLogger("emerge.browser")

PAUSE = 0.5
"""Seconds after a watch ended until the next: the end may be known before the loss of the connection is."""


class TabPlace:
    """A filesystem by its name in cells. It is a Transport: to what is behind it now.

    `client` is what cells use: it loads no class unasked. `reader` is for looking, and loads none. `principal` is who
    the user is there, None while that is not known.
    """

    def __init__(self, name: PlaceName, remedy: str, consent: Consent) -> None:
        self.name: PlaceName = name
        self.remedy = remedy
        self.reason = "it is not opened yet"
        self.behind: Transport | None = None
        self.opened = asyncio.Event()  # whether it is known by now what is behind it
        self.online = asyncio.Event()  # whether something is
        self.on_change: Callable[[], None] = lambda: None  # after an operation that changes state
        self.principal: str | None = None
        self.reader = Client(self)
        self.client: Client = AskingClient(self, consent, self.reader, name)
        self.sync = SyncClient(self._open, name)
        self._since = -1  # the position of its log that everything listed is as new as
        self._node = ""

    async def _open(self) -> Client:
        return self.client

    # --- what is behind it
    async def gain(self, transport: Transport, *, alone: bool) -> NodeInfo:
        """Put this behind it, and return who answers there. `alone`: there are no other nodes.

        Nothing is listed before it is known where the log stands, so that no change after it is missed.
        """
        hello: NodeInfo = await transport.call("hello", [])
        self._since = await _position(transport)
        self._node = "" if alone else hello["node"]
        self.principal = hello["principal"]
        self.behind = transport
        self.opened.set()
        self.online.set()
        return hello

    def lose(self, reason: str) -> None:
        """Say why nothing is behind it any more."""
        if self.behind is not None:
            LOG.warning("%s was lost: %s", self.name, reason)
        self.behind = None
        self.reason = reason
        self.opened.set()
        self.online.clear()

    def is_mine(self, pointer: Mapping[str, object]) -> bool:
        """Whether the object with this pointer belongs to the user."""
        return self.principal is not None and pointer.get("owner") == self.principal

    async def follow(self, emit: EmitChange) -> None:
        """Emit every change that a listing does not show yet, for as long as the tab lives."""
        while True:
            await self.online.wait()
            transport = self.behind
            await watch_changes(self.client, emit, self._since, self._node)
            await asyncio.sleep(PAUSE)
            if self.behind is transport:  # otherwise everything is listed again when it is back
                await self._list_again(emit)

    async def _list_again(self, emit: EmitChange) -> None:
        """Have everything listed again that is shown: the watch ended, and changes may have been missed."""
        try:
            self._since = await _position(self.now())
        except EmergeError as error:
            LOG.warning("%s does not tell what changes: %s", self.name, error)
        else:
            emit("many", "/", None)

    # --- as a transport
    def now(self) -> Transport:
        """What is behind it; Unavailable, naming the other place, when there is nothing."""
        if self.behind is None:
            raise Unavailable(f"{self.name} is out of reach: {self.reason}", remedy=self.remedy)
        return self.behind

    async def call(self, name: str, args: Values, context: Wire | None = None) -> Any:
        await self.opened.wait()
        result = await self.now().call(name, args, context)
        if find_operation(name).changes:
            self.on_change()
        return result

    async def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncGenerator[Any, None]:
        await self.opened.wait()
        items = self.now().stream(name, args, context)
        try:
            async for item in items:
                yield item
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()

    async def close(self) -> None:
        """Do nothing: the connection is the tab's, not the caller's."""


async def _position(transport: Transport) -> int:
    """Where the log of a filesystem stands."""
    page: ChangePage = await transport.call("changes", [-1])
    return page["position"]


class Switch:
    """Which of the places `fs` is: at any time the one that the console's switch says."""

    def __init__(self, local: TabPlace, cluster: TabPlace) -> None:
        self.places: dict[str, TabPlace] = {"local": local, "cluster": cluster}
        self.where: PlaceName = "cluster"
        self.sync = FollowingClient(self)

    def find(self, where: str) -> TabPlace:
        """The place of that name; Invalid for another."""
        if where not in self.places:
            raise Invalid(f"there is no filesystem called {where!r}", remedy="local or cluster")
        return self.places[where]

    @property
    def place(self) -> TabPlace:
        return self.places[self.where]


class FollowingClient(SyncClient):
    """`fs` in a cell: the sync client of the selected place."""

    def __init__(self, switch: Switch) -> None:
        super().__init__(self._follow, "fs")
        self._switch = switch

    async def _follow(self) -> Client:
        return self._switch.place.client

    async def _ready(self) -> Client:
        return self._switch.place.client

    def __repr__(self) -> str:
        return f"<fs: {self._switch.where}>"


class FollowingAsync:
    """`afs` in a cell: the same with `await`, for browsers that cannot wait inside Python."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._switch.place.client, name)

    def __repr__(self) -> str:
        return f"<afs: {self._switch.where}>"
