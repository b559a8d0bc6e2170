"""The mount table as this node knows it: founding a cluster, entering one, and making volumes.

The registry, the owner of `/`, keeps the table and alone changes it; each other node keeps a copy in its own store and
asks again when it hears of a newer one. A node with a table knows who owns a path without asking anybody, also when the
owner is away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar
from uuid import uuid4

from ..clients.transports.zeromq import ZeroMQTransport
from ..cluster.membership import Cluster, Register
from ..cluster.peer import Identity, read_identity
from ..cluster.volume import NODES, Member, MountTable, Volume, read_table, unpack
from ..errors import Conflict, EmergeError, Invalid, NotFound, PermissionDenied, Unavailable
from ..filesystem import Filesystem
from ..filesystem.tree.mount import close_directory, is_vacant, open_directory
from ..operations import Context, Values, Wire
from ..paths import child_path, join_path, split_path
from ..store import Batch
from .calls import CALLS

log = logging.getLogger("emerge.node")

TABLE = ("meta", b"volumes")
"""Where a store keeps the table: the registry's own, and the copies of all others."""

INTERNAL = Context(superuser=True, via="cluster", umask=0o022)
"""For what nodes make themselves: the directories above a volume, open to all."""

ATTEMPTS = 10

TableStep = Callable[..., Awaitable[object]]
"""A step of changing the table or what it says, by the arguments of its call."""


class Volumes:
    """The table, and the calls that change it. `paths` are where the node's own things are to be mounted when it enters
    a cluster."""

    def __init__(
        self, filesystem: Filesystem, cluster: Cluster, paths: Sequence[str] = (), *, joins: bool = False
    ) -> None:
        self.filesystem = filesystem
        self.cluster = cluster
        self.table: MountTable | None = None
        self.paths = tuple(join_path(*split_path(path)) for path in paths)
        self._joins = joins and not filesystem.core.store.capabilities.many_writers
        self.whole = True
        """Whether this node's filesystem owns everything."""
        self._raw: bytes | None = None
        self._entering = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Read the table that the store keeps."""
        (raw,) = await self.filesystem.core.store.get([TABLE])
        if raw is not None and raw != self._raw:
            self._take(unpack(raw), raw)

    def register(self, register: Register) -> None:
        """Let other nodes read and change the table."""
        register("_cluster_table", self._on_table)
        register("_cluster_enter", self._on_enter)
        register("_cluster_prepare", self._on_prepare)
        register("_cluster_close", self._on_close)
        register("_cluster_mount", self._on_mount)
        register("_cluster_unmount", self._on_unmount)

    @property
    def own(self) -> str:
        """The uuid of the own filesystem."""
        return self.filesystem.uuid

    @property
    def pending(self) -> bool:
        """Whether this node is to enter a cluster first: what is stored before might collide with what is there."""
        return self._joins and self.table is None

    @property
    def is_registry(self) -> bool:
        return self.table is not None and self.table.registry == self.own

    # --- founding and entering
    async def found(self) -> MountTable:
        """Found a cluster, in which this filesystem owns everything.

        Raises:
            Conflict: it is in one.
        """
        await self.load()
        if self.table is not None:
            raise Conflict(f"this node is in the cluster {self.table.cluster[:8]} already")
        table = MountTable.found(uuid4().hex, self._member())
        await self._save(table)
        return table

    async def enter(self, found: Identity, transport: ZeroMQTransport) -> None:
        """Enter the cluster of a node that was met, and have the own things mounted there.

        Raises:
            Invalid: it is in no cluster, or this node is in another one, or its name is taken, or something lies beside
                what is to stay where it is.
            Conflict: there is something already where the own things are to be mounted; `details` has the paths.
        """
        async with self._entering:
            if self.table is not None and found.cluster in ("", self.table.cluster):
                return
            if not found.cluster:
                raise Invalid(
                    f"node {found.node} is in no cluster",
                    remedy=f"found one there: emerge -h {found.rpc} cluster found",
                )
            if self.table is not None:
                theirs, own = found.cluster[:8], self.table.cluster[:8]
                raise Invalid(
                    f"node {found.node} is in the cluster {theirs}, this one in {own}",
                    remedy="a store is in one cluster: join with an empty one",
                )
            await self._check_beside()
            identity = self.cluster.identity.to_wire()
            table = read_table(await transport.call("_cluster_enter", [identity, list(self.paths)]))
            for path in await self._arrange():
                table = read_table(await transport.call("_cluster_mount", [path, self.own]))
            await self._save(table)
            log.info("node %s entered the cluster %s", found.node, table.cluster)

    async def _arrange(self) -> list[str]:
        """Move home what is not to stay where it is; return where the own things are then.

        Where this was interrupted, it goes on: what is at home stays there.
        """
        home = child_path(NODES, self.filesystem.node)
        stay = {names[0] for path in self.paths if (names := split_path(path))}
        loose = [name for name in await self._names("/") if name not in stay]
        if "nodes" in loose:
            loose.remove("nodes")
            if await self._names(NODES) != [self.filesystem.node]:  # a directory that has that name by chance
                aside = f"nodes-{uuid4().hex[:8]}"
                await self._call("mv", [NODES, f"/{aside}"])
                await self._call("mkdir", [home])
                await self._call("mv", [f"/{aside}", child_path(home, "nodes")])
        elif not loose:
            return list(self.paths)
        await self._call("mkdir", [home])
        for name in loose:
            await self._call("mv", [f"/{name}", child_path(home, name)])
        return [*self.paths, home]

    async def _check_beside(self) -> None:
        """Check that nothing lies beside a path that is to stay: it could be reached by nobody.

        Raises:
            Invalid: something does.
        """
        for path in self.paths:
            names = split_path(path)
            for depth in range(1, len(names)):
                above = join_path(*names[:depth])
                if above in self.paths:
                    break
                ways = {split_path(each)[depth] for each in self.paths if each.startswith(above + "/")}
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
                page = await self._call("list", [path, cursor, 1000])
            except NotFound:
                return names
            assert isinstance(page, dict)
            names += [entry["name"] for entry in page["entries"]]
            cursor = page["cursor"]
            if not cursor:
                return names

    async def _call(self, name: str, args: Sequence[object], context: Context = INTERNAL) -> object:
        answer = self.filesystem.dispatch(name, args, context)
        assert isinstance(answer, Awaitable)
        return await answer

    # --- volumes, at the registry
    async def mount(self, path: str, filesystem: str) -> MountTable:
        """Make a volume. Where it was begun before, it is finished.

        Raises:
            Conflict: a volume or something else is there already.
            Unavailable: a node that is concerned is away.
        """
        for _ in range(ATTEMPTS):
            table = self._table()
            if any(volume.path == path for volume in table.volumes):
                if table.volume_of(path).filesystem == filesystem:
                    return table
                raise Conflict(f"{path} is a volume of node {table.name(table.volume_of(path).filesystem)}", path=path)
            self._check_place(table, path, filesystem)
            above = table.volume_of(path).filesystem
            if filesystem != above:
                await self._ask(filesystem, "_cluster_prepare", [path, await self._rights_at(above, path)])
                await self._ask(above, "_cluster_close", [path, True])
            try:
                return await self._change(table, table.mount(path, filesystem))
            except Conflict:  # another node of this filesystem changed the table
                await self.load()
        raise Conflict("the mount table is being changed by too many at once", remedy="try again")

    def _check_place(self, table: MountTable, path: str, filesystem: str) -> None:
        if path == "/" or path.startswith("/registry"):
            raise Invalid(f"{path} cannot be a volume of its own", path=path)
        below = [volume.path for volume in table.volumes if volume.path.startswith(path + "/")]
        if below:
            raise Conflict(f"{below[0]} is a volume already", path=path, remedy="mount what is above first")
        owners: list[str] = []
        volume: Volume | None = table.volume_of(path)
        while volume is not None:
            owners.append(volume.filesystem)
            volume = table.above(volume)
        if filesystem in owners and owners[0] != filesystem:
            raise Invalid(
                f"node {table.name(filesystem)} owns what is above {table.volume_of(path).path}",
                path=path,
                remedy="mount it on another node, or elsewhere",
            )

    async def unmount(self, path: str) -> MountTable:
        """Give an empty volume back to the owner of what is above it.

        Raises:
            Conflict: it is not empty, or a volume is mounted in it.
            Invalid: it is no volume.
        """
        table = self._table()
        volume = table.volume_of(path)
        if volume.path != path or path == "/":
            raise Invalid(f"{path} is no volume that can be unmounted", path=path, remedy="see emerge volumes")
        inside = [each.path for each in table.volumes if each.path.startswith(path + "/")]
        if inside:
            raise Conflict(f"{inside[0]} is mounted in {path}", path=path, remedy="unmount that first")
        border = table.is_border(volume)
        if border:
            await self._ask(volume.filesystem, "_cluster_close", [path, True])
        changed = await self._change(table, table.unmount(path))
        if border:
            await self._ask(changed.volume_of(path).filesystem, "_cluster_close", [path, False])
        return changed

    async def _change(self, before: MountTable, after: MountTable) -> MountTable:
        await self._save(after)
        asked = [self.tell(each, after) for each in self.cluster.peers()]
        await asyncio.gather(*asked)
        return after

    async def tell(self, member: Identity, table: MountTable) -> None:
        """Hand a node the new table; one that does not take it asks for it when it hears its version."""
        try:
            async with asyncio.timeout(1.0):
                await self.cluster.link(member).call("_cluster_table", [table.to_wire()])
        except (EmergeError, TimeoutError) as error:
            log.warning("node %s was not told of the new mount table: %s", member.node, error)

    async def _ask(self, filesystem: str, name: str, args: list[object]) -> object:
        if filesystem == self.own:
            return await self._inner[name](self, *args)
        try:
            member = self.serving(filesystem)
        except Unavailable:  # it may be entering, and so be known by the table alone
            known = self._table().member(filesystem)
            if known is None:
                raise
            member = Identity(known.node, "", filesystem, known.rpc, "")
        return await self.cluster.link(member).call(name, args)

    def serving(self, filesystem: str) -> Identity:
        """A node that serves a filesystem.

        Raises:
            Unavailable: none is here.
        """
        found = next((each for each in self.cluster.others() if each.filesystem == filesystem), None)
        if found is None:
            name = self.table.name(filesystem) if self.table else filesystem[:8]
            raise Unavailable(f"node {name} is away", remedy="start it again", missing=[name])
        return found

    def named(self, node: str) -> str:
        """The uuid of the filesystem that the node of a name serves; "" means this one."""
        table = self._table()
        if not node:
            return self.own
        for member in table.members:
            if node in (member.node, member.filesystem):
                return member.filesystem
        for identity in self.cluster.peers():
            if identity.node == node:
                return identity.filesystem
        raise Invalid(f"there is no node {node}", remedy="one of: " + ", ".join(each.node for each in table.members))

    # --- what other nodes ask
    async def _on_table(self, name: str, args: Values, context: Context) -> Wire:
        """Answer the table, after taking a newer one that is handed over."""
        (given,) = CALLS[name].bind(args)
        _check_node(context)
        if given is not None:
            await self._offer(read_table(given))
        return self._table().to_wire()

    async def _on_enter(self, name: str, args: Values, context: Context) -> Wire:
        call = CALLS[name].bind(args)
        _check_node(context)
        if not self.is_registry:
            table = self._table()
            return await self._ask_registry(table, name, list(args))
        return (await self._admit(_member_of(call.identity), [str(path) for path in call.paths])).to_wire()

    async def _admit(self, member: Member, paths: Sequence[str]) -> MountTable:
        for _ in range(ATTEMPTS):
            table = self._table()
            taken = [
                each for each in table.members if each.node == member.node and each.filesystem != member.filesystem
            ]
            if taken:
                raise Invalid(
                    f"a node {member.node} is in the cluster, with a store of its own",
                    remedy="start this one with another --name",
                )
            collisions = [path for path in paths if await self._is_taken(table, path, member.filesystem)]
            if collisions:
                raise Conflict(
                    f"there is something at {', '.join(collisions)} already",
                    path=collisions[0],
                    remedy="mount these elsewhere, or leave --mount out: what the node has is then at "
                    f"{NODES}/{member.node}",
                    collisions=collisions,
                )
            if table.member(member.filesystem) == member:
                return table
            try:
                return await self._change(table, table.admit(member))
            except Conflict:
                await self.load()
        raise Conflict("the mount table is being changed by too many at once", remedy="try again")

    async def _is_taken(self, table: MountTable, path: str, filesystem: str) -> bool:
        volume = table.volume_of(path)
        if volume.path == path:
            return volume.filesystem != filesystem
        if volume.filesystem == self.own:
            return not await is_vacant(self.filesystem.core, path)
        try:
            page = await self._forward(volume.filesystem, "list", [path, "", 1])
        except NotFound:
            return False
        return bool(page["entries"])

    async def _rights_at(self, filesystem: str, path: str) -> Wire | None:
        """The rights of the directory that a volume is to take the place of; None when there is none."""
        try:
            pointer = await self._forward(filesystem, "get", [path])
        except NotFound:
            return None
        return {name: pointer[name] for name in ("perms", "owner", "group")}

    async def _forward(self, filesystem: str, name: str, args: list[object]) -> Wire:
        """Run an operation on a filesystem of the cluster, as a node does for itself."""
        if filesystem == self.own:
            answer = await self._call(name, args)
        else:
            who = {"principal": "", "groups": [], "superuser": True}
            answer = await self.cluster.link(self.serving(filesystem)).call("_cluster_forward", [name, args, who])
        assert isinstance(answer, dict)
        return answer

    async def change(self, name: str, *args: object) -> None:
        """Mount or unmount ("_cluster_mount", "_cluster_unmount"), where the table is kept."""
        table = self._table()
        if self.is_registry:
            await self._changes[name](self, *args)
        else:
            await self._offer(read_table(await self._ask_registry(table, name, list(args))))

    async def _on_mount(self, name: str, args: Values, context: Context) -> Wire:
        call = CALLS[name].bind(args)
        _check_node(context)
        await self.change(name, call.path, call.filesystem)
        return self._table().to_wire()

    async def _on_unmount(self, name: str, args: Values, context: Context) -> Wire:
        call = CALLS[name].bind(args)
        _check_node(context)
        await self.change(name, call.path)
        return self._table().to_wire()

    async def _ask_registry(self, table: MountTable, name: str, args: list[object]) -> Wire:
        answer: Wire = await self.cluster.link(self.serving(table.registry)).call(name, args)
        return answer

    async def _on_prepare(self, name: str, args: Values, context: Context) -> None:
        call = CALLS[name].bind(args)
        _check_node(context)
        await self._prepare(call.path, call.rights)

    async def _prepare(self, path: str, rights: Wire | None) -> None:
        """Make the top of a volume that this filesystem is to own, with these rights if it is not there yet.

        The directories above it are open to all: their owners check who may pass.
        """
        names = split_path(path)
        fresh = await is_vacant(self.filesystem.core, path)
        await self._call("mkdir", [path])
        if fresh and rights is not None:
            await self._call("chmod", [path, str(rights["perms"])])
            await self._call("chown", [path, str(rights["owner"]), str(rights["group"])])
        await open_directory(self.filesystem.core, path)
        for depth in range(len(names)):
            await self._call("chmod", [join_path(*names[:depth]), "a+rx"])

    async def _on_close(self, name: str, args: Values, context: Context) -> None:
        call = CALLS[name].bind(args)
        _check_node(context)
        await self._close(call.path, call.close)

    async def _close(self, path: str, close: bool) -> None:
        core = self.filesystem.core
        await (close_directory(core, INTERNAL, path) if close else open_directory(core, path))

    _inner: ClassVar[dict[str, TableStep]] = {"_cluster_prepare": _prepare, "_cluster_close": _close}

    _changes: ClassVar[dict[str, TableStep]] = {"_cluster_mount": mount, "_cluster_unmount": unmount}

    # --- keeping up
    def heard(self, member: Identity, version: int) -> None:
        """A member announced the version of its table: ask for it, if it is newer."""
        if member.filesystem == self.own:
            self._joins = False  # this node shares a store with that one, and has entered with it
        if self.table is not None and version > self.table.version and not self._refreshing:
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh_from(member))

    async def _refresh_from(self, member: Identity) -> None:
        try:
            await self.refresh(member)
        except (EmergeError, TimeoutError) as error:
            log.warning("node %s does not give the mount table: %s", member.node, error)
        finally:
            self._refreshing = None

    async def refresh(self, member: Identity | None = None) -> None:
        """Read the table anew: from the store that the registry's nodes share, else from a member or the registry."""
        table = self._table()
        await self.load()
        if self.is_registry:
            return
        asked = member or self.serving(table.registry)
        async with asyncio.timeout(2.0):
            await self._offer(read_table(await self.cluster.link(asked).call("_cluster_table", [None])))

    async def agree(self, filesystem: str) -> None:
        """Come to the newest table with the node that refused a call by another one: it may know less, or more."""
        await self.refresh()
        for member in self.cluster.peers():
            if member.filesystem == filesystem:
                await self.tell(member, self._table())

    async def _offer(self, table: MountTable) -> None:
        """Take a table, if it is newer and of this cluster."""
        own = self._table()
        if table.cluster != own.cluster or table.version <= own.version:
            return
        try:
            await self._save(table)
        except Conflict:  # another node of this filesystem took it
            await self.load()

    def _table(self) -> MountTable:
        if self.table is None:
            raise Invalid(
                f"node {self.filesystem.node} is in no cluster",
                remedy="found one: emerge cluster found, or start it with --join",
            )
        return self.table

    def _member(self) -> Member:
        identity = self.cluster.identity
        return Member(self.own, identity.node, identity.rpc)

    async def _save(self, table: MountTable) -> None:
        """Keep a table in the store.

        Raises:
            Conflict: another process has replaced the one that it was made from.
        """
        batch = Batch()
        raw = table.pack()
        batch.expect(*TABLE, self._raw)
        batch.put(*TABLE, raw)
        await self.filesystem.core.store.commit(batch)
        self._take(table, raw)

    def _take(self, table: MountTable, raw: bytes) -> None:
        self.table, self._raw = table, raw
        self.whole = all(volume.filesystem == self.own for volume in table.volumes)
        seeds = [member.rpc for member in table.members if member.filesystem != self.own]
        self.cluster.belong(table.cluster, table.version, seeds)


def _check_node(context: Context) -> None:
    if not context.superuser:
        raise PermissionDenied("only a node may ask for this", remedy="ask in your own name")


def _member_of(identity: object) -> Member:
    found = read_identity(identity)
    return Member(found.filesystem, found.node, found.rpc)
