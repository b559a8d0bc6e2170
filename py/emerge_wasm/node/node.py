"""A node: a filesystem served over ZeroMQ, in the cluster that it joins. Its parts start and stop together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from ..clients.keys.known_keys import MEMBER
from ..clients.keys.local_key import LocalKey
from ..clients.transports.endpoint import advertise, without_port
from ..clients.transports.zeromq import ZeroMQTransport
from ..cluster.authenticator import Authenticator
from ..cluster.membership import TIMES, Cluster, Times
from ..cluster.peer import Identity
from ..cluster.roster import Roster
from ..errors import Invalid
from ..filesystem import Filesystem
from ..filesystem.core import Core
from ..filesystem.indexes.definitions import read_catalogue
from ..operations import Context
from ..wire.event import HEARTBEAT_SECONDS
from .admission import Admission
from .conflict import Conflicts
from .copies import Copies
from .former import FormerVolumes
from .handover import Handovers
from .held_blocks import HeldBlocks
from .holders import MemberAbouts, surround
from .mount import Mounts
from .replication import Replication
from .ring_keeper import RingKeeper
from .router import Router
from .server import RpcServer
from .succession import Succession
from .volume_lease import VolumeLeases
from .volumes import Volumes


class Node:
    """Serve a filesystem, which the caller closes.

    `bind` is where clients and other nodes call (port 0: a free one, see `endpoint`), `pub` where the node
    announces; `join` are endpoints of nodes of a cluster to enter, `mount` the paths where things that this node has
    before that are to stay. `limits` are those of RpcServer; `context` says who its
    clients are: all of them, or with a `local_key` those who can read it; others are guests.

    With `keys` other machines may reach it, and everybody is who the ring says; the node has the name of its key.
    `advertise` is the HOST or HOST:PORT under which others reach it, where that is not where it binds; `advertise_pub`
    the same for where it announces (else the host of `advertise`, and the port that is bound).

    A node that `drains` takes no blocks for others' files; it keeps those that it has until others have them.

    `copies` is the folder for copies of others' volumes; without it they are in memory. `host` names the machine, so
    that no two copies are on one; else the machine itself says it.
    """

    def __init__(
        self,
        filesystem: Filesystem,
        bind: str = "tcp://127.0.0.1:5558",
        *,
        join: Iterable[str] = (),
        mount: Iterable[str] = (),
        pub: str = "",
        heartbeat: float = HEARTBEAT_SECONDS,
        limits: dict[str, int] | None = None,
        times: Times = TIMES,
        context: Context | None = None,
        keys: Authenticator | None = None,
        local_key: LocalKey | None = None,
        advertise: str = "",
        copies: Path | None = None,
        host: str = "",
        advertise_pub: str = "",
        drains: bool = False,
    ) -> None:
        self.filesystem = filesystem
        self.advertise = advertise
        self._keys = keys
        if keys is not None and keys.name != filesystem.node:
            raise Invalid(
                f"node {filesystem.node} cannot have the key of {keys.name}", remedy="a node has the name of its key"
            )
        join = list(join)
        self.cluster = Cluster(
            filesystem.node,
            filesystem.uuid,
            join=join,
            pub=pub or f"{bind.rpartition(':')[0]}:0",
            times=times,
            credential=keys.credential if keys is not None else None,
            keys=keys,
            advertise=advertise_pub or without_port(advertise),
        )
        self.roster = self._make_roster(times.roster)
        self.volumes = Volumes(filesystem, self.cluster, tuple(mount), joins=bool(join))
        replication = self.replication = Replication(self.volumes)
        self.copies = Copies(self.volumes, copies, host)
        self.ring = RingKeeper(filesystem, self.cluster, self.volumes, keys)
        self.handovers = Handovers(self.volumes, self.copies.synchrony)
        self.held_blocks = HeldBlocks(self.volumes, drains=drains)
        abouts = MemberAbouts(self.volumes)
        self.volumes.on_host = lambda hosted: surround(hosted, self.volumes, abouts)
        surround(filesystem, self.volumes, abouts)
        own = filesystem, self.cluster, self.volumes
        router = Router(*own, self.ring, self.handovers, replication, self.copies, self.held_blocks)
        self.dispatch = router.dispatch
        self.server = RpcServer(
            router.serve,
            bind,
            name=filesystem.node,
            heartbeat=heartbeat,
            context=context,
            keys=keys,
            local_key=local_key,
            read=router.read,
            store=router.store,
            is_superuser=filesystem.core.is_superuser,
            **(limits or {}),
        )
        if keys is not None:
            ring = keys.ring
            filesystem.core.is_superuser_elsewhere = lambda name: any(
                each.superuser or each.role == MEMBER for each in ring.named(name)
            )
        elif context is not None and context.superuser:
            filesystem.core.superusers.add(context.principal)
        filesystem.core.is_open = keys is None and local_key is None
        self.admission = Admission(self.volumes)
        conflicts = Conflicts(router.dispatch, self.volumes.local)
        self.former = FormerVolumes(self.volumes, conflicts)
        self.succession = Succession(self.volumes, self.handovers, conflicts)
        self.leases = VolumeLeases(self.volumes, replication, self.copies.synchrony, times.period)
        self._mounts, self._period = Mounts(self.volumes, self.handovers), times.period
        self._settling: asyncio.Task[None] | None = None
        parts = (
            router,
            self.volumes,
            self.admission,
            self._mounts,
            self.ring,
            self.handovers,
            replication,
            self.copies,
            self.held_blocks,
        )
        for part in (*parts, self.leases, self.succession):
            part.register(self.server.register)
        hold, show = router.locator.held, router.nodes.hold
        self.cluster.serve(self.server.register, hold, self._enter, self._heard, show, self.held_blocks.has)

    @property
    def core(self) -> Core:
        """That of its own filesystem, which knows who is a superuser here."""
        return self.filesystem.core

    @property
    def endpoint(self) -> str:
        """Where clients and other nodes connect, once started."""
        endpoint = self.server.endpoint
        return advertise(endpoint, self.advertise) if endpoint.startswith("tcp:") else endpoint

    async def start(self) -> Self:
        """Serve, and join the cluster.

        Raises:
            Invalid: the port is taken or may not be bound, or nobody could call the address; or a node of this name
                serves the same store.
        """
        await self.volumes.load()
        self.admission.check_name()
        try:
            await self.copies.start()
            await self.handovers.load()
            await self.volumes.catch_up()
            self.leases.guard_all()
            await self.ring.load()
            await self.server.start()
            if self.roster is not None:
                await self.roster.enter(self.endpoint)
            await self.cluster.start(self.endpoint)
            self.leases.start()
            self.replication.start()
            self.former.start()
            self.succession.start()
            self._settling = asyncio.get_running_loop().create_task(self._mounts.keep(self._period))
            self.handovers.start()
            self.held_blocks.start()
            await self.ring.settle()
        except BaseException:
            await self.stop()
            raise
        return self

    async def stop(self) -> None:
        """Say goodbye, end what is under way, and close the sockets; a second call does nothing."""
        self.cluster.leave()
        if self._settling is not None:
            self._settling.cancel()
            await asyncio.wait([self._settling])
        working = (self.succession, self.admission, self.handovers, self.leases, self.replication, self.former)
        await self.held_blocks.stop()
        await asyncio.gather(*(part.stop() for part in working))
        if self.roster is not None:
            await self.roster.leave()
        await self.copies.stop()
        await self.ring.stop()
        await self.cluster.stop()
        await self.server.stop()
        if self._keys is not None:
            self._keys.close()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _enter(self, found: Identity, transport: ZeroMQTransport) -> None:
        await self.admission.enter(found, transport)
        await self.ring.settle()

    def _heard(self, member: Identity, table: int, ring: int) -> None:
        self.volumes.heard(member, table)
        self.admission.review()
        self.ring.heard(member, ring)

    def _make_roster(self, period: float) -> Roster | None:
        """Make the list of nodes in the store, where several may open it."""
        core, own = self.filesystem.core, self.cluster.identity
        if not core.store.capabilities.many_writers:
            return None
        return Roster(core.store, own.node, own.uuid, self.cluster.meet, lambda: read_catalogue(core), period)
