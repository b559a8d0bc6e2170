"""The mount table as this node knows it: its copy in the store, and how that is kept up to date.

The registry, the owner of `/`, keeps the table and alone changes it; each other node keeps a copy in its own store and
asks again when it hears of a newer one. A node with a table knows who owns a path without asking anybody, also when the
owner is away. What changes the table is in `admission` and `mount`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import cast
from uuid import uuid4

from ..cluster.membership import Cluster, Register
from ..cluster.peer import Identity
from ..cluster.volume import Member, MountTable, read_table, unpack
from ..errors import Conflict, EmergeError, Invalid, PermissionDenied, Unavailable
from ..filesystem import Filesystem
from ..operations import Context, Values, Wire
from ..paths import join_path, split_path
from ..store import Batch
from .calls import CALLS
from .recent_moves import RecentMoves
from .skew import ask_member
from .undecided import UndecidedMoves

log = logging.getLogger("emerge.node")

TABLE = ("meta", b"volumes")
"""Where a store keeps the table: the registry's own, and the copies of all others."""

INTERNAL = Context(superuser=True, via="cluster", umask=0o022)
"""For what nodes make themselves: the directories above a volume, open to all."""

ATTEMPTS = 10

MEET_SECONDS = 2.0
"""How long a node that owns a new volume is waited for."""

TableStep = Callable[..., Awaitable[object]]
"""A step of changing the table or what it says, by the arguments of its call."""


class Volumes:
    """The table. `paths` are where the node's own things are to be mounted when it enters a cluster."""

    def __init__(
        self, filesystem: Filesystem, cluster: Cluster, paths: Sequence[str] = (), *, joins: bool = False
    ) -> None:
        self.filesystem = filesystem
        self.cluster = cluster
        self.table: MountTable | None = None
        self.paths = tuple(join_path(*split_path(path)) for path in paths)
        self.given: dict[str, tuple[str, int]] = {}
        """Volumes that this node has handed over: the filesystem, and the version of the table that is to say so."""
        self.taken: dict[str, tuple[str, int]] = {}
        """Volumes that were handed over to this node, in the same way."""
        self.shrunk = 0
        """The version of the first table known here without a volume that there was before."""
        self.undecided = UndecidedMoves(lambda filesystem: self.current().name(filesystem))
        self.moves = RecentMoves()
        self.steps: dict[str, TableStep] = {}
        """What is done here when a node, or this one, asks for it, by the names of the calls."""
        self.hosted: dict[str, Filesystem] = {}
        """Filesystems that were made as copies of volumes and live in this process, by uuid."""
        self.lost: set[str] = set()
        """Hosted filesystems whose files are gone, though this process has them open."""
        self.on_host: Callable[[Filesystem], object] = lambda filesystem: None
        """Called with each filesystem that is hosted."""
        self.takes_blocks: Callable[[], bool] = lambda: True
        """Whether this node takes blocks of others."""
        self.on_table: list[Callable[[MountTable], object]] = []
        """Called with each new table."""
        self._joins = joins and not filesystem.core.store.capabilities.many_writers
        self._raw: bytes | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._newer = asyncio.Event()

    async def load(self) -> None:
        """Read the table that the store keeps."""
        (raw,) = await self.filesystem.core.store.get([TABLE])
        if raw is not None and raw != self._raw:
            self._take(unpack(raw), raw)

    def register(self, register: Register) -> None:
        """Let other nodes read the table, and hand over a newer one."""
        register("_cluster_table", self._on_table)

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
        return self.table is not None and self.local(self.table.registry) is not None

    def local(self, filesystem: str) -> Filesystem | None:
        """A filesystem that this node serves, by its uuid."""
        return self.filesystem if filesystem in ("", self.own) else self.hosted.get(filesystem)

    async def catch_up(self) -> None:
        """Ask for a newer table before serving what a copy might have been promoted in place of."""
        table = self.table
        if table is None or not table.replicas or self.filesystem.core.store.capabilities.many_writers:
            return
        asked = [member for member in table.members if member.filesystem != self.own]
        answers = await asyncio.gather(*map(self._ask_table, asked))
        for found in answers:
            if found is not None:
                await self.offer(found)

    async def _ask_table(self, member: Member) -> MountTable | None:
        try:
            async with asyncio.timeout(1.0):
                to = Identity(member.node, "", member.filesystem, member.rpc, "")
                return read_table(await self.cluster.link(to).call("_cluster_table", [None]))
        except (EmergeError, TimeoutError):
            return None

    async def found(self) -> MountTable:
        """Found a cluster, in which this filesystem owns everything.

        Raises:
            Conflict: it is in one.
        """
        await self.load()
        if self.table is not None:
            raise Conflict(f"this node is in the cluster {self.table.cluster[:8]} already")
        table = MountTable.found(uuid4().hex, self.member())
        await self.save(table)
        same = [each for each in self.cluster.peers() if each.filesystem == self.own]
        await asyncio.gather(*(self.tell(each, table) for each in same))
        return table

    async def call(self, name: str, args: Sequence[object], context: Context = INTERNAL) -> object:
        """Run an operation that does not stream on the own filesystem."""
        answer = self.filesystem.dispatch(name, args, context)
        assert isinstance(answer, Awaitable)
        return await answer

    # --- changing it, and what it says
    async def change(self, name: str, *args: object) -> None:
        """Mount or unmount ("_cluster_mount", "_cluster_unmount"), where the table is kept."""
        table = self.current()
        if self.is_registry:
            await self.steps[name](*args)
        else:
            await self.offer(read_table(await self.ask_registry(table, name, list(args))))

    async def put(self, after: MountTable, fence: Batch | None = None) -> MountTable:
        """Make this the table, at the registry, in one commit with `fence`, and tell everybody.

        Raises:
            Conflict: it was made from another one than that of now.
        """
        if self.table is not None and after.version <= self.table.version:
            raise Conflict("the mount table was changed meanwhile", remedy="try again")
        await self.save(after, fence)
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

    async def ask(self, filesystem: str, name: str, args: list[object]) -> object:
        """Ask a filesystem for a step, wherever it is. One that was made as a copy is named in the call."""
        if self.local(filesystem) is not None:
            return await self.steps[name](*args)
        try:
            member = self.serving(filesystem)
        except Unavailable:  # it may be entering, and so be known by the table alone
            known = self.current().member(filesystem)
            if known is None:
                raise
            member = Identity(known.node, "", filesystem, known.rpc, "")
        link = self.cluster.link(member)
        try:
            return await ask_member(link, member.node, name, args)
        except Unavailable as error:
            if link.connected or error.details.get("missing"):
                raise
            raise Unavailable(
                f"node {member.node} is away: {error.message}",
                path=error.path,
                remedy=error.remedy if error.details.get("unknown") else f"start node {member.node} again",
                **{**error.details, "missing": [member.node]},
            ) from None

    async def ask_registry(self, table: MountTable, name: str, args: list[object]) -> Wire:
        """Ask the registry for a change; the table after it."""
        registry = self.serving(table.registry)
        return cast(Wire, await ask_member(self.cluster.link(registry), registry.node, name, args))

    async def forward(self, filesystem: str, name: str, args: list[object]) -> Wire:
        """Run an operation on a filesystem of the cluster, as a node does for itself."""
        local = self.local(filesystem)
        if local is not None:
            answer = await local.dispatch(name, args, INTERNAL)  # type: ignore[misc]  # it does not stream
        else:
            who = {"principal": "", "groups": [], "superuser": True}
            to = self.serving(filesystem)
            answer = await self.cluster.link(to).call("_cluster_forward", [name, args, who, 0, *self.apart(filesystem)])
        assert isinstance(answer, dict)
        return answer

    def serving(self, filesystem: str) -> Identity:
        """A node that serves a filesystem: its own, or one that it hosts.

        Raises:
            Unavailable: none is here.
        """
        if filesystem in self.hosted:
            return replace(self.cluster.identity, filesystem=filesystem)
        replica = self.table.replica(filesystem) if self.table else None
        host = replica.host if replica else filesystem
        found = next((each for each in self.cluster.others() if each.filesystem == host), None)
        if found is None:
            name = self.table.name(filesystem) if self.table else filesystem[:8]
            raise Unavailable(f"node {name} is away", remedy="start it again", missing=[name])
        return replace(found, filesystem=filesystem) if replica else found

    async def meet(self, filesystem: str) -> None:
        """Wait until a node that serves a filesystem is here: one that is just entering is a moment later.

        One that does not come is not waited for long.
        """
        changed = asyncio.Event()
        end = self.cluster.on_change(lambda *_: changed.set())
        try:
            async with asyncio.timeout(MEET_SECONDS):
                while not self.is_here(filesystem):
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            log.warning("node %s is not met yet, though it answers", self.current().name(filesystem))
        finally:
            end()

    def is_here(self, filesystem: str) -> bool:
        """Tell whether a node serves a filesystem, as far as is known here."""
        try:
            return self.local(filesystem) is not None or bool(self.serving(filesystem))
        except Unavailable:
            return False

    def apart(self, filesystem: str) -> list[str]:
        """The argument that names a filesystem which a node hosts beside its own; nothing for one of its own."""
        return [filesystem] if self.table is not None and self.table.replica(filesystem) is not None else []

    def owner_of(self, copy: str) -> str:
        """The name of the node whose volume a filesystem is a copy of; "" where that is not known."""
        table = self.table
        replica = table.replica(copy) if table else None
        return table.name(table.volume_of(replica.path).filesystem) if table and replica else ""

    def is_named(self, path: str, filesystem: str, version: int) -> bool:
        """Tell whether the table knows that a volume was given to a filesystem, or what came later."""
        volume = self.current().volume_of(path)
        return volume.filesystem == filesystem or (volume.path == path and volume.epoch >= version)

    def check_given(self, paths: Iterable[str]) -> None:
        """Check that nothing at, above or below these paths was handed over, by this node or to it.

        That is so until the table says whose it is.

        Raises:
            Unavailable: it was.
        """
        for path, (filesystem, version) in (*self.given.items(), *self.taken.items()):
            inside = (each == path or each == "/" or _below(each, path) or _below(path, each) for each in paths)
            if any(inside) and not self.is_named(path, filesystem, version):
                raise Unavailable(f"{path} is being moved to another node", path=path, remedy="try again", mounted=True)

    def take_back(self, path: str) -> None:
        """Forget that what is at a path, or below it, was handed over: it came back."""
        self.given = {each: to for each, to in self.given.items() if each != path and not _below(each, path)}

    def named(self, node: str) -> str:
        """The uuid of the filesystem that the node of a name serves; "" means this one."""
        table = self.current()
        if not node:
            return self.own
        for member in table.members:
            if node in (member.node, member.filesystem):
                return member.filesystem
        for identity in self.cluster.peers():
            if identity.node == node:
                return identity.filesystem
        raise Invalid(f"there is no node {node}", remedy="one of: " + ", ".join(each.node for each in table.members))

    # --- keeping up
    async def _on_table(self, name: str, args: Values, context: Context) -> Wire:
        """Answer the table, after taking a newer one that is handed over."""
        (given,) = CALLS[name].bind(args)
        check_node(context)
        if given is not None:
            await self.offer(read_table(given))
        return self.current().to_wire()

    def heard(self, member: Identity, version: int) -> None:
        """A member announced the version of its table: ask for it, if it is newer."""
        if member.filesystem == self.own:
            self._joins = False  # this node shares a store with that one, and has entered with it
        known = self.table.version if self.table is not None else 0
        if version > known and (known or member.filesystem == self.own) and not self._refreshing:
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
        await self.load()
        table = self.current()
        if self.is_registry and member is None:
            return
        asked = member or self.serving(table.registry)
        async with asyncio.timeout(2.0):
            await self.offer(read_table(await self.cluster.link(asked).call("_cluster_table", [None])))

    async def agree(self, filesystem: str) -> None:
        """Come to the newest table with the node that refused a call by another one: it may know less, or more."""
        await self.refresh()
        for member in self.cluster.peers():
            if member.filesystem == filesystem:
                await self.tell(member, self.current())

    async def wait_newer(self, seconds: float) -> None:
        """Wait for the next table, but no longer than this."""
        newer = self._newer
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await newer.wait()

    async def offer(self, table: MountTable) -> None:
        """Take a table, if it is newer and of this cluster."""
        if self.table is None:  # another node of this filesystem may have founded it, or entered
            await self.load()
        own = self.current()
        if table.cluster != own.cluster or table.version <= own.version:
            return
        try:
            await self.save(table)
        except Conflict:  # another node of this filesystem took it
            await self.load()

    def current(self) -> MountTable:
        """The table. Raises Invalid when this node is in no cluster."""
        if self.table is None:
            raise Invalid(
                f"node {self.filesystem.node} is in no cluster",
                remedy="found one: emerge cluster found, or start it with --join",
            )
        return self.table

    def member(self) -> Member:
        """This node, as the table names it."""
        identity = self.cluster.identity
        return Member(self.own, identity.node, identity.rpc)

    async def save(self, table: MountTable, fence: Batch | None = None) -> None:
        """Keep a table in the store.

        Raises:
            Conflict: another process has replaced the one that it was made from.
        """
        batch = fence or Batch()
        raw = table.pack()
        batch.expect(*TABLE, self._raw)
        batch.put(*TABLE, raw)
        await self.filesystem.core.store.commit(batch)
        self._take(table, raw)

    def _take(self, table: MountTable, raw: bytes) -> None:
        if self.table is None or {each.path for each in self.table.volumes} - {each.path for each in table.volumes}:
            self.shrunk = table.version
        if self.table is not None:
            self._note_moves(self.table, table)
        self.table, self._raw = table, raw
        self.taken = {path: to for path, to in self.taken.items() if not self.is_named(path, *to)}
        seeds = [member.rpc for member in table.members if member.filesystem != self.own]
        self.cluster.belong(table.cluster, table.version, seeds)
        self._newer.set()
        self._newer = asyncio.Event()
        for callback in self.on_table:
            callback(table)

    def _note_moves(self, before: MountTable, after: MountTable) -> None:
        """Note what changes its owner by a new table: a search may have begun by the one before."""
        for path in {volume.path for volume in (*before.volumes, *after.volumes)}:
            owners = {table.volume_of(path).filesystem for table in (before, after)}
            for each in owners if len(owners) > 1 else ():
                if self.local(each) is not None:
                    self.moves.note(each, path, path)


def _below(path: str, top: str) -> bool:
    return path.startswith(top + "/")


def check_node(context: Context) -> None:
    """Check that a node asks. Raises PermissionDenied."""
    if not context.superuser:
        raise PermissionDenied("only a node may ask for this", remedy="ask in your own name")
