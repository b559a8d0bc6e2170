"""Volumes whose changes are acknowledged only when a copy has them: `emerge replicate PATH --copies N --sync`.

A follower asks for what is after a position once it has all up to there on its disk, so the owner knows how far each
is. After a commit it waits until one has come that far. When none asks, the next change is refused before it is made.
"""

from __future__ import annotations

import asyncio
from time import monotonic

from ..cluster.volume import Volume
from ..errors import Unavailable
from ..filesystem.layout.moment import utc_now
from .volumes import Volumes

PATIENCE = 3.0
"""Seconds in which a copy must have what was committed."""

SILENCE = 5.0
"""Seconds after which a copy that asks for nothing is not here. One that waits for news asks every two."""


class Synchrony:
    """How far the copies are of what this node owns."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes
        self._reached: dict[str, int] = {}
        self._heard: dict[str, float] = {}
        self._asked: dict[str, str] = {}
        self._more = asyncio.Event()

    def note(self, follower: str, position: int) -> None:
        """A follower asks for what is after a position."""
        self._heard[follower] = monotonic()
        self._asked[follower] = utc_now()
        if position != self._reached.get(follower):
            self._reached[follower] = position
            self._more.set()
            self._more = asyncio.Event()

    def followers(self) -> dict[str, list[object]]:
        """How far each follower was when it asked last, and when that was; only of this process's time."""
        return {follower: [self._reached.get(follower, 0), when] for follower, when in self._asked.items()}

    def reached(self, path: str) -> int:
        """The position that all copies of a volume are at, or beyond."""
        table = self._volumes.table
        copies = table.copies(path) if table is not None else []
        return min((self._reached.get(each.filesystem, 0) for each in copies), default=1 << 62)

    def check(self, filesystem: str) -> None:
        """Check that a filesystem may be changed: one copy of each volume that needs it was heard lately.

        Raises:
            Unavailable: none was.
        """
        for volume in self._volumes_of(filesystem):
            heard = max((self._heard.get(each, -SILENCE) for each in self._copies(volume)), default=-SILENCE)
            if heard < monotonic() - SILENCE:
                raise Unavailable(
                    f"no copy of {volume.path} is here, and its changes must be on one",
                    path=volume.path,
                    remedy=f"start a node that has one, or do without: emerge replicate {volume.path} --no-sync",
                )

    async def wait(self, filesystem: str, position: int) -> None:
        """Wait until a copy of each volume that needs it has what a filesystem committed.

        Raises:
            Unavailable: it takes too long; with `details["unknown"]`, since the change is made here.
        """
        for volume in self._volumes_of(filesystem):
            try:
                async with asyncio.timeout(PATIENCE):
                    while max((self._reached.get(each, 0) for each in self._copies(volume)), default=0) < position:
                        await self._more.wait()
            except TimeoutError:
                raise Unavailable(
                    f"a change in {volume.path} is on its owner, and on no copy yet",
                    path=volume.path,
                    remedy="look what is there before you repeat it",
                    unknown=True,
                ) from None

    def _volumes_of(self, filesystem: str) -> list[Volume]:
        table = self._volumes.table
        if table is None or not table.sync:
            return []
        return [each for each in table.volumes if each.filesystem == filesystem and each.path in table.sync]

    def _copies(self, volume: Volume) -> list[str]:
        table = self._volumes.table
        return [each.filesystem for each in table.copies(volume.path)] if table is not None else []
