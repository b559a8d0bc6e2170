"""Questions to the cluster, who has these paths and uuids, and their answers as they come in. No sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from .peer import Identity

PARTS = 5
"""Into how many parts the time for answers is divided."""


@dataclass(slots=True)
class Holdings:
    """The nodes that hold each path and uuid that was found; `silent` are those that did not answer."""

    paths: dict[str, list[Identity]] = field(default_factory=dict)
    uuids: dict[str, list[Identity]] = field(default_factory=dict)
    silent: list[Identity] = field(default_factory=list)

    def add(self, other: Holdings) -> None:
        """Add the answers of nodes that were asked instead of the silent ones."""
        for found, more in ((self.paths, other.paths), (self.uuids, other.uuids)):
            for name, holders in more.items():
                found.setdefault(name, []).extend(holders)
        asked = {identity.filesystem for identity in other.silent}
        self.silent = [identity for identity in self.silent if identity.filesystem in asked]


class HolderQuery:
    """A question to some nodes. With `first`, it is settled as soon as one of them has anything."""

    def __init__(self, asked: Sequence[Identity], first: bool) -> None:
        self.holdings = Holdings()
        self._first = first
        self._waiting = {identity.uuid: identity for identity in asked}
        self._settled = asyncio.Event()

    @property
    def asked(self) -> list[str]:
        """The uuids of those whose answers count."""
        return list(self._waiting)

    def answer(self, uuid: str, paths: list[str], uuids: list[str]) -> None:
        """Count the answer of one node, but no second answer and none that nobody asked for."""
        identity = self._waiting.pop(uuid, None)
        if identity is None:
            return
        for found, names in ((self.holdings.paths, paths), (self.holdings.uuids, uuids)):
            for name in names:
                found.setdefault(name, []).append(identity)
        if not self._waiting or (self._first and (paths or uuids)):
            self._settled.set()

    def excuse(self, uuid: str) -> None:
        """Wait no longer for the answer of a node that is gone."""
        identity = self._waiting.get(uuid)
        if identity is not None:
            self.holdings.silent.append(identity)
            self.answer(uuid, [], [])

    async def wait(self, seconds: float) -> Holdings:
        """Wait for the answers, and return those that came in time.

        A process that stands still hears nobody, so the time is taken in parts, of which that costs one.
        """
        for _ in range(PARTS):
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds / PARTS):
                    await self._settled.wait()
                break
        else:
            self.holdings.silent += self._waiting.values()
        for found in (self.holdings.paths, self.holdings.uuids):
            for holders in found.values():
                holders.sort(key=lambda identity: (identity.node, identity.uuid))
        return self.holdings
