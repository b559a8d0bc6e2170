"""The nodes on a store that many processes may open, found in the store itself: no node needs to be told of another.

Each node holds a lease on its name, which says where it serves. A node that leaves gives it up, and that of one that
died is dropped when it has not been renewed for too long; so of two nodes of one name the second is refused while the
first lives. Whether a member answers is the cluster's own business: a roster only says whom to meet.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from ..clients.transports.endpoint import host_of, is_loopback
from ..codec.msgpack_engine import engine
from ..errors import EmergeError, Invalid
from ..filesystem.lease import Lease, LeaseRecord, Patience, drop_lease, read_leases
from ..store import Store

log = logging.getLogger("emerge.cluster")

LOOK_SECONDS = 0.2
"""Between looks at whether the one that has this node's name renews its lease."""

ANSWER_SECONDS = 1.0
_PREFIX = "node/"


class Roster:
    """This node among those on its store. `meet` is given the endpoints of the others, each with its uuid.

    `look` is called each `period`, in seconds: to notice what other nodes changed in the store.
    """

    def __init__(
        self,
        store: Store,
        node: str,
        uuid: str,
        meet: Callable[[Mapping[str, str]], None],
        look: Callable[[], Awaitable[object]],
        period: float,
    ) -> None:
        self._store = store
        self._node = node
        self._uuid = uuid
        self._host = host_id()
        self._meet = meet
        self._look = look
        self._period = period
        self._patience = Patience(period)
        self._lease: Lease | None = None
        self._task: asyncio.Task[None] | None = None
        self._away = False  # the store, when last looked at

    async def enter(self, rpc: str) -> None:
        """Take this node's name, serving at `rpc`, and meet the others.

        Raises:
            Invalid: another node of this name is alive.
            Unavailable: the store is away.
        """
        data = engine.packb({"rpc": rpc, "host": self._host})
        self._lease = Lease(self._store, _PREFIX + self._node, self._uuid, data, self._period)
        await self._take(self._lease, rpc)
        self._meet(self._endpoints(await self._read()))
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def leave(self) -> None:
        """Give the name up; a second call does nothing."""
        lease, self._lease = self._lease, None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if lease is None:
            return
        try:
            held = await lease.read()
            if held.holder == self._uuid:
                await drop_lease(self._store, held)
        except EmergeError as error:
            log.warning("the store does not hear that node %s leaves; its lease ends by itself: %s", self._node, error)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._period)
            try:
                await self._renew()
                others = await self._read()
                self._meet(self._endpoints(others))
                for held in [held for held in others if self._patience.is_over(held)]:
                    log.warning("node %s has shown no life: it is dropped", held.name.removeprefix(_PREFIX))
                    await drop_lease(self._store, held)
                self._patience.keep({held.name for held in others})
                await self._look()
                self._away = False
            except EmergeError as error:
                if not self._away:  # once, not each period
                    log.warning("node %s cannot renew its lease while the store is away: %s", self._node, error)
                self._away = True
            except Exception:
                log.exception("node %s does not know who else is on its store", self._node)

    async def _renew(self) -> None:
        assert self._lease is not None
        if not await self._lease.renew() and not await self._lease.take():  # taken while this process stood still
            log.error("another node is called %s now: restart this one with another --name", self._node)

    async def _take(self, lease: Lease, rpc: str) -> None:
        """Take the name, from one who died too: its lease is not renewed, or nobody else listens where it served."""
        first = await lease.read()
        dead = first if first.holder and await self._is_gone(first, rpc) else None
        if first.holder and not dead:
            log.warning("another node is called %s; waiting to see whether it lives", self._node)
        while not await lease.take(dead):
            held = await lease.read()
            if held.holder and held.rows != first.rows:
                raise self._taken(held)
            await asyncio.sleep(min(LOOK_SECONDS, self._period))

    async def _read(self) -> list[LeaseRecord]:
        """Read the leases of the other nodes."""
        return [held for held in await read_leases(self._store, _PREFIX) if held.holder != self._uuid]

    def _taken(self, held: LeaseRecord) -> Invalid:
        where = engine.unpackb(held.data)["rpc"] if held.data else "unknown"
        return Invalid(
            f"a node called {self._node} serves this store already, at {where}",
            remedy="give this one a name of its own with --name, or stop that one",
        )

    def _endpoints(self, others: list[LeaseRecord]) -> dict[str, str]:
        """Return the endpoints that can be reached from here, with the uuid of the node there."""
        return {engine.unpackb(held.data)["rpc"]: held.holder for held in others if self._is_within_reach(held)}

    def _is_within_reach(self, held: LeaseRecord) -> bool:
        """Tell whether the node's endpoint means the same node here: a loopback address does on its own host only."""
        data = engine.unpackb(held.data)
        return data["host"] == self._host or not is_loopback(host_of(data["rpc"]))

    async def _is_gone(self, held: LeaseRecord, rpc: str) -> bool:
        """Tell whether a node surely serves no more where it said: at its endpoint is nobody, or this node (`rpc`)."""
        if not self._is_within_reach(held):
            return False
        served = engine.unpackb(held.data)["rpc"]
        if served == rpc:
            return True
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                _, writer = await asyncio.open_connection(host_of(served), int(served.rpartition(":")[2]))
        except ConnectionRefusedError:
            return True
        except (OSError, TimeoutError):
            return False
        writer.close()
        return False


async def is_listed(store: Store, uuid: str) -> bool:
    """Tell whether the node with this uuid is among those on a store: else it has left, died or been cut off."""
    return any(held.holder == uuid for held in await read_leases(store, _PREFIX))


def host_id() -> str:
    """Return what tells this machine from others, and one network namespace on it from another."""
    found = [socket.gethostname()]
    for path, read in (("/proc/sys/kernel/random/boot_id", _read_text), ("/proc/self/ns/net", os.readlink)):
        try:
            found.append(read(path).strip())
        except OSError:  # not Linux
            continue
    return " ".join(found)


def _read_text(path: str) -> str:
    return Path(path).read_text()
