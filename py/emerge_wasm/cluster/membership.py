"""Membership: which nodes are here, found by asking one of them and kept by announcements over PUB/SUB.

Each node announces itself every period, and what has changed; a node that leaves says so. Announcements are hints,
since they are lost: they carry the versions of what they are about, and whoever lacks one asks the node directly, as it
does now and then in any case. Nodes meet that serve one filesystem, or belong to one cluster; how a node enters a
cluster, and what the version of its mount table means, is injected, as is the server that carries their calls. Nothing
of a node is imported here.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from ..clients.keys.credential import Credential
from ..clients.transports.endpoint import advertise
from ..clients.transports.zeromq import ZeroMQTransport
from ..errors import EmergeError, Invalid, Unavailable
from ..operations import Context, Dispatch, Values, Wire
from ..version import package_version
from .acquaintance import Acquaintance
from .authenticator import Authenticator
from .broadcast import Broadcast
from .calls import CALLS
from .detector import Detector
from .inquiry import Hold, HoldBlocks, Inquiry, Show
from .joiner import Enter, Joiner, introduce
from .link import Links
from .peer import Identity, Peer, read_identity, read_texts
from .question import Holdings
from .task import Tasks
from .times import TICKS
from .times import TIMES as TIMES
from .times import Times as Times
from .view import MemberChange, MemberEvent, View

log = logging.getLogger("emerge.cluster")

Heard = Callable[[Identity, int, int], None]
"""(a member, the version of its mount table, that of its ring)."""

Register = Callable[[str, Dispatch], None]
"""Let a server answer a name outside the users' table."""

PEERS_LIMIT = 1000
SOON = 0.05
"""Of a period: how long a change waits for others, to be announced with them."""


PARTING = 0.2
"""Seconds that a node which leaves waits for others to hear of it."""


class Cluster:
    """The nodes that are here now, as this one sees them.

    `join` are RPC endpoints of nodes to meet, asked again until they answer. An observer (the relay) sees the others
    and is not seen: it needs no name and serves nothing. `filesystem` is the uuid of the filesystem that the node
    serves.

    With a `credential` peers are called and heard by key, each by its name in the ring; with `keys` this node is, too.
    `advertise` is the HOST or HOST:PORT at which others listen to what is bound at another (see `advertise`).
    """

    def __init__(
        self,
        node: str = "",
        filesystem: str = "",
        *,
        join: Iterable[str] = (),
        pub: str = "tcp://127.0.0.1:0",
        observer: bool = False,
        times: Times = TIMES,
        credential: Credential | None = None,
        keys: Authenticator | None = None,
        advertise: str = "",
    ) -> None:
        self._credential = credential
        self._advertise = advertise
        self._pub = None if observer else pub
        self._times = times
        self._broadcast = Broadcast(self._hear, self._announce_soon, credential, keys)
        self._tasks = Tasks()
        self._links = Links(self._tasks, credential)
        if keys is not None:
            keys.on_change(self._links.follow_keys)
        software = {"version": package_version(), "python": platform.python_version(), "since": _now_text()}
        own = Identity(node, uuid4().hex, filesystem, "", "", **software)
        self.view = View(own, lambda who: self._broadcast.follow(who.pub, who.node), self._leave)
        self.view.callbacks.append(self._follow_members)
        self.joiner = Joiner(self.view, join, self._links.make, self._learn)
        self._detector = Detector(self.view, times, self._pull, self._ask_probe, self._tasks.spawn, self._suspected)
        self._acquaintance = Acquaintance(self.view, self._detector, credential, observer=observer)
        self._inquiry = Inquiry(self.view, self._broadcast.say, self.link, self._tasks.spawn, times.patience)
        self._announcing = self._leaving = False
        self._malformed = 0
        self._heard: Heard | None = None
        self._table_callbacks: list[Callable[[], None]] = []
        self.table_version = 0  # what this node announces of its mount table
        self._ring_version = 0

    @property
    def identity(self) -> Identity:
        return self.view.own

    @property
    def malformed(self) -> int:
        """How many announcements were malformed and ignored."""
        return self._malformed + self._broadcast.malformed

    def peers(self) -> list[Identity]:
        """The other nodes that are here now and can be called, by name."""
        return list(self.view.members)

    def others(self) -> list[Identity]:
        """One node for each other filesystem that is here now: whom to ask what this node does not have itself."""
        return list(self.view.others)

    def another(self, identity: Identity) -> Identity | None:
        """Another node that serves the same filesystem as that one, when there is one."""
        same = (member for member in self.view.members if member.filesystem == identity.filesystem)
        return next((member for member in same if member.uuid != identity.uuid), None)

    def on_change(self, callback: MemberChange) -> Callable[[], None]:
        """Call `callback` with each event of a member. Calling the result ends that."""
        self.view.callbacks.append(callback)
        return lambda: self.view.callbacks.remove(callback)

    def on_table(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when this node has another mount table. Calling the result ends that."""
        self._table_callbacks.append(callback)
        return lambda: self._table_callbacks.remove(callback)

    def serve(
        self,
        register: Register,
        hold: Hold,
        enter: Enter | None = None,
        heard: Heard | None = None,
        show: Show | None = None,
        hold_blocks: HoldBlocks | None = None,
    ) -> None:
        """Answer the calls and questions of other nodes, by what these functions say. Call it before the server
        starts."""
        self._heard = heard
        self.joiner.enter = enter
        register("_cluster_join", self._on_join)
        register("_cluster_probe", self._on_probe)
        self._inquiry.serve(register, hold, show, self._acquaintance.check_speaker)
        self._inquiry.hold_blocks = hold_blocks

    def belong(self, cluster: str, version: int, seeds: Iterable[str] = ()) -> None:
        """Say to which cluster this node belongs, and which version of the mount table it has.

        `seeds` are endpoints of members that are looked for.
        """
        if cluster != self.identity.cluster:
            self.view.own = replace(self.identity, cluster=cluster)
        self.table_version = version
        self.joiner.seeds = [seed for seed in seeds if seed != self.identity.rpc]
        self._announce_soon()
        for callback in list(self._table_callbacks):
            callback()

    def have_ring(self, version: int) -> None:
        """Say which version of the cluster's ring this node has."""
        self._ring_version = version
        self._announce_soon()

    async def start(self, rpc: str = "") -> None:
        """Announce this node, serving at `rpc`, and meet the others. Returns after the first try to join."""
        self._broadcast.open(self._pub)
        pub = self._broadcast.endpoint
        if self._advertise and pub:
            pub = advertise(pub, self._advertise)
        self.view.own = replace(self.identity, rpc=rpc, pub=pub)
        await self.joiner.join_all()
        self._tasks.spawn(self._keep(), "keep")

    def leave(self) -> None:
        """Say that this node leaves, and no more that it is here; it can still call others."""
        if self.identity.pub and not self._leaving:
            self._broadcast.say({"kind": "leaving", "uuid": self.identity.uuid})
        self._leaving = True

    async def stop(self) -> None:
        """Leave, and close everything; a second call does nothing."""
        self.leave()
        await self._tasks.stop()
        await self._links.close()
        await self._broadcast.parted(PARTING)
        self._broadcast.close()
        self.view.members, self.view.others = [], []

    def link(self, identity: Identity) -> ZeroMQTransport:
        """Return the one connection to a node; it is made at the first call.

        Raises:
            Unavailable: this node has stopped.
        """
        return self._links.to(identity)

    def meet(self, found: Mapping[str, str]) -> None:
        """Join these nodes, {endpoint: uuid}, which the store names, in place of those that it named before."""
        self.joiner.meet(found)
        if self._tasks.runs("keep"):
            self._join_soon()

    def suspect(self, identity: Identity) -> None:
        """Forward nothing to a node that refuses connections, and find out whether it is gone."""
        peer = self.view.peers.get(identity.uuid)
        if peer is not None:
            self.view.cut_off(peer)
            self._detector.check(peer, refused=True)

    async def whohas(
        self, paths: list[str], uuids: list[str] | None = None, blocks: list[str] | None = None
    ) -> Holdings:
        """Ask a node of each other filesystem, and another of the same when it does not answer."""
        if not paths and not uuids and not blocks:
            return Holdings()
        asked = paths, uuids or [], blocks or []
        found = await self._inquiry.whohas(self.view.others, *asked)
        if found.silent:
            instead = [another for silent in found.silent if (another := self.another(silent)) is not None]
            found.add(await self._inquiry.whohas(instead, *asked), instead)
            found.silent = [identity for identity in found.silent if identity in self.view.members]  # others are gone
        return found

    async def holdings(self) -> tuple[list[tuple[Identity, Wire]], list[Identity]]:
        """Ask one node of each other filesystem what it holds: their answers, and who gave none."""
        return await self._inquiry.show(self.view.others)

    # --- announcing, and noticing who no longer does
    async def _keep(self) -> None:
        while True:
            self._announce()
            for _ in range(TICKS):
                await asyncio.sleep(self._times.tick)
                self._detector.tick()
            self._forget_revoked()
            self._join_soon()

    def _join_soon(self) -> None:
        if not self._tasks.runs("join"):
            self._tasks.spawn(self.joiner.join_all(), "join")

    def _forget_revoked(self) -> None:
        """Take nodes whose keys are let in no longer for gone at once, and look for them no more."""
        if self._credential is None:
            return
        members = {entry.name for entry in self._credential.ring.members()}
        for uuid, peer in list(self.view.peers.items()):
            if peer.identity.node not in members:
                self.view.forget(uuid, "left")
        self.joiner.keep(members)

    def _announce_soon(self) -> None:
        """Once, and for all that happens until then: who comes among many is told of many."""
        if not self._announcing and self.identity.pub:
            self._announcing = True
            asyncio.get_running_loop().call_later(self._times.period * SOON, self._announce)

    def _announce(self) -> None:
        self._announcing = False
        if not self.identity.pub or self._leaving:
            return
        hears = [uuid for uuid, peer in self.view.peers.items() if peer.speaks and not peer.cut]
        since, came = self.view.news()
        peers = [identity.to_wire() for identity in came]
        here = {"kind": "here", "self": self.identity.to_wire(), "hears": hears, "peers": peers, "since": since}
        self._broadcast.say({**here, **self._versions()})

    # --- asking, and being asked
    async def _pull(self, identity: Identity) -> None:
        """Ask a node who it is and whom it knows, and so whether it is there."""
        link = self.link(identity)
        try:
            answer = await introduce(link, self.identity)
        except Invalid as error:
            self.joiner.fail(identity.rpc, error)
            raise
        except TimeoutError:
            raise Unavailable(f"node {identity.node} does not answer") from None
        if self._learn(answer, link.node).uuid != identity.uuid:
            self.view.forget(identity.uuid, "gone")  # another one was started there

    def _ask_earlier(self, identity: Identity) -> None:
        """Find out whether a node lives that started before its namesake here, and take it in that one's place."""
        name = f"ask {identity.uuid}"
        if not self._tasks.runs(name):
            self._tasks.spawn(self._meet_earlier(identity), name)

    async def _meet_earlier(self, identity: Identity) -> None:
        with suppress(EmergeError, TimeoutError, LookupError, TypeError):
            async with self._links.make(identity.rpc, identity.node) as link:
                self._learn(await introduce(link, self.identity), link.node, earlier=True)

    def _learn(self, answer: Wire, shown: str, *, earlier: bool = False) -> Identity:
        """Take what a node said of itself and of others, when it may be met; an `earlier` one replaces its namesake.

        Who is met so is a member in the same step: between two, the one that had to go would come back.
        """
        found = read_identity(answer["self"])
        others = [read_identity(each) for each in answer["peers"][:PEERS_LIMIT]]
        if not self._acquaintance.may_meet(found):
            return found  # it has not entered this node's cluster yet, or leaves it
        self._acquaintance.check_name(found.node, shown)
        if earlier:
            self._acquaintance.make_way(found)
        self._acquaintance.check_namesake(found)
        self._came(self.view.meet(found), answer, others, hears=True, answers=True)
        return found

    def _came(self, peer: Peer, message: Wire, others: Iterable[Identity], *, hears: bool, answers: bool) -> None:
        """A node spoke: it is here, and says whom it knows and which mount table it has."""
        self.view.hear(peer, hears=hears, answers=answers)
        for earlier in self._acquaintance.hear_of(others):
            self._ask_earlier(earlier)
        if self._heard is not None:
            self._heard(peer.identity, int(message.get("table", 0)), int(message.get("ring", -1)))
        known = int(message.get("view", 0))
        if answers or int(message.get("since", known)) <= peer.view:
            peer.view = known
        else:
            self._detector.pull(peer.identity)

    async def _on_join(self, name: str, args: Values, context: Context) -> Wire:
        call = CALLS[name].bind(args)
        if self._leaving:
            raise Unavailable(f"node {self.identity.node} is stopping", remedy="ask another")
        identity = None if call.identity is None else read_identity(call.identity)
        if identity is not None:
            self._acquaintance.check_name(identity.node, context.principal)
            if self._acquaintance.may_meet(identity):
                await self._acquaintance.admit(identity)
        peers = [identity.to_wire() for identity in self.view.members]
        return {"self": self.identity.to_wire(), "peers": peers, **self._versions()}

    def _versions(self) -> dict[str, int]:
        """The versions of what this node knows: who has others asks it."""
        return {"view": self.view.version, "table": self.table_version, "ring": self._ring_version}

    async def _on_probe(self, name: str, args: Values, context: Context) -> bool:
        call = CALLS[name].bind(args)
        peer = self.view.peers.get(call.uuid)
        return peer is not None and await self._detector.reaches(peer.identity)

    async def _ask_probe(self, member: Identity, about: Identity) -> bool:
        try:
            return bool(await self.link(member).call("_cluster_probe", [about.uuid]))
        except EmergeError:
            return False

    def _suspected(self, identity: Identity) -> None:
        """Let the others find out about it too, and let itself object."""
        self._broadcast.say({"kind": "suspect", "uuid": self.identity.uuid, "node": identity.uuid})

    # --- hearing
    def _hear(self, message: Wire, node: str) -> None:
        if self._tasks.stopped:
            return
        kinds = {
            "here": self._on_here,
            "leaving": self._on_leaving,
            "suspect": self._on_suspect,
            "whohas": self._inquiry.on_whohas,
            "show": self._inquiry.on_show,
        }
        try:
            kind = kinds[message["kind"]]
            if kind != self._on_here:
                self._acquaintance.check_speaker(message["uuid"], node)
            kind(message, node)
        except (EmergeError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            self._malformed += 1
            if not self._malformed & (self._malformed - 1):  # the 1st, 2nd, 4th…: it may be one of many
                what = f"{type(error).__name__}: {error}"[:200]
                log.warning(
                    "%d announcements were malformed, and ignored, this one of %s: %s", self._malformed, node, what
                )

    def _on_here(self, message: Wire, node: str) -> None:
        identity = read_identity(message["self"])
        self._acquaintance.check_name(identity.node, node)
        hears = read_texts(message["hears"], PEERS_LIMIT)
        others = [read_identity(each) for each in message["peers"][:PEERS_LIMIT]]
        if identity.uuid == self.identity.uuid or not self._acquaintance.may_meet(identity):
            return
        if (known := self._acquaintance.namesake(identity)) is not None:
            if self._acquaintance.is_later(known, identity):
                self._ask_earlier(identity)
            return
        peer = self.view.meet(identity)
        if not peer.speaks:
            self._announce_soon()
        is_heard = self._pub is None or self.identity.uuid in hears
        if peer.is_member and not is_heard:
            self._detector.check(peer, deaf=True)
        self._came(peer, message, others, hears=is_heard, answers=False)

    def _on_leaving(self, message: Wire, node: str) -> None:
        uuid = str(message["uuid"])
        self.joiner.forget(uuid)
        if uuid in self.view.peers:
            self.view.departed.append(uuid)
            self.view.forget(uuid, "left")

    def _on_suspect(self, message: Wire, node: str) -> None:
        if message["node"] == self.identity.uuid:
            self._announce_soon()
        elif (peer := self.view.peers.get(message["node"])) is not None and peer.missed:
            self._detector.check(peer)

    def _follow_members(self, event: MemberEvent, identity: Identity) -> None:
        self._announce_soon()
        if event in ("joined", "reached"):
            self.joiner.find_again(identity)
        else:
            self._inquiry.excuse(identity.uuid)
        if event == "gone":
            self.joiner.lose(identity)

    def _leave(self, peer: Peer) -> None:
        """Close the connections to a node; one that is cut off is heard on."""
        if not peer.cut:
            self._broadcast.leave(peer.identity.pub)
        self._links.drop(peer.identity)


def _now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
