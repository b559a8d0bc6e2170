"""The view: which other nodes are here, as one node sees them. No sockets, no clock.

A node that was met is a member once each hears the other. A member that cannot be reached from here, but by others, is
cut off: nothing can be forwarded to it, and it is not gone. A process has a uuid of its own, which nobody else has
after it: so whoever speaks is alive, and what was said of one that died holds for no later one.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Literal

from .peer import Identity, Peer

log = logging.getLogger("emerge.cluster")

MemberEvent = Literal["joined", "left", "gone", "unreachable", "reached"]
"""What happened to a member."""

MemberChange = Callable[[MemberEvent, Identity], None]

DEPARTED = 1000

TOLD = 3
"""In how many announcements a change is told."""

_IN_WORDS = {
    "joined": "joined",
    "left": "left",
    "gone": "is gone: it fell silent or refuses calls, and nobody else reaches it",
    "unreachable": "cannot be reached from here",
    "reached": "can be reached again",
}
_EVENTS: dict[tuple[str, str], MemberEvent] = {
    ("", "here"): "joined",
    ("cut", "here"): "reached",
    ("here", "cut"): "unreachable",
}


class View:
    """The nodes that were met, by uuid, and which of them are members.

    `follow` is called with a node that is met, `leave` with one that is met no more, or cut off.
    """

    def __init__(self, own: Identity, follow: Callable[[Identity], None], leave: Callable[[Peer], None]) -> None:
        self.own = own
        self.peers: dict[str, Peer] = {}
        self.members: list[Identity] = []
        self.others: list[Identity] = []
        self.version = 0
        self.callbacks: list[MemberChange] = []
        self.departed: deque[str] = deque(maxlen=DEPARTED)
        """The uuids of those that said that they leave: what is still under way brings none of them back."""
        self._follow = follow
        self._leave = leave
        self._news: list[tuple[int, Identity, int]] = []  # the version that each change made, and how often it was told

    def cut(self) -> list[Identity]:
        """The members that only others reach, by name."""
        return sorted((peer.identity for peer in self.peers.values() if peer.cut), key=_name)

    def news(self) -> tuple[int, list[Identity]]:
        """The members that came lately, and the version before; who knows none so new asks for all members."""
        since = self._news[0][0] - 1 if self._news else self.version
        changed = {identity.uuid for _, identity, _ in self._news}
        self._news = [(version, identity, told + 1) for version, identity, told in self._news if told + 1 < TOLD]
        return since, [each for each in self.members if each.uuid in changed]

    def namesake(self, identity: Identity) -> Identity | None:
        """A node that is here, and has the name of another process elsewhere."""
        known = [self.own, *self.members, *self.cut()]
        return next((each for each in known if _is_namesake(each, identity)), None)

    def meet(self, identity: Identity) -> Peer:
        """Know a node from now on, which becomes a member when each hears the other."""
        peer = self.peers.get(identity.uuid)
        if peer is not None and peer.identity == identity:
            peer.identity = identity  # it may have entered a cluster
            return peer
        for known in [known.identity for known in self.peers.values()]:
            if known.uuid == identity.uuid or known.rpc == identity.rpc:  # this one was started there after that one
                self.forget(known.uuid, "gone")
        peer = Peer(identity)
        if identity.uuid != self.own.uuid:
            self.peers[identity.uuid] = peer
            self._follow(identity)
        return peer

    def hear(self, peer: Peer, *, hears: bool, answers: bool = False) -> None:
        """A node spoke, and said whether it hears this one; or it `answers` a call, and so does."""
        before = _standing(peer)
        peer.missed = 0
        peer.speaks = True
        peer.hears = peer.hears or hears or answers
        peer.cut = peer.cut and not answers
        self._review(peer, before)

    def cut_off(self, peer: Peer) -> None:
        """Forward nothing to a node any more; one that never was a member is forgotten."""
        before = _standing(peer)
        if not before:
            self.forget(peer.identity.uuid, "gone")
            return
        peer.cut = True
        self._leave(peer)
        self._review(peer, before)

    def forget(self, uuid: str, how: MemberEvent) -> None:
        peer = self.peers.pop(uuid, None)
        if peer is not None:
            self._leave(peer)
            self._review(peer, _standing(peer), how)

    def _review(self, peer: Peer, before: str, how: MemberEvent = "gone") -> None:
        """Recount the members after news of one, and call the callbacks when it came or went."""
        now = _standing(peer) if peer.identity.uuid in self.peers else ""
        if before == now:
            return
        self.members = sorted((each.identity for each in self.peers.values() if each.is_member), key=_name)
        self.others = self._choose()
        self.version += 1
        self._news.append((self.version, peer.identity, 0))
        event = _EVENTS.get((before, now), how)
        level = logging.WARNING if event in ("gone", "unreachable") else logging.INFO
        log.log(level, "node %s (%s) %s", peer.identity.node, peer.identity.rpc, _IN_WORDS[event])
        for callback in list(self.callbacks):
            callback(event, peer.identity)

    def _choose(self) -> list[Identity]:
        """Choose a member for each other filesystem: the same as before while it is here.

        Different nodes choose different ones, to share the work.
        """
        serving: dict[str, list[Identity]] = {}
        for member in self.members:
            if member.filesystem != self.own.filesystem:
                serving.setdefault(member.filesystem, []).append(member)
        turn, before = int(self.own.uuid, 16), set(self.others)
        return [
            next((member for member in members if member in before), members[turn % len(members)])
            for members in serving.values()
        ]


def _standing(peer: Peer) -> str:
    return "cut" if peer.cut else "here" if peer.is_member else ""


def _is_namesake(one: Identity, other: Identity) -> bool:
    return one.node == other.node != "" and one.uuid != other.uuid and one.rpc != other.rpc


def _name(identity: Identity) -> tuple[str, str]:
    return identity.node, identity.uuid
