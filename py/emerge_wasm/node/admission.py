"""Entering a cluster: what a node has is mounted where nothing else is, and the registry admits it.

Where the own things are to be is checked first, so a node that does not enter has changed nothing.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect
from collections.abc import Sequence
from uuid import uuid4

from ..clients.transports.zeromq import ZeroMQTransport
from ..cluster.membership import Register
from ..cluster.peer import Identity, read_identity
from ..cluster.volume import NODES, Member, MountTable, read_table
from ..errors import Conflict, EmergeError, Invalid, NotFound, Unavailable
from ..filesystem.tree.mount import is_vacant
from ..operations import Context, Values, Wire
from ..paths import child_path, join_path, split_path
from .calls import CALLS
from .mount import check_place
from .skew import ask_member
from .volumes import ATTEMPTS, Volumes, check_node

log = logging.getLogger("emerge.node")


class Admission:
    """Lets this node enter a cluster, and others, where it is the registry."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes
        self._entering = asyncio.Lock()
        self._renaming: asyncio.Task[None] | None = None
        self._shares = volumes.filesystem.core.store.capabilities.many_writers

    def register(self, register: Register) -> None:
        """Let other nodes enter."""
        register("_cluster_enter", self._on_enter)

    async def enter(self, found: Identity, transport: ZeroMQTransport) -> None:
        """Enter the cluster of a node that was met, and have the own things mounted there.

        Raises:
            Invalid: it is in no cluster, or this node is in another one, or its name is taken, or something lies beside
                what is to stay where it is.
            Conflict: there is something already where the own things are to be mounted; `details` has the paths.
        """
        async with self._entering:
            if self._volumes.table is not None and found.cluster in ("", self._volumes.table.cluster):
                return
            if not found.cluster:
                raise Invalid(
                    f"node {found.node} is in no cluster",
                    remedy=f"found one there: emerge -h {found.rpc} cluster found",
                )
            if self._volumes.table is not None:
                theirs, own = found.cluster[:8], self._volumes.table.cluster[:8]
                raise Invalid(
                    f"node {found.node} is in the cluster {theirs}, this one in {own}",
                    remedy="a store is in one cluster: join with an empty one",
                )
            await self._check_beside()
            identity, loose = self._volumes.cluster.identity.to_wire(), await self._loose()
            places = sorted(self._volumes.paths)  # what is above comes first
            if loose:
                places.insert(bisect(places, self._home) if self._is_above_some(places) else len(places), self._home)
            table = read_table(await transport.call("_cluster_enter", [identity, places]))
            undo = await self._move_home(loose)
            try:
                table = await self._mount(places, found, transport) if places else table
            except (Conflict, Invalid):  # others were quicker
                for name, args in undo:
                    await self._volumes.call(name, args)
                raise
            await self._volumes.save(table)
            log.info("node %s entered the cluster %s", found.node, table.cluster)

    async def _mount(self, places: Sequence[str], found: Identity, transport: ZeroMQTransport) -> MountTable:
        """Have the own things mounted, all of them; an older registry mounts one after the other."""
        try:
            made = await ask_member(transport, found.node, "_cluster_mounts", [list(places), self._volumes.own])
        except Invalid as error:
            if "node" not in error.details:
                raise
            for path in places:
                made = await transport.call("_cluster_mount", [path, self._volumes.own])
        return read_table(made)

    @property
    def _home(self) -> str:
        return child_path(NODES, self._volumes.filesystem.node)

    def _is_above_some(self, places: Sequence[str]) -> bool:
        return any(path.startswith(self._home + "/") for path in places)

    async def _loose(self) -> list[str]:
        """The names in `/` that are not to stay where they are."""
        stay = {names[0] for path in self._volumes.paths if (names := split_path(path))}
        return [name for name in await self._names("/") if name not in stay]

    async def _move_home(self, loose: Sequence[str]) -> list[tuple[str, list[object]]]:
        """Move home what is not to stay where it is; the calls that undo this, the last first.

        Where this was interrupted, it goes on: what is there stays.
        """
        own = await self._is_directory(NODES, [self._volumes.filesystem.node])
        undo: list[tuple[str, list[object]]] = []

        async def move(source: str, target: str) -> None:
            await self._volumes.call("mv", [source, target])
            undo.insert(0, ("mv", [target, source]))

        async def make_home() -> None:
            there = "nodes" in await self._names("/")
            if self._volumes.filesystem.node not in await self._names(NODES):
                await self._volumes.call("mkdir", [self._home])
                undo.insert(0, ("rm", [self._home if there else NODES, True]))

        if "nodes" in loose and (not own or set(loose) & set(await self._names(self._home)) - {"nodes"}):
            aside = f"/nodes-{uuid4().hex[:8]}"  # it has that name by chance
            await move(NODES, aside)
            await make_home()
            await move(aside, child_path(self._home, "nodes"))
        elif loose and "nodes" not in loose:
            await make_home()
        for name in loose:
            if name != "nodes":
                await move(f"/{name}", child_path(self._home, name))
        return undo

    async def _is_directory(self, path: str, names: Sequence[str] | None = None) -> bool:
        """Tell whether a path of this filesystem is a directory, or nothing; and has just these names in it."""
        try:
            found = await self._names(path)
        except Invalid:
            return False
        return names is None or found == names

    async def _check_beside(self) -> None:
        """Check that nothing lies beside a path that is to stay: it could be reached by nobody.

        Raises:
            Invalid: something does, or it is no directory.
        """
        for path in self._volumes.paths:
            if not await self._is_directory(path):
                raise Invalid(
                    f"{path} is no directory, which --mount wants",
                    path=path,
                    remedy="mount the directory that it is in",
                )
            names = split_path(path)
            for depth in range(1, len(names)):
                above = join_path(*names[:depth])
                if above in self._volumes.paths:
                    break
                ways = {split_path(each)[depth] for each in self._volumes.paths if each.startswith(above + "/")}
                beside = [name for name in await self._names(above) if name not in ways]
                if beside:
                    raise Invalid(
                        f"{above} has {beside[0]} beside what --mount {path} names",
                        path=above,
                        remedy=f"mount {above}, or each of what is in it",
                    )

    async def _names(self, path: str) -> list[str]:
        """The names of all that is in a directory of this filesystem; none where there is no such directory."""
        names: list[str] = []
        cursor = ""
        while True:
            try:
                page = await self._volumes.call("list", [path, cursor, 1000])
            except NotFound:
                return names
            assert isinstance(page, dict)
            names += [entry["name"] for entry in page["entries"]]
            cursor = page["cursor"]
            if not cursor:
                return names

    def check_name(self) -> None:
        """Check that no other store's node has this node's name, as far as the mount table knows.

        Raises:
            Invalid: one has.
        """
        table = self._volumes.table
        if table is not None:
            _check_free(table, self._volumes.cluster.identity)

    # --- under another name, or elsewhere
    def review(self) -> None:
        """Let the table have the name and the address of this node as they are now.

        Of several that share a store it keeps those of one.
        """
        table = self._volumes.table
        known = table.member(self._volumes.own) if table is not None else None
        self._shares = self._shares or any(
            each.filesystem == self._volumes.own for each in self._volumes.cluster.peers()
        )
        if known not in (None, self._volumes.member()) and not self._shares and self._renaming is None:
            self._renaming = asyncio.get_running_loop().create_task(self._rename())

    async def _rename(self) -> None:
        identity, table = self._volumes.cluster.identity, self._volumes.current()
        try:
            if self._volumes.is_registry:
                await self._admit(identity, [])
            else:
                sent: list[object] = [identity.to_wire(), []]
                await self._volumes.offer(read_table(await self._volumes.ask_registry(table, "_cluster_enter", sent)))
        except Unavailable:  # its time comes
            pass
        except EmergeError as error:
            log.warning("this node is named otherwise in the mount table: %s", error.message)
        finally:
            self._renaming = None

    async def stop(self) -> None:
        """End what is under way."""
        if self._renaming is not None:
            self._renaming.cancel()
            await asyncio.wait([self._renaming])

    # --- at the registry
    async def _on_enter(self, name: str, args: Values, context: Context) -> Wire:
        call = CALLS[name].bind(args)
        check_node(context)
        if not self._volumes.is_registry:
            table = self._volumes.current()
            return await self._volumes.ask_registry(table, name, list(args))
        identity = read_identity(call.identity)
        return (await self._admit(identity, [str(path) for path in call.paths])).to_wire()

    async def _admit(self, identity: Identity, paths: Sequence[str]) -> MountTable:
        member = Member(identity.filesystem, identity.node, identity.rpc)
        here = self._volumes.cluster.view.namesake(identity)
        if here is not None and here.filesystem != identity.filesystem:  # of several on one store the table names one
            raise _taken(here.node, here.rpc)
        for _ in range(ATTEMPTS):
            table = self._volumes.current()
            _check_free(table, identity)
            _check_places(table, paths, member.filesystem)
            collisions = [path for path in paths if await self._is_taken(table, path, member.filesystem)]
            if collisions:
                home = child_path(NODES, member.node)
                elsewhere = f"mount these elsewhere, or leave --mount out: what the node has is then at {home}"
                raise Conflict(
                    f"there is something at {', '.join(collisions)} already",
                    path=collisions[0],
                    remedy="move that away, or mount all that the node has" if home in collisions else elsewhere,
                    collisions=collisions,
                )
            if table.member(member.filesystem) == member:
                return table
            try:
                return await self._volumes.put(table.admit(member))
            except Conflict:
                await self._volumes.load()
        raise Conflict("the mount table is being changed by too many at once", remedy="try again")

    async def _is_taken(self, table: MountTable, path: str, filesystem: str) -> bool:
        volume = table.volume_of(path)
        if volume.path == path:
            return volume.filesystem != filesystem
        try:
            if (local := self._volumes.local(volume.filesystem)) is not None:
                return not await is_vacant(local.core, path)
            page = await self._volumes.forward(volume.filesystem, "list", [path, "", 1])
        except NotFound:
            return False
        except Invalid:  # an object is there, or above
            return True
        return bool(page["entries"])


def _check_places(table: MountTable, paths: Sequence[str], filesystem: str) -> None:
    """Check that a filesystem may own volumes at these paths, one after another."""
    for path in paths:
        volume = table.volume_of(path)
        if volume.path != path or path == "/":
            check_place(table, path, filesystem)
            table = table.mount(path, filesystem)


def _check_free(table: MountTable, identity: Identity) -> None:
    """Check that no other filesystem's node in the table has a name. Raises Invalid."""
    for member in table.members:
        if member.node == identity.node and member.filesystem != identity.filesystem:
            raise _taken(member.node, member.rpc)


def _taken(node: str, rpc: str) -> Invalid:
    return Invalid(
        f"a node {node} is in the cluster, with a store of its own, at {rpc}",
        remedy="start this one with another --name",
    )
