"""Whom a node meets: those of its filesystem or cluster, who are who they say, each name once.

Of two nodes of one name the second is refused by whoever knows the first. One that has the first one's filesystem too
may be that one, started again: then it is found out whether the first is still there. When both came at once, each to
another node, everybody takes the one that started first, once that one answers.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..clients.keys.credential import Credential
from ..errors import Invalid, PermissionDenied
from .detector import Detector
from .peer import Identity
from .view import View


class Acquaintance:
    """Decides who is met. An observer meets all: it has no filesystem."""

    def __init__(self, view: View, detector: Detector, credential: Credential | None, *, observer: bool) -> None:
        self._view = view
        self._detector = detector
        self._credential = credential
        self._observer = observer

    def may_meet(self, identity: Identity) -> bool:
        """Tell whether a node is of the own filesystem or cluster, and has not said that it leaves."""
        return identity.uuid not in self._view.departed and (self._observer or self._view.own.is_akin(identity))

    # --- who somebody is
    def check_name(self, said: str, shown: str) -> None:
        """Believe a name only when it is that of the key.

        Raises:
            PermissionDenied: it is another.
        """
        if self._credential is not None and said != shown:
            raise PermissionDenied(f"{shown or 'somebody'} speaks as {said}", remedy="a node has the name of its key")

    def check_speaker(self, uuid: str, shown: str) -> None:
        """Believe who says to be a node that is known only when the key is that node's. Raises PermissionDenied."""
        if (peer := self._view.peers.get(uuid)) is not None:
            self.check_name(peer.identity.node, shown)

    # --- names
    def namesake(self, identity: Identity) -> Identity | None:
        """A node that is here under the name of another one; it is found out whether it still is."""
        known = self._view.namesake(identity)
        if known is not None and _is_former(known, identity) and known.uuid in self._view.peers:
            self._detector.check(self._view.peers[known.uuid], deaf=True)
        return known

    def check_namesake(self, identity: Identity) -> None:
        """Refuse a node that has the name of another one.

        Raises:
            Invalid: it has, or the other one may be itself before it was started again.
        """
        if (known := self.namesake(identity)) is not None:
            raise Invalid(
                f"a node called {known.node} is in the cluster, at {known.rpc}; this one is at {identity.rpc}",
                remedy="start one of them with another --name",
            )

    async def admit(self, identity: Identity) -> None:
        """Meet a node that introduces itself.

        Raises:
            Invalid: another one has its name.
        """
        known = self._view.namesake(identity)
        if known is not None and _is_former(known, identity) and not await self._detector.reaches(known):
            self._view.forget(known.uuid, "gone")  # the other is that one, started again
        self.check_namesake(identity)
        self._view.meet(identity)

    def hear_of(self, others: Iterable[Identity]) -> list[Identity]:
        """Meet the nodes that another one knows, unless their endpoint belongs to a newer one by now.

        Return those that started before the node of their name here: whether they live, only they can say.
        """
        known = [self._view.own, *(peer.identity for peer in self._view.peers.values())]
        taken = {identity.uuid for identity in known} | {identity.rpc for identity in known}
        earlier: list[Identity] = []
        for identity in others:
            if self._credential is not None and not self._credential.ring.members(identity.node):
                continue  # whoever it is, nobody here knows its key
            if taken.isdisjoint((identity.uuid, identity.rpc)) and self.may_meet(identity):
                if (namesake := self.namesake(identity)) is None:
                    self._view.meet(identity)
                elif self.is_later(namesake, identity):
                    earlier.append(identity)
        return earlier

    def is_later(self, known: Identity, identity: Identity) -> bool:
        """Tell whether a node that is here started after its namesake, which may take its place."""
        return known is not self._view.own and (identity.since, identity.uuid) < (known.since, known.uuid)

    def make_way(self, identity: Identity) -> None:
        """Take a node that is here for none when its namesake, which answers, started before it."""
        known = self._view.namesake(identity)
        if known is not None and self.is_later(known, identity):
            self._view.forget(known.uuid, "left")


def _is_former(known: Identity, identity: Identity) -> bool:
    return (known.node, known.filesystem) == (identity.node, identity.filesystem)
