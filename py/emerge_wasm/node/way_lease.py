"""Leases on the answer that a caller may come to a mount point, so that not every call on a volume asks its owner.

Whoever owns the directories above grants them for a moment, and takes them back before a commit changes one of these
directories. Who holds one forgets it and says so; who does not say so is waited for until the lease has run out. So
nobody relies on rights that are no longer those of the directory, in whichever order it is looked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager, suppress
from time import monotonic

from ..cluster.membership import Cluster, Register
from ..errors import EmergeError, PermissionDenied
from ..filesystem.core import Core
from ..filesystem.tree.mount import check_way
from ..operations import Context, Values

LEASE_SECONDS = 1.0
"""A change of rights waits so long for a node that holds a lease and does not answer."""

MOST = 10_000
"""Answers remembered at a time."""


class WayGrants:
    """The leases that this node has granted. Only a filesystem of one process grants any: it sees all changes."""

    def __init__(self, core: Core, cluster: Cluster) -> None:
        self._core = core
        self._cluster = cluster
        self._exclusive = not core.store.capabilities.many_writers
        self._until = dict[str, float]()
        self._changes = 0
        self._since = monotonic() + LEASE_SECONDS  # until then leases of this filesystem's last process may live
        core.way_change = self.change

    async def check(self, core: Core, context: Context, mount: str, depth: int, asker: str = "") -> float:
        """Check as `check_way` does; how many seconds the asking node (its uuid) may rely on it."""
        known = any(member.uuid == asker for member in self._cluster.peers())
        mine = core is self._core and self._exclusive
        granted = LEASE_SECONDS if known and mine and not self._changes else 0.0
        if granted:
            self._until[asker] = monotonic() + granted
        await check_way(core, context, mount, depth)
        return granted

    @asynccontextmanager
    async def change(self) -> AsyncIterator[None]:
        """Grant nothing meanwhile, once nobody has a lease any more."""
        self._changes += 1
        try:
            await asyncio.gather(*(self._recall(uuid, until) for uuid, until in list(self._until.items())))
            await asyncio.sleep(self._since - monotonic() if self._exclusive else 0)
            yield
        finally:
            self._changes -= 1

    async def _recall(self, uuid: str, until: float) -> None:
        holder = next((member for member in self._cluster.peers() if member.uuid == uuid), None)
        with suppress(EmergeError, TimeoutError):
            if holder is not None and until > monotonic():
                async with asyncio.timeout(until - monotonic()):
                    await self._cluster.link(holder).call("_cluster_ways", [])
                    return
        await asyncio.sleep(until - monotonic())


class WayLeases:
    """The leases that this node holds."""

    def __init__(self) -> None:
        self._until: dict[Hashable, float] = {}
        self._recalls = 0

    def register(self, register: Register) -> None:
        """Let other nodes take their leases back."""
        register("_cluster_ways", self._on_recall)

    def holds(self, key: Hashable) -> bool:
        """Tell whether there is a lease for a way and a caller."""
        return self._until.get(key, 0.0) > monotonic()

    async def take(self, key: Hashable, ask: Callable[[], Awaitable[float]]) -> None:
        """Ask for a lease for a way and a caller; raises what `ask` raises."""
        began, recalls = monotonic(), self._recalls
        seconds = await ask()
        if seconds and recalls == self._recalls:
            if len(self._until) >= MOST:
                self._until.clear()
            self._until[key] = began + seconds

    async def _on_recall(self, name: str, args: Values, context: Context) -> None:
        if not context.superuser:
            raise PermissionDenied("only a node may ask for this", remedy="ask in your own name")
        self._recalls += 1
        self._until.clear()
