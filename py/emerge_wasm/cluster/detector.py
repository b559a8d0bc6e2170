"""The failure detector: a node that falls silent is asked, then others are asked whether they reach it.

Announcements are lost, links are cut, and a busy machine is late: none of that is a death. A node is gone when it is
silent, answers no call from here, and none from those that are asked to call it. So a cut between two nodes parts
these two only. Knows no sockets; how a node is called, and how another is asked to call it, is injected.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine

from ..errors import EmergeError
from .peer import Identity, Peer
from .times import TICKS, Times, settled
from .view import View

PROBERS = 3
"""So many others are asked."""

PULL_PERIODS = 5
"""A member is asked for what it knows each so many periods, whatever was announced."""

Pull = Callable[[Identity], Awaitable[None]]
"""Ask a node who it is and whom it knows; that it answers is told to the view. Raises an EmergeError."""

AskProbe = Callable[[Identity, Identity], Awaitable[bool]]
"""(whom to ask, about whom) -> whether that one answers there."""

Spawn = Callable[[Coroutine[object, object, None], str], object]


class Detector:
    """Watches the nodes of a view. `suspected` is told of each member that is asked about."""

    def __init__(
        self,
        view: View,
        times: Times,
        pull: Pull,
        probe: AskProbe,
        spawn: Spawn,
        suspected: Callable[[Identity], None],
    ) -> None:
        self._view = view
        self._times = times
        self._pull = pull
        self._probe = probe
        self._spawn = spawn
        self._suspected = suspected
        self._ticks = 0

    def tick(self) -> None:
        """Half a period has passed.

        Ticks are counted, not seconds: what was said while this process stood still waits to be read.
        """
        for peer in list(self._view.peers.values()):
            peer.missed += 1
            if peer.cut or peer.missed * self._times.tick > self._times.suspicion:
                self.check(peer)
        self._ticks += 1
        if self._ticks % (PULL_PERIODS * TICKS) == 0 and self._view.members:
            self.pull(random.choice(self._view.members))

    def pull(self, identity: Identity) -> None:
        """Ask a node for what it knows; it is no matter when it does not answer now."""
        self._spawn(self._pull_once(identity), "pull")

    async def reaches(self, identity: Identity) -> bool:
        """Tell whether a node answers a call from here in time."""
        work = asyncio.ensure_future(self._answers(identity))
        try:
            return await settled(work, self._times.probe)
        finally:
            work.cancel()

    def check(self, peer: Peer, *, refused: bool = False, deaf: bool = False) -> None:
        """Find out whether a node is there.

        One that `refused` a call is asked by others only; one that is `deaf`, and so cannot know this one, must answer
        here, though it is heard.
        """
        if not peer.checked:
            peer.checked = True
            self._spawn(self._check(peer, refused, deaf or refused or peer.cut), "check")

    async def _pull_once(self, identity: Identity) -> None:
        await self.reaches(identity)

    async def _check(self, peer: Peer, refused: bool, must_answer: bool) -> None:
        direct = asyncio.ensure_future(_no() if refused else self._answers(peer.identity))
        indirect: asyncio.Future[bool] | None = None
        try:
            if await settled(direct, self._times.probe / 2):
                return
            if peer.is_member and not must_answer:
                self._suspected(peer.identity)
            indirect = asyncio.ensure_future(self._is_reached(peer.identity))
            reached = await settled(indirect, self._times.probe * 1.2)
            if self._view.peers.get(peer.identity.uuid) is not peer or (direct.done() and direct.result()):
                return
            heard = peer.missed * self._times.tick <= self._times.suspicion
            if heard and not must_answer:
                return
            if reached or heard:
                self._view.cut_off(peer)
            else:
                self._view.forget(peer.identity.uuid, "gone")
        finally:
            peer.checked = False
            for work in (direct, indirect):
                if work is not None:
                    work.cancel()

    async def _answers(self, identity: Identity) -> bool:
        try:
            await self._pull(identity)
        except (EmergeError, LookupError, TypeError):
            return False
        return True

    async def _is_reached(self, identity: Identity) -> bool:
        """Ask some others whether they reach a node."""
        members = [member for member in self._view.members if member != identity]
        asked = random.sample(members, min(PROBERS, len(members)))
        probes = [asyncio.ensure_future(self._probe(member, identity)) for member in asked]
        try:
            for answer in asyncio.as_completed(probes):
                if await answer:
                    return True
            return False
        finally:
            for probe in probes:
                probe.cancel()


async def _no() -> bool:
    return False
