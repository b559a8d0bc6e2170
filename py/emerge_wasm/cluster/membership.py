"""Membership: which nodes are here, found by asking one of them and kept by announcements over PUB/SUB.

Each node announces itself every period, with whom it hears; so everybody meets everybody. One that says that it
leaves, or is silent for too long, is gone; one that comes back is met again. Of a filesystem it knows the uuid only:
several nodes may serve one, hold the same things then, and need not ask each other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from secrets import token_bytes
from typing import Any, NamedTuple
from uuid import uuid4

from ..clients.transports.zeromq import ZeroMQTransport
from ..errors import EmergeError, Invalid
from ..node.server import RpcServer
from ..operations import Context
from .broadcast import Broadcast
from .peer import Identity, Peer, read_identity, read_texts
from .whohas import Holdings, Question

log = logging.getLogger("emerge.cluster")

Held = Callable[[list[str], list[str]], Awaitable[tuple[list[str], list[str]]]]
"""(paths, uuids) -> those of them that this node holds."""

Changed = Callable[[str, Identity], None]
"""("joined" | "left" | "gone", who)."""

ASK_LIMIT = 10_000
PEERS_LIMIT = 1000
LOST_SECONDS = 600.0
"""How long a node that fell silent is looked for where it was."""


class Times(NamedTuple):
    """In seconds: between announcements, of silence until a node is gone, and for answers to a question."""

    period: float = 1.0
    silence: float = 3.5
    patience: float = 0.5


TIMES = Times()


class Cluster:
    """The nodes that are here now, as this one sees them.

    `join` are RPC endpoints of nodes to meet, asked again until they answer. An observer (the relay) sees the
    others and is not seen: it needs no name and serves nothing. `filesystem` is the uuid of what the node serves.
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
    ) -> None:
        self.identity = Identity(node, uuid4().hex, filesystem, "", "")
        self._join = list(join)
        self._pub = None if observer else pub
        self._times = times
        self._broadcast = Broadcast(self._hear, self._announce_soon)
        self._peers: dict[str, Peer] = {}
        self._members: list[Identity] = []
        self._others: list[Identity] = []  # one for each other filesystem
        self._lost: dict[str, tuple[Identity, float]] = {}
        self._joined: dict[str, str] = {}  # endpoint of `join` -> uuid found there
        self._links: dict[str, ZeroMQTransport] = {}
        self._questions: dict[bytes, Question] = {}
        self._callbacks: list[Changed] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._announcing = False
        self._malformed = 0
        self._held: Held | None = None

    @property
    def malformed(self) -> int:
        """How many announcements could not be understood, and were ignored."""
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

    def lost(self) -> list[Identity]:
        """The nodes that fell silent without saying that they leave, and whose filesystem nobody else here serves."""
        served = {self.identity.filesystem, *(member.filesystem for member in self._members)}
        return [identity for identity, _ in self._lost.values() if identity.filesystem not in served]

    @property
    def alone(self) -> bool:
        """There is no other filesystem, and none is missed."""
        return not self._others and not (self._lost and self.lost())

    def on_change(self, callback: Changed) -> Callable[[], None]:
        """Call this whenever a node joins, leaves or is gone. The result, called, ends that."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def serve(self, server: RpcServer, held: Held) -> None:
        """Answer on this server the questions of other nodes, by `held`. Call it before the server starts."""
        self._held = held
        server.register("_cluster_join", self._on_join)
        server.register("_cluster_answer", self._on_answer)

    async def start(self, rpc: str = "") -> None:
        """Announce this node, serving at `rpc`, and meet the others. Returns after the first try to join."""
        self._broadcast.open(self._pub)
        own = self.identity
        self.identity = Identity(own.node, own.uuid, own.filesystem, rpc, self._broadcast.endpoint)
        await self._join_all()
        self._spawn(self._keep())

    async def stop(self) -> None:
        """Say that this node leaves, and close everything; a second call does nothing."""
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
        """The one connection to a node, made when first asked for."""
        found = self._links.get(identity.rpc)
        if found is None:
            found = self._links[identity.rpc] = ZeroMQTransport(identity.rpc, patience=1.0)
        return found

    def suspect(self, identity: Identity) -> None:
        """A node refuses connections: it is gone, until it is heard again."""
        self._forget(identity.uuid, "gone")

    async def whohas(self, paths: list[str], uuids: list[str] | None = None, *, first: bool = False) -> Holdings:
        """Ask a node of each other filesystem, and another one when it does not answer; with `first`, the first one
        that has anything will do."""
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
        question = self._questions[key] = Question(whom, first)
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
            self._lost = {uuid: row for uuid, row in self._lost.items() if now < row[1]}
            if not any(task.get_name() == "join" for task in self._tasks):
                self._spawn(self._join_all(), "join")

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
        self._broadcast.say({"kind": "here", "self": self.identity.to_wire(), "hears": hears, "peers": peers})

    # --- joining
    async def _join_all(self) -> None:
        here = {identity.uuid for identity in self._members}
        wanted = [endpoint for endpoint in self._join if self._joined.get(endpoint) not in here]
        wanted += [identity.rpc for identity, _ in self._lost.values()]
        await asyncio.gather(*(self._join_one(endpoint) for endpoint in dict.fromkeys(wanted)))

    async def _join_one(self, endpoint: str) -> None:
        own = self.identity.to_wire() if self.identity.pub else None
        try:
            async with asyncio.timeout(2.0), ZeroMQTransport(endpoint, patience=1.0) as transport:
                answer = await transport.call("_cluster_join", [own])
            found = read_identity(answer["self"])
            self._joined[endpoint] = found.uuid
            self._meet(found)
            self._hear_of(map(read_identity, answer["peers"][:PEERS_LIMIT]))
        except (EmergeError, TimeoutError, LookupError, TypeError) as error:
            log.info("%s cannot be joined now: %s", endpoint, error)

    def _on_join(self, name: str, args: list[Any], context: Context) -> Awaitable[Any]:
        async def answer() -> Any:
            if args != [None]:
                self._meet(read_identity(args[0] if args else None))
            peers = [identity.to_wire() for identity in self._members]
            return {"self": self.identity.to_wire(), "peers": peers}

        return answer()

    # --- hearing
    def _hear(self, message: dict[str, Any]) -> None:
        kinds = {"here": self._on_here, "leaving": self._on_leaving, "whohas": self._on_whohas}
        try:
            kinds[message["kind"]](message)
        except (EmergeError, LookupError, TypeError, AttributeError) as error:
            self._malformed += 1
            log.info("an announcement is ignored: %s", error)

    def _on_here(self, message: dict[str, Any]) -> None:
        identity = read_identity(message["self"])
        hears, others = read_texts(message["hears"], PEERS_LIMIT), message["peers"][:PEERS_LIMIT]
        if identity.uuid == self.identity.uuid:
            return
        peer = self._meet(identity)
        peer.missed = 0
        if not peer.speaks:
            peer.speaks = True
            self._announce_soon()
        peer.hears = self._pub is None or self.identity.uuid in hears
        self._hear_of(map(read_identity, others))
        self._review("joined", identity)

    def _on_leaving(self, message: dict[str, Any]) -> None:
        self._forget(str(message["uuid"]), "left")

    def _on_whohas(self, message: dict[str, Any]) -> None:
        paths, uuids = read_texts(message["paths"], ASK_LIMIT), read_texts(message["uuids"], ASK_LIMIT)
        asker = self._peers.get(message["uuid"])
        asked = self.identity.uuid in read_texts(message["asked"], ASK_LIMIT)
        if asked and asker is not None and self._held is not None:
            self._spawn(self._reply(self._held, asker.identity, message["id"], paths, uuids))

    async def _reply(self, held: Held, asker: Identity, key: Any, paths: list[str], uuids: list[str]) -> None:
        try:
            mine = await held(paths, uuids)
            await self.link(asker).call("_cluster_answer", [key, self.identity.uuid, *mine])
        except EmergeError as error:
            log.info("a question of %s stays unanswered: %s", asker.node, error)

    def _on_answer(self, name: str, args: list[Any], context: Context) -> Awaitable[Any]:
        async def take() -> None:
            if len(args) != 4 or not isinstance(args[0], bytes) or not isinstance(args[1], str):
                raise Invalid("an answer is a question's id, a node's uuid, paths and uuids")
            question = self._questions.get(args[0])
            if question is not None:  # else it comes too late
                question.answer(args[1], read_texts(args[2], ASK_LIMIT), read_texts(args[3], ASK_LIMIT))

        return take()

    # --- who is here
    def _meet(self, identity: Identity) -> Peer:
        """Listen to a node that told of itself; it becomes a member when it is heard and hears this one."""
        peer = self._peers.get(identity.uuid)
        if peer is not None and peer.identity == identity:
            return peer
        for known in [known.identity for known in self._peers.values()]:
            if known.uuid == identity.uuid or known.rpc == identity.rpc:  # this one was started there after that one
                self._forget(known.uuid, "gone")
        peer = Peer(identity)
        if identity.uuid != self.identity.uuid:
            self._peers[identity.uuid] = peer
            self._broadcast.follow(identity.pub)
        return peer

    def _hear_of(self, others: Iterable[Identity]) -> None:
        """Listen to the nodes that another tells of, but for those of old, whose endpoint is taken."""
        known = [self.identity, *(peer.identity for peer in self._peers.values())]
        taken = {identity.uuid for identity in known} | {identity.rpc for identity in known}
        for identity in others:
            if taken.isdisjoint((identity.uuid, identity.rpc)):
                self._meet(identity)

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
        """Recount the members after something was learnt of one, and tell of the difference."""
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
        log.info("node %s (%s) %s", identity.node, identity.rpc, how)
        for callback in list(self._callbacks):
            callback(how, identity)

    def _choose(self) -> list[Identity]:
        """A member for each other filesystem: the same as before while it is here; different nodes choose different
        ones, to share the work."""
        serving: dict[str, list[Identity]] = {}
        for member in self._members:
            if member.filesystem != self.identity.filesystem:
                serving.setdefault(member.filesystem, []).append(member)
        turn, before = int(self.identity.uuid, 16), set(self._others)
        return [
            next((member for member in members if member in before), members[turn % len(members)])
            for members in serving.values()
        ]

    def _spawn(self, work: Any, name: str | None = None) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
