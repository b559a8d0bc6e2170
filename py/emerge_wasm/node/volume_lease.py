"""Leases of volumes that have copies, where the mount table lies on a store that several nodes share.

The owner of such a volume renews its lease at the registry, which keeps it in that store, and makes no change any more
once the lease has run out by its own clock, counted from before it asked. When a lease is not renewed for longer than
that, a node of the registry promotes the copy that has most. The new table and the end of the lease are one commit,
which expects the lease as it was, so an owner that renews it in that moment stays the owner.

Elsewhere nobody could fence the former owner so, and a copy is promoted by the operator alone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple, Self

from ..cluster.membership import Register
from ..cluster.volume import Volume
from ..codec.msgpack_engine import engine
from ..errors import Conflict, EmergeError, NotFound, Unavailable
from ..filesystem.lease import PATIENCE, LeaseRecord, Patience
from ..operations import Context, Values, Wire
from ..store import Batch, Key
from .calls import CALLS
from .replication import Replication
from .synchrony import Synchrony
from .volumes import TABLE, Volumes, check_node

log = logging.getLogger("emerge.node")

PERIODS = PATIENCE - 1
"""How many periods a lease is good for: one less than the registry waits."""

ATTEMPTS = 10

YIELD_SECONDS = 4.0
"""How long an owner that is here waits for its copy to be promoted; then it goes on."""

Work = Callable[[], Awaitable[None]]


class VolumeLease(NamedTuple):
    """A lease as the registry keeps it: who owns the volume, since which version of the table, and the last beat."""

    filesystem: str
    epoch: int
    beat: int

    def pack(self) -> bytes:
        return engine.packb(self)

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        return cls(*engine.unpackb(raw))


class VolumeLeases:
    """Renews the leases of volumes that are served here, and watches those of others where the registry is.

    `period`, in seconds, is between two renewals.
    """

    def __init__(self, volumes: Volumes, replication: Replication, synchrony: Synchrony, period: float) -> None:
        self._volumes = volumes
        self._synchrony = synchrony
        volumes.on_table.append(lambda table: self.guard_all())
        self._replication = replication
        self._period = period
        self._until: dict[tuple[str, int], float] = {}
        self._yielded: dict[str, float] = {}
        self._patience = Patience(period)
        self._tasks: list[asyncio.Task[None]] = []
        volumes.steps.update(_cluster_lease=self.renew, _cluster_yield=self.give_way)

    def register(self, register: Register) -> None:
        """Let owners renew their leases here."""
        register("_cluster_lease", self._on_lease)
        register("_cluster_yield", self._on_yield)

    def start(self) -> None:
        """Renew and watch from now on."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._repeat(each)) for each in (self._renew_all, self._watch)]

    async def stop(self) -> None:
        """End that."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def guard(self, filesystem: str, done: bool) -> None:
        """Check that a filesystem of this node may be changed: it has the leases of all its volumes that need one.

        Raises:
            Unavailable: it has not. With `details["unknown"]`, the change was made, and may be one that counts no more.
        """
        if filesystem in self._volumes.lost:
            raise Unavailable(
                f"the file of {filesystem[:8]} on node {self._volumes.filesystem.node} is gone",
                path=None,
                remedy="have a copy promoted, which gets what this one has: emerge promote",
                **({"unknown": True} if done else {}),
            )
        for path, until in self._yielded.items():
            table = self._volumes.table
            if until > _now() and table is not None and table.volume_of(path).filesystem == filesystem:
                raise Unavailable(
                    f"{path} is being handed over to a copy",
                    path=path,
                    remedy="try again",
                    **({"unknown": True} if done else {}),
                )
        if not done:
            self._synchrony.check(filesystem)
        for volume in self._leased(filesystem):
            if self._until.get((volume.path, volume.epoch), 0.0) <= _now():
                raise Unavailable(
                    f"node {self._volumes.filesystem.node} may have lost {volume.path}: its lease is not renewed",
                    path=volume.path,
                    remedy="try again when it reaches the node of /, or a copy is promoted",
                    **({"unknown": True} if done else {}),
                )

    def _leased(self, filesystem: str) -> list[Volume]:
        """The volumes of a filesystem that need a lease."""
        table = self._volumes.table
        if table is None or not table.leased or filesystem == table.registry:
            return []
        return [each for each in table.volumes if each.filesystem == filesystem and table.wants(each.path)]

    async def _repeat(self, work: Work) -> None:
        while True:
            try:
                await work()
            except (EmergeError, TimeoutError) as error:
                log.info("leases of volumes: %s", error)
            except Exception:
                log.exception("leases of volumes")
            await asyncio.sleep(self._period)

    # --- the owner
    async def _renew_all(self) -> None:
        self.guard_all()
        self._yielded = {path: until for path, until in self._yielded.items() if until > _now()}
        mine = [volume for each in (self._volumes.own, *self._volumes.hosted) for volume in self._leased(each)]
        self._until = {
            key: until for key, until in self._until.items() if key in {(volume.path, volume.epoch) for volume in mine}
        }
        await asyncio.gather(*map(self._renew_one, mine))

    async def _renew_one(self, volume: Volume) -> None:
        sent = _now()
        args: list[object] = [volume.path, volume.filesystem, volume.epoch]
        registry = self._volumes.current().registry
        serving = [peer for peer in self._volumes.cluster.peers() if peer.filesystem == registry]
        for number, peer in enumerate(serving):
            try:
                async with asyncio.timeout(self._period * PERIODS / (number + 2)):
                    answer = await self._volumes.cluster.link(peer).call("_cluster_lease", args)
                self._until[volume.path, volume.epoch] = sent + float(answer["seconds"])
                return
            except Conflict:  # a copy was promoted
                await self._volumes.refresh(peer)
                return
            except (EmergeError, TimeoutError) as error:
                log.info("node %s does not renew the lease of %s: %s", peer.node, volume.path, error)

    async def _on_yield(self, name: str, args: Values, context: Context) -> None:
        call = CALLS[name].bind(args)
        check_node(context)
        await self.give_way(call.path)

    async def give_way(self, path: str) -> None:
        """Make no change in a volume for a moment, in which a copy gets the last ones and is promoted."""
        self.guard_all()
        self._yielded[path] = _now() + YIELD_SECONDS

    def guard_all(self) -> None:
        """Let the filesystems of this node ask before and after each change whether they may make it."""
        for filesystem in (self._volumes.own, *self._volumes.hosted):
            local = self._volumes.local(filesystem)
            if local is not None:
                local.core.guard = partial(self.guard, filesystem)
                local.core.acknowledge = partial(self._synchrony.wait, filesystem)

    # --- the registry
    async def _on_lease(self, name: str, args: Values, context: Context) -> Wire:
        call = CALLS[name].bind(args)
        check_node(context)
        return await self.renew(call.path, call.filesystem, call.epoch)

    async def renew(self, path: str, filesystem: str, epoch: int) -> Wire:
        """Renew a lease, in the store that the registry's nodes share: {"seconds"} that it is good for.

        Raises:
            Conflict: the volume has another owner.
        """
        for _ in range(ATTEMPTS):
            store = self._volumes.filesystem.core.store
            raw, table_raw = await store.get([_key(path), TABLE])
            await self._volumes.load()
            volume = self._volumes.current().volume_of(path)
            if (volume.path, volume.filesystem, volume.epoch) != (path, filesystem, epoch):
                raise Conflict(f"{path} is owned by another node", path=path)
            beat = VolumeLease.unpack(raw).beat + 1 if raw is not None else 1
            batch = Batch(expects=[(*TABLE, table_raw), (*_key(path), raw)])
            batch.put(*_key(path), VolumeLease(filesystem, epoch, beat).pack())
            try:
                await store.commit(batch)
            except Conflict:
                continue
            return {"seconds": self._period * PERIODS}
        raise Unavailable(f"the lease of {path} is wanted by too many", remedy="try again")

    async def _watch(self) -> None:
        """Promote a copy of each volume whose owner has not renewed its lease for too long."""
        store = self._volumes.filesystem.core.store
        if not (self._volumes.is_registry and store.capabilities.many_writers):
            return
        await self._volumes.load()
        table = self._volumes.current()
        if not table.leased:
            return
        watched = [each for each in table.volumes if table.copies(each.path) and each.filesystem != table.registry]
        rows = await store.get([_key(volume.path) for volume in watched]) if watched else []
        for volume, raw in zip(watched, rows, strict=True):
            lease = None if raw is None else VolumeLease.unpack(raw)
            if lease is None or (lease.filesystem, lease.epoch) != (volume.filesystem, volume.epoch):
                continue  # an owner that never had a lease is not known to keep to one
            if self._patience.is_over(LeaseRecord(volume.path, lease.filesystem, lease.epoch, b"", (raw, None))):
                log.warning("the owner of %s, node %s, is silent", volume.path, table.name(volume.filesystem))
                fence = Batch(deletes=[_key(volume.path)], expects=[(*_key(volume.path), raw)])
                try:
                    await self._replication.promote(volume.path, "", fence=fence)
                except (Conflict, NotFound) as error:
                    log.warning("no copy of %s is promoted: %s", volume.path, error)
        self._patience.keep({volume.path for volume in watched})


def _key(path: str) -> Key:
    return "meta", b"volume\0" + path.encode()


def _now() -> float:
    """Seconds that go on while the process, or the machine, stands still."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
