"""Membership: which nodes are here, found by asking one of them and kept by announcements over PUB/SUB.

Each node announces itself every period, with the nodes that it hears; so everybody meets everybody. A node that leaves
says so, one that is silent for too long is gone, and one that comes back is met again. Nodes meet that serve one
filesystem, or belong to one cluster; how a node enters a cluster, and what the version of its mount table means, is
injected, as is the server that carries their calls. Nothing of a node is imported here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from secrets import token_bytes
from typing import NamedTuple
from uuid import uuid4

from ..clients.keys.credential import Credential
from ..clients.transports.endpoint import advertise
from ..clients.transports.zeromq import ZeroMQTransport
from ..errors import EmergeError, PermissionDenied, Unavailable
from ..operations import Context, Dispatch, Values, Wire
from .authenticator import Authenticator, KeyChange
from .broadcast import Broadcast
from .calls import CALLS
from .peer import Identity, Peer, read_identity, read_texts
from .whohas import HolderQuery, Holdings

log = logging.getLogger("emerge.cluster")

Held = Callable[[list[str], list[str]], Awaitable[tuple[list[str], list[str]]]]
"""(paths, uuids) -> those of them that this node holds."""

MemberChange = Callable[[str, Identity], None]
"""("joined" | "left" | "gone", who)."""

Enter = Callable[[Identity, ZeroMQTransport], Awaitable[None]]
"""Enter the cluster of a node that was met; raises an EmergeError when that cannot be."""

Heard = Callable[[Identity, int, int], None]
"""(a member, the version of its mount table, that of its ring)."""

Register = Callable[[str, Dispatch], None]
"""Let a server answer a name outside the users' table."""

ASK_LIMIT = 10_000
PEERS_LIMIT = 1000
RETIRE_SECONDS = 5.0
LOST_SECONDS = 600.0
"""How long a node that fell silent is looked for at its old endpoint."""


class Times(NamedTuple):
    """In seconds: the time between announcements, of silence until a node is gone, and for answers to a question; and
    between renewals of a node's lease in a store that several share (each is a commit, which some engines keep)."""

    period: float = 1.0
    silence: float = 3.5
    patience: float = 0.5
    roster: float = 3.0


TIMES = Times()


class Cluster:
    """The nodes that are here now, as this one sees them.

    `join` are RPC endpoints of nodes to meet, asked again until they answer. An observer (the relay) sees the others
    and is not seen: it needs no name and serves nothing. `filesystem` is the uuid of the filesystem that the node
    serves.

    With a `credential` peers are called and heard by key, each by its name in the ring; with `keys` this node is, too.
    `advertise` is the host under which others reach what is bound at another (see `advertise`).
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
        self.identity = Identity(node, uuid4().hex, filesystem, "", "")
        self._credential = credential
        self._advertise = advertise
        self._join = list(join)
        self._pub = None if observer else pub
        self._times = times
        self._broadcast = Broadcast(self._hear, self._announce_soon, credential, keys)
        if keys is not None:
            keys.on_change(self._follow_keys)
        self._peers: dict[str, Peer] = {}
        self._members: list[Identity] = []
        self._others: list[Identity] = []  # one for each other filesystem
        self._lost: dict[str, tuple[Identity, float]] = {}
        self._joined: dict[str, str] = {}  # endpoint of `join` -> uuid found there
        self._found: dict[str, str] = {}  # endpoint of a node that the store names -> its uuid
        self._links: dict[str, ZeroMQTransport] = {}
        self._questions: dict[bytes, HolderQuery] = {}
        self._callbacks: list[MemberChange] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._unreachable: set[str] = set()  # endpoints to join that do not answer
        self._announcing = False
        self._malformed = 0
        self._held: Held | None = None
        self._enter: Enter | None = None
        self._heard: Heard | None = None
        self.table_version = 0  # what this node announces of its mount table
        self._ring_version = 0
        self._stopped = False

    @property
    def malformed(self) -> int:
        """How many announcements were malformed and ignored."""
        return self._malformed + self._broadcast.malformed

    def peers(self) -> list[Identity]:
        """The other nodes that are here now, by name."""
        return list(self._members)

    def others(self) -> list[Identity]:
        """One node for each other filesystem that is here now: whom to ask what this node does not have itself."""
        return list(self._others)

    def another(self, identity: Identity) -> Identity | None:
        """Another node that serves the same filesystem as that one, when there is one."""
        same = (member for member in self._members if member.filesystem == identity.filesystem)
        return next((member for member in same if member.uuid != identity.uuid), None)

    def on_change(self, callback: MemberChange) -> Callable[[], None]:
        """Call `callback` whenever a node joins, leaves or is gone. Calling the result ends that."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def serve(self, register: Register, held: Held, enter: Enter | None = None, heard: Heard | None = None) -> None:
        """Answer the calls and questions of other nodes, by `held`. Call it before the server starts."""
        self._held, self._enter, self._heard = held, enter, heard
        register("_cluster_join", self._on_join)
        register("_cluster_answer", self._on_answer)

    def belong(self, cluster: str, version: int, seeds: Iterable[str] = ()) -> None:
        """Say to which cluster this node belongs, and which version of the mount table it has.

        `seeds` are endpoints of members that are looked for.
        """
        if cluster != self.identity.cluster:
            self.identity = replace(self.identity, cluster=cluster)
        self.table_version = version
        self._join += [seed for seed in seeds if seed not in (*self._join, self.identity.rpc)]
        self._announce_soon()

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
        self.identity = replace(self.identity, rpc=rpc, pub=pub)
        await self._join_all()
        self._spawn(self._keep(), "keep")

    async def stop(self) -> None:
        """Say that this node leaves, and close everything; a second call does nothing."""
        self._stopped = True
        if self.identity.pub:
            self._broadcast.say({"kind": "leaving", "uuid": self.identity.uuid})
        for task in self._tasks:
            if task.get_name() != "close":
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self._links.values():
            await link.close()
        self._links.clear()
        self._broadcast.close()
        self._members, self._others = [], []

    def link(self, identity: Identity) -> ZeroMQTransport:
        """Return the one connection to a node; it is made at the first call.

        Raises:
            Unavailable: this node has stopped.
        """
        if self._stopped:
            raise Unavailable("this node is stopping", remedy="ask another")
        found = self._links.get(identity.rpc)
        if found is None:
            found = self._links[identity.rpc] = self._transport(identity.rpc, identity.node)
        return found

    def meet(self, found: Mapping[str, str]) -> None:
        """Join these nodes, {endpoint: uuid}, which the store names, in place of those that it named before."""
        self._found = dict(found)
        if self._tasks and not any(task.get_name() == "join" for task in self._tasks):
            self._spawn(self._join_all(), "join")

    def _transport(self, endpoint: str, node: str = "") -> ZeroMQTransport:
        return ZeroMQTransport(endpoint, patience=1.0, credential=self._credential, node=node)

    def _follow_keys(self, change: KeyChange) -> None:
        """Call others by connections that show a new key from now on; what is under way on the old ones may end."""
        if change == "key":
            links, self._links = self._links, {}
            for link in links.values():
                self._spawn(_retire(link), "retire")

    def suspect(self, identity: Identity) -> None:
        """Take a node that refuses connections for gone, until it is heard again."""
        self._forget(identity.uuid, "gone")

    async def whohas(self, paths: list[str], uuids: list[str] | None = None, *, first: bool = False) -> Holdings:
        """Ask a node of each other filesystem, and another of the same when it does not answer.

        With `first`, the first answer of a node that has anything will do.
        """
        if not paths and not uuids:
            return Holdings()
        found = await self._ask(self._others, paths, uuids or [], first)
        if found.silent and not (first and (found.paths or found.uuids)):
            instead = [another for silent in found.silent if (another := self.another(silent)) is not None]
            found.add(await self._ask(instead, paths, uuids or [], first))
            found.silent = [identity for identity in found.silent if identity in self._members]  # others are gone
        return found

    async def _ask(self, whom: list[Identity], paths: list[str], uuids: list[str], first: bool) -> Holdings:
        if not whom:
            return Holdings()
        key = token_bytes(12)
        question = self._questions[key] = HolderQuery(whom, first)
        asked = {"kind": "whohas", "id": key, "uuid": self.identity.uuid, "paths": paths, "uuids": uuids}
        try:
            self._broadcast.say({**asked, "asked": question.asked})
            return await question.wait(self._times.patience)
        finally:
            del self._questions[key]

    # --- announcing, and noticing who no longer does
    async def _keep(self) -> None:
        while True:
            self._announce()
            await asyncio.sleep(self._times.period)
            now = self._now()
            for uuid, peer in list(self._peers.items()):
                peer.missed += 1  # not by the clock: what was said while this process stood still waits to be read
                if peer.missed * self._times.period > self._times.silence:
                    self._forget(uuid, "gone")
            self._forget_revoked()
            self._lost = {uuid: row for uuid, row in self._lost.items() if now < row[1]}
            if not any(task.get_name() == "join" for task in self._tasks):
                self._spawn(self._join_all(), "join")

    def _forget_revoked(self) -> None:
        """Take nodes whose keys are let in no longer for gone at once, and look for them no more."""
        if self._credential is None:
            return
        members = {entry.name for entry in self._credential.ring.members()}
        for uuid, peer in list(self._peers.items()):
            if peer.identity.node not in members:
                self._forget(uuid, "left")
        self._lost = {uuid: row for uuid, row in self._lost.items() if row[0].node in members}

    def _announce_soon(self) -> None:
        """Once in the loop's next turn, however often it is asked for in this one."""
        if not self._announcing and self.identity.pub:
            self._announcing = True
            asyncio.get_running_loop().call_soon(self._announce)

    def _announce(self) -> None:
        self._announcing = False
        if not self.identity.pub:
            return
        hears = [uuid for uuid, peer in self._peers.items() if peer.speaks]
        peers = [identity.to_wire() for identity in self._members]
        here = {"kind": "here", "self": self.identity.to_wire(), "hears": hears, "peers": peers}
        self._broadcast.say({**here, "table": self.table_version, "ring": self._ring_version})

    # --- joining
    async def _join_all(self) -> None:
        here = {identity.uuid for identity in self._members}
        wanted = [endpoint for endpoint in self._join if self._joined.get(endpoint) not in here]
        wanted += [endpoint for endpoint, uuid in self._found.items() if uuid not in here]
        wanted += [identity.rpc for identity, _ in self._lost.values()]
        await asyncio.gather(*(self._join_one(endpoint) for endpoint in dict.fromkeys(wanted)))

    async def _join_one(self, endpoint: str) -> None:
        try:
            async with self._transport(endpoint) as transport:
                answer = await self._introduce(transport)
                found = read_identity(answer["self"])
                if self._enter is not None and not self.identity.is_akin(found):
                    await self._enter(found, transport)
                    answer = await self._introduce(transport)
                shown = transport.node
            if not self._may_meet(found := read_identity(answer["self"])):
                return  # it has not entered this node's cluster yet
            if self._found.get(endpoint, found.uuid) != found.uuid:
                return  # the node that the store names is gone, and something else listens there
            self._check_name(found.node, shown)
            self._joined[endpoint] = found.uuid
            self._meet(found)
            self._hear_of(map(read_identity, answer["peers"][:PEERS_LIMIT]))
            self._unreachable.discard(endpoint)
        except (EmergeError, TimeoutError, LookupError, TypeError) as error:
            if endpoint not in self._unreachable:  # once, not at every attempt
                self._unreachable.add(endpoint)
                log.warning("%s cannot be joined now, and is tried again: %s", endpoint, error or "it does not answer")

    async def _introduce(self, transport: ZeroMQTransport) -> Wire:
        own = self.identity.to_wire() if self.identity.pub else None
        async with asyncio.timeout(2.0):
            answer: Wire = await transport.call("_cluster_join", [own])
        return answer

    async def _on_join(self, name: str, args: Values, context: Context) -> Wire:
        call = CALLS[name].bind(args)
        identity = None if call.identity is None else read_identity(call.identity)
        if identity is not None:
            self._check_name(identity.node, context.principal)
        if identity is not None and self.identity.is_akin(identity):
            self._meet(identity)
        return {"self": self.identity.to_wire(), "peers": [identity.to_wire() for identity in self._members]}

    # --- hearing
    def _check_name(self, said: str, shown: str) -> None:
        """Believe a name only when it is that of the key.

        Raises:
            PermissionDenied: it is another.
        """
        if self._credential is not None and said != shown:
            raise PermissionDenied(f"{shown or 'somebody'} speaks as {said}", remedy="a node has the name of its key")

    def _check_speaker(self, uuid: str, shown: str) -> None:
        if (peer := self._peers.get(uuid)) is not None:
            self._check_name(peer.identity.node, shown)

    def _hear(self, message: Wire, node: str) -> None:
        kinds = {"here": self._on_here, "leaving": self._on_leaving, "whohas": self._on_whohas}
        try:
            kinds[message["kind"]](message, node)
        except (EmergeError, LookupError, TypeError, AttributeError) as error:
            self._malformed += 1
            log.warning("an announcement is malformed and ignored: %s: %s", type(error).__name__, error)

    def _on_here(self, message: Wire, node: str) -> None:
        identity = read_identity(message["self"])
        self._check_name(identity.node, node)
        hears, others = read_texts(message["hears"], PEERS_LIMIT), message["peers"][:PEERS_LIMIT]
        if identity.uuid == self.identity.uuid or not self._may_meet(identity):
            return
        peer = self._meet(identity)
        peer.missed = 0
        if not peer.speaks:
            peer.speaks = True
            self._announce_soon()
        peer.hears = self._pub is None or self.identity.uuid in hears
        self._hear_of(map(read_identity, others))
        self._review("joined", identity)
        if self._heard is not None:
            self._heard(identity, int(message.get("table", 0)), int(message.get("ring", 0)))

    def _on_leaving(self, message: Wire, node: str) -> None:
        uuid = str(message["uuid"])
        self._check_speaker(uuid, node)
        self._found = {endpoint: known for endpoint, known in self._found.items() if known != uuid}
        self._forget(uuid, "left")

    def _on_whohas(self, message: Wire, node: str) -> None:
        self._check_speaker(message["uuid"], node)
        paths, uuids = read_texts(message["paths"], ASK_LIMIT), read_texts(message["uuids"], ASK_LIMIT)
        asker = self._peers.get(message["uuid"])
        asked = self.identity.uuid in read_texts(message["asked"], ASK_LIMIT)
        if asked and asker is not None and self._held is not None:
            self._spawn(self._reply(self._held, asker.identity, message["id"], paths, uuids), "reply")

    async def _reply(self, held: Held, asker: Identity, key: bytes, paths: list[str], uuids: list[str]) -> None:
        try:
            mine = await held(paths, uuids)
            await self.link(asker).call("_cluster_answer", [key, self.identity.uuid, *mine])
        except EmergeError as error:
            log.warning("node %s asked who has something, and gets no answer: %s", asker.node, error)

    async def _on_answer(self, name: str, args: Values, context: Context) -> None:
        call = CALLS[name].bind(args)
        self._check_speaker(call.node, context.principal)
        paths, uuids = read_texts(call.paths, ASK_LIMIT), read_texts(call.uuids, ASK_LIMIT)
        if (question := self._questions.get(call.question)) is not None:  # else it comes too late
            question.answer(call.node, paths, uuids)

    # --- who is here
    def _meet(self, identity: Identity) -> Peer:
        """Listen to a node that introduced itself; it becomes a member when each hears the other."""
        peer = self._peers.get(identity.uuid)
        if peer is not None and peer.identity == identity:
            peer.identity = identity  # it may have entered a cluster
            return peer
        for known in [known.identity for known in self._peers.values()]:
            if known.uuid == identity.uuid or known.rpc == identity.rpc:  # this one was started there after that one
                self._forget(known.uuid, "gone")
        peer = Peer(identity)
        if identity.uuid != self.identity.uuid:
            self._peers[identity.uuid] = peer
            self._broadcast.follow(identity.pub, identity.node)
        return peer

    def _hear_of(self, others: Iterable[Identity]) -> None:
        """Listen to the nodes that another one knows, unless their endpoint belongs to a newer one by now."""
        known = [self.identity, *(peer.identity for peer in self._peers.values())]
        taken = {identity.uuid for identity in known} | {identity.rpc for identity in known}
        for identity in others:
            if self._credential is not None and not self._credential.ring.members(identity.node):
                continue  # whoever it is, nobody here knows its key
            if taken.isdisjoint((identity.uuid, identity.rpc)) and self._may_meet(identity):
                self._meet(identity)

    def _may_meet(self, identity: Identity) -> bool:
        """An observer meets all: it has no filesystem."""
        return self._pub is None or self.identity.is_akin(identity)

    def _forget(self, uuid: str, how: str) -> None:
        peer = self._peers.pop(uuid, None)
        if peer is None:
            return
        self._broadcast.leave(peer.identity.pub)
        if peer.is_member and how == "gone":
            self._lost[uuid] = (peer.identity, self._now() + LOST_SECONDS)
        link = self._links.pop(peer.identity.rpc, None)
        if link is not None:
            self._spawn(link.close(), "close")
        self._review(how, peer.identity)

    def _review(self, how: str, identity: Identity) -> None:
        """Recount the members after news of one, and call the callbacks when it joined or went."""
        before = set(self._members)
        members = [peer.identity for peer in self._peers.values() if peer.is_member]
        self._members = sorted(members, key=lambda member: (member.node, member.uuid))
        self._others = self._choose()
        if (identity in before) == (identity in self._members):
            return
        if identity in self._members:
            self._lost = {uuid: row for uuid, row in self._lost.items() if row[0].rpc != identity.rpc}
        else:
            for question in self._questions.values():
                question.excuse(identity.uuid)
        self._announce_soon()
        if identity in self._members:
            how = "joined"
        elif how == "joined":  # it still speaks, but no longer hears this node
            how = "gone"
            self._lost[identity.uuid] = (identity, self._now() + LOST_SECONDS)
        level = logging.WARNING if how == "gone" else logging.INFO
        log.log(level, "node %s (%s) %s", identity.node, identity.rpc, _IN_WORDS[how])
        for callback in list(self._callbacks):
            callback(how, identity)

    def _choose(self) -> list[Identity]:
        """Choose a member for each other filesystem: the same as before while it is here.

        Different nodes choose different ones, to share the work.
        """
        serving: dict[str, list[Identity]] = {}
        for member in self._members:
            if member.filesystem != self.identity.filesystem:
                serving.setdefault(member.filesystem, []).append(member)
        turn, before = int(self.identity.uuid, 16), set(self._others)
        return [
            next((member for member in members if member in before), members[turn % len(members)])
            for members in serving.values()
        ]

    def _spawn(self, work: Coroutine[object, object, None], name: str | None = None) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the cluster died: %s", task.get_name(), exc_info=error)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


_IN_WORDS = {"joined": "joined", "left": "left", "gone": "is gone: it fell silent or refuses calls"}


async def _retire(link: ZeroMQTransport) -> None:
    try:
        await asyncio.sleep(RETIRE_SECONDS)
    finally:
        await link.close()
