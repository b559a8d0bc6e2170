"""The two filesystems of a tab: `local` (IndexedDB, here) and `cluster` (the relay), each with its clients.

A place outlives its connection: its clients stay, and say `Unavailable` while nothing is behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, Literal

from ...clients.client import Client
from ...clients.sync import SyncClient
from ...errors import Invalid, Unavailable
from ...operations import Transport, Wire, find_operation
from ..guests.asking import AskingClient
from ..guests.consent import Consent

Where = Literal["local", "cluster"]


class Place:
    """A filesystem by its name in cells. It is a Transport: to what is behind it now.

    `client` is what cells use: it loads no class unasked. `reader` is for looking, and loads none. `principal` is who
    the user is there, None while that is not known.
    """

    def __init__(self, name: Where, remedy: str, consent: Consent) -> None:
        self.name: Where = name
        self.remedy = remedy
        self.reason = "it is not opened yet"
        self.behind: Transport | None = None
        self.opened = asyncio.Event()  # whether it is known by now what is behind it
        self.on_change: Callable[[], None] = lambda: None  # after an operation that changes state
        self.principal: str | None = None
        self.reader = Client(self)
        self.client: Client = AskingClient(self, consent, self.reader, name)
        self.sync = SyncClient(self._open, name)

    async def _open(self) -> Client:
        return self.client

    def is_mine(self, pointer: Wire) -> bool:
        """Whether the object with this pointer belongs to the user."""
        return self.principal is not None and pointer.get("owner") == self.principal

    def now(self) -> Transport:
        """What is behind it; Unavailable, naming the other place, when there is nothing."""
        if self.behind is None:
            raise Unavailable(f"{self.name} is out of reach: {self.reason}", remedy=self.remedy)
        return self.behind

    async def call(self, name: str, args: list[Any], context: Wire | None = None) -> Any:
        await self.opened.wait()
        result = await self.now().call(name, args, context)
        if find_operation(name).changes:
            self.on_change()
        return result

    async def stream(self, name: str, args: list[Any], context: Wire | None = None) -> AsyncGenerator[Any, None]:
        await self.opened.wait()
        items = self.now().stream(name, args, context)
        try:
            async for item in items:
                yield item
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    async def close(self) -> None:
        """Nothing: the connection is the tab's, not the caller's."""


class Switch:
    """Which of the places `fs` is: at any time the one that the console's switch says."""

    def __init__(self, local: Place, cluster: Place) -> None:
        self.places: dict[str, Place] = {"local": local, "cluster": cluster}
        self.where: Where = "cluster"
        self.sync = FollowingClient(self)

    def find(self, where: str) -> Place:
        """The place of that name; Invalid for another."""
        if where not in self.places:
            raise Invalid(f"there is no filesystem called {where!r}", remedy="local or cluster")
        return self.places[where]

    @property
    def place(self) -> Place:
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
