"""The two filesystems as cells have them: of each, and of the selected one, a blocking client and an async one."""

from __future__ import annotations

from typing import Any

from ...clients.client import Client
from ...clients.sync import SyncClient
from ...errors import Invalid
from ...operations import Transport
from ..guests.consent import AskingClient, CodeConsent
from ..protocol.option import PlaceName
from .cause import CausedTransport
from .trace import TracedTransport


class ShellPlace:
    """A filesystem's clients, which ask before they load a class.

    `client` is awaited, `sync` blocks. They share nothing: the latter may wait in a loop of its own (`nested_loop`).
    """

    def __init__(self, name: PlaceName, filesystem: Transport, consent: CodeConsent) -> None:
        self.name: PlaceName = name
        self.filesystem = filesystem = TracedTransport(name, CausedTransport(filesystem))
        self.client: Client = AskingClient(filesystem, consent, Client(filesystem), name)
        self.blocking: Client = AskingClient(filesystem, consent, Client(filesystem), name)
        self.sync = SyncClient(self._open, name)

    async def _open(self) -> Client:
        return self.blocking


class Switch:
    """The place that `fs` refers to, as selected by the console's switch."""

    def __init__(self, places: dict[PlaceName, ShellPlace]) -> None:
        self.places: dict[str, ShellPlace] = dict(places.items())
        self.where: PlaceName = "cluster"
        self.sync = FollowingClient(self)

    def place_of(self, client: object, name: str) -> ShellPlace:
        """Return the place of a client, or, where that is not known, of this name in cells."""
        for place in self.places.values():
            if client is place.sync or client is place.client or client is place.blocking:
                return place
        return self.places.get(name.removeprefix("a"), self.place)

    def find(self, where: str) -> ShellPlace:
        """Return the place of that name. Raises Invalid for an unknown name."""
        if where not in self.places:
            raise Invalid(f"there is no filesystem called {where!r}", remedy="local or cluster")
        return self.places[where]

    @property
    def place(self) -> ShellPlace:
        return self.places[self.where]


class FollowingClient(SyncClient):
    """The `fs` of cells: the sync client of the selected place."""

    def __init__(self, switch: Switch) -> None:
        super().__init__(self._follow, "fs")
        self._switch = switch

    async def _follow(self) -> Client:
        return self._switch.place.blocking

    async def _ready(self) -> Client:
        return self._switch.place.blocking

    def __repr__(self) -> str:
        return f"<fs: {self._switch.where}>"


class FollowingAsync:
    """The `afs` of cells: the async client of the selected place, for browsers where Python cannot block."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._switch.place.client, name)

    def __repr__(self) -> str:
        return f"<afs: {self._switch.where}>"
