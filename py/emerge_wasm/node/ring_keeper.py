"""The ring of the cluster at this node: one for all, kept where the mount table is, and changed there alone.

Whom a node lets in stands in its own ring's file: what the cluster's ring has, and what its operator changed there
since, which is sent on. A copy in the node's store tells these apart. A node takes the ring from where it is kept; only
while that is out of reach from another member, whose word counts until then and brings back nothing that was revoked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager

from ..clients.keys.known_keys import RingEntry, entry_row, make_entry, merge, with_key, without_key
from ..clients.transports.zeromq import ZeroMQTransport
from ..cluster.authenticator import Authenticator, KeyChange
from ..cluster.membership import Cluster, Register
from ..cluster.peer import Identity
from ..cluster.ring_state import KeyRing, read_entries, read_ring, write_entries
from ..cluster.volume import Member
from ..codec import decode
from ..errors import Conflict, EmergeError, Invalid, PermissionDenied, Unavailable
from ..filesystem import Filesystem
from ..operations import Arguments, Context, Values, Wire
from ..results import RingInfo
from ..store import Batch
from .caller import MEMBER_CALL
from .calls import CALLS
from .skew import ask_member
from .volumes import ATTEMPTS, Volumes

log = logging.getLogger("emerge.keys")

ROW = ("meta", b"ring")
"""Where a store keeps the ring, or the copy of it."""

PATIENCE = 2.0

INTRODUCE_SECONDS = 1.0
"""Between looks at whether a member does not know this node's key."""

RingChange = Callable[[Mapping[str, RingEntry]], dict[str, RingEntry]]


class RingKeeper:
    """Keeps the ring of this node the same as that of its cluster; answers `ring`, `addkey` and `revokekey`."""

    def __init__(self, filesystem: Filesystem, cluster: Cluster, volumes: Volumes, keys: Authenticator | None) -> None:
        self._filesystem = filesystem
        self._cluster = cluster
        self._volumes = volumes
        self._keys = keys
        self._known = KeyRing()  # what the file had when it was last written for the cluster
        self._proven = False  # that came from where it is kept
        self._taken = 0  # how often it was written for the cluster
        self._turn = asyncio.Lock()
        self._catching_up = False
        self._telling = 0  # others are being told: they must know a new key before it is shown to them
        self._failed = ""  # why, the last time
        self._tasks: set[asyncio.Task[None]] = set()

    def register(self, register: Register) -> None:
        """Let other nodes ask for the ring."""
        register("_cluster_ring", self._on_ring)

    async def load(self) -> None:
        """Read what the store has. A node that comes back to its cluster lets members alone in, until `settle`."""
        if self._keys is None:
            return
        self._keys.on_change(self._follow)
        self._keys.is_ready = lambda: not self._is_shared or not (self._telling or self._edits())
        if self._is_kept_here:
            await self._keep()
        elif self._is_shared:
            self._keys.closed = f"node {self._filesystem.node} asks its cluster first whose keys are let in"
            ring, _ = await self._read()
            self._adopt(ring)

    async def settle(self) -> None:
        """Take the newest ring that is to be had, and let clients in."""
        if self._keys is None:
            return
        try:
            if self._is_shared and not self._is_kept_here:
                await self._confirm()
        finally:
            self._keys.closed = ""
        if not self._tasks or all(task.get_name() != "introduce" for task in self._tasks):
            self._spawn(self._introduce(), "introduce")

    async def _confirm(self) -> None:
        """Take the ring from where it is kept or, for now, from the others."""
        try:
            await self.exchange()
        except EmergeError as error:
            log.warning("the cluster's ring is not confirmed, and is asked for again: %s", error)
            table = self._volumes.table
            others = [each for each in table.members if each.filesystem != self._volumes.own] if table else []
            await asyncio.gather(*(self._hear_say(_identity(each)) for each in others))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _introduce(self) -> None:
        """Give the ring to members that were away while this node's key was replaced: they know the one before."""
        while True:
            await asyncio.sleep(INTRODUCE_SECONDS)
            table, here = self._volumes.table, {self._volumes.own, *(peer.filesystem for peer in self._cluster.peers())}
            if table is None or self._keys is None or not self._is_kept_here:
                continue
            strangers = [each for each in table.members if each.filesystem not in here]
            former = self._keys.credential.former() if strangers else None
            for member in strangers if former is not None else ():
                sent = [self._known.version, write_entries(self._known.entries.values())]
                try:
                    link = ZeroMQTransport(member.rpc, patience=1.0, credential=former, node=member.node)
                    async with link, asyncio.timeout(PATIENCE):
                        await ask_member(link, member.node, "_cluster_ring", sent)
                except (EmergeError, TimeoutError) as error:
                    log.info("node %s does not know the key that this node had before: %s", member.node, error)

    # --- operations
    async def ring(self, args: Arguments, context: Context) -> RingInfo:
        self._check(context)
        return self._info([])

    async def add(self, args: Arguments, context: Context) -> RingInfo:
        entry = make_entry(args.name, args.key, args.member, args.groups or (), args.superuser)
        return await self._change("addkey", args, context, lambda known: with_key(known, entry, another=args.another))

    async def revoke(self, args: Arguments, context: Context) -> RingInfo:
        return await self._change("revokekey", args, context, lambda known: without_key(known, args.which))

    async def _change(self, name: str, args: Arguments, context: Context, change: RingChange) -> RingInfo:
        keys = self._check(context)
        if not self._is_shared:
            keys.ring.change(change)
            return self._info([])
        log.info("%s by %s: %s", name, context.principal, args)
        if self._is_kept_here:
            return self._info(await self._keep_and_tell(change=change))
        await self.exchange()  # who asks may have been revoked since
        if context.via in (MEMBER_CALL, "key") and not keys.ring.named(context.principal):
            raise PermissionDenied(f"the key of {context.principal} is no longer let in", remedy="ask with another")
        answer: RingInfo = await self._cluster.link(self._keeper()).call(name, list(args))
        if answer["version"] > self._known.version:
            await self.exchange()
        return answer

    def _check(self, context: Context) -> Authenticator:
        if not context.superuser:
            raise PermissionDenied("only a superuser sees and changes whose keys are let in", remedy="ask an operator")
        if self._keys is None:
            raise Invalid(
                f"node {self._filesystem.node} has no key and knows nobody by key",
                remedy="make a key, emerge keys new NAME --member, and start the node with --key NAME",
            )
        return self._keys

    def _info(self, missing: list[str]) -> RingInfo:
        assert self._keys is not None
        rows = [entry_row(entry) for entry in self._keys.ring.entries()]
        return {"version": self._known.version, "keys": rows, "missing": missing}

    # --- where it is kept
    @property
    def _is_shared(self) -> bool:
        """Whether there is a cluster's ring; else the file is all there is."""
        return self._volumes.table is not None or self._filesystem.core.store.capabilities.many_writers

    @property
    def _is_kept_here(self) -> bool:
        return self._is_shared and (self._volumes.table is None or self._volumes.is_registry)

    async def _keep(self, given: Iterable[RingEntry] = (), change: RingChange | None = None) -> bool:
        """Take entries, those changed in the own file, and a change into the kept ring; whether it is another now."""
        for _ in range(ATTEMPTS):
            before, raw = await self._read()
            entries = merge([*before.entries.values(), *self._edits(), *given])
            if change is not None:
                entries = change(entries)
            ring = before if entries == before.entries else before.change(entries)
            try:
                if ring is not before:
                    await self._write(ring, raw)
            except Conflict:  # another node on this store changed it
                continue
            if ring.version >= self._known.version:  # else a later change was quicker
                self._adopt(ring)
            return ring is not before
        raise Conflict("the ring is being changed by too many at once", remedy="try again")

    async def _keep_and_tell(
        self, given: Iterable[RingEntry] = (), change: RingChange | None = None, but: str = ""
    ) -> list[str]:
        """Keep what is new, and have the others take it before a new key of one's own is shown; see `_tell`."""
        with self._telling_others():
            return await self._tell(but) if await self._keep(given, change) or change is not None else []

    @contextmanager
    def _telling_others(self) -> Iterator[None]:
        self._telling += 1
        try:
            yield
        finally:
            self._telling -= 1
            if self._keys is not None:
                self._keys.look()

    async def _tell(self, but: str = "") -> list[str]:
        """Have the others take the ring; the names of the members that did not."""
        ring, table, peers = self._known, self._volumes.table, self._cluster.peers()
        here = {each.filesystem for each in peers} | {self._volumes.own}
        away = [_identity(each) for each in table.members if each.filesystem not in here] if table else []
        asked = [each for each in (*peers, *away) if each.node != but]  # who is away may be back and not be heard yet
        told = await asyncio.gather(*(self._hand(each, ring) for each in asked))
        return sorted({each.node for each, has in zip(asked, told, strict=True) if not has})

    async def _hand(self, member: Identity, ring: KeyRing) -> bool:
        try:
            return (await self._ask(member, ring.entries.values())).version >= ring.version
        except EmergeError as error:
            log.warning("node %s does not have the cluster's new ring yet: %s", member.node, error)
            return False

    async def _on_ring(self, name: str, args: Values, context: Context) -> Wire:
        call = CALLS[name].bind(args)
        if not self._is_shared:
            raise Invalid(f"node {self._filesystem.node} is in no cluster")
        self._check(context)
        if self._is_kept_here:
            await self._keep_and_tell(read_entries(call.keys), but=context.principal)
        elif call.version > self._known.version and context.principal in self._keepers():
            await self._take(KeyRing(call.version, merge(read_entries(call.keys))), proven=True)
        return self._known.to_wire()

    # --- elsewhere
    async def exchange(self) -> None:
        """Send on what was changed in the file here, and take the ring from where it is kept.

        Raises:
            Unavailable: the node that keeps it is away; the error names it.
        """
        with self._telling_others():  # who keeps it answers when it has told them
            await self._exchange(self._keeper())

    async def _exchange(self, keeper: Identity) -> None:
        for _ in range(ATTEMPTS):
            before = self._taken
            try:
                ring = await self._ask(keeper, self._edits())
            except Unavailable as error:
                raise Unavailable(
                    f"node {keeper.node}, which keeps the cluster's ring, is away: {error.message}",
                    remedy="start it again",
                    missing=[keeper.node],
                ) from None
            if before == self._taken:  # else the answer may be older than what came meanwhile
                await self._take(ring, proven=True)
                return

    def _keeper(self) -> Identity:
        """The node that keeps the ring; as the mount table knows it when it is not here."""
        table = self._volumes.table
        assert table is not None
        try:
            return self._volumes.serving(table.registry)
        except Unavailable:
            known = table.member(table.registry)
            if known is None:
                raise
            return _identity(known)

    async def _hear_say(self, member: Identity) -> None:
        """Take the ring as another member knows it, if that is newer."""
        try:
            ring = await self._ask(member)
        except EmergeError as error:
            log.info("node %s does not tell the cluster's ring: %s", member.node, error)
            return
        if ring.version > self._known.version:
            await self._take(ring.keeping(self._known), proven=False)

    def _keepers(self) -> set[str]:
        """The names of the nodes that keep the ring."""
        table = self._volumes.table
        if table is None:
            return set()
        peers = {each.node for each in self._cluster.peers() if each.filesystem == table.registry}
        return {table.name(table.registry), *peers}

    async def _ask(self, member: Identity, given: Iterable[RingEntry] = ()) -> KeyRing:
        sent = [self._known.version, write_entries(given)]
        try:
            async with asyncio.timeout(PATIENCE):
                return read_ring(await ask_member(self._cluster.link(member), member.node, "_cluster_ring", sent))
        except TimeoutError:
            raise Unavailable(f"node {member.node} does not answer", missing=[member.node]) from None

    async def _take(self, ring: KeyRing, *, proven: bool) -> None:
        """Keep a copy of a ring, and go by it."""
        self._taken += 1
        async with self._turn:
            before, raw = await self._read()
            if ring != before:
                try:
                    await self._write(ring, raw)
                except Conflict:  # another node on this store took one
                    log.info("the copy of the ring is written by several nodes at once")
            self._proven = proven
            self._adopt(ring)

    # --- following
    def heard(self, member: Identity, version: int) -> None:
        """A member announced the version of its ring (-1: it is of a release without)."""
        if self._keys is None or not self._is_shared or self._catching_up or version < 0:
            return
        newer, table = version > self._known.version, self._volumes.table
        if self._is_kept_here:
            behind = newer and member.filesystem == self._volumes.own
        elif table is not None and member.filesystem == table.registry:
            behind = version != self._known.version or not self._proven or bool(self._edits())
        else:
            behind = newer
        if behind:
            self._catching_up = True
            self._spawn(self._catch_up(member, version))

    async def _catch_up(self, member: Identity, version: int) -> None:
        try:
            await self._spread()
            if version > self._known.version and not self._is_kept_here:
                await self._hear_say(member)
        finally:
            self._catching_up = False

    def _follow(self, change: KeyChange) -> None:
        """The file has changed: send on what the operator did."""
        if change == "ring" and self._is_shared and self._edits():
            self._spawn(self._spread())

    async def _spread(self) -> None:
        try:
            if not self._is_kept_here:
                await self.exchange()
            else:
                await self._keep_and_tell()
            self._failed = ""
        except EmergeError as error:
            if self._failed != error.message:  # once, not each period
                log.warning("the ring here and that of the cluster are not the same yet: %s", error)
            self._failed = error.message

    def _edits(self) -> list[RingEntry]:
        assert self._keys is not None
        return self._keys.ring.edits(self._known.entries)

    def _adopt(self, ring: KeyRing) -> None:
        assert self._keys is not None
        self._keys.ring.follow(self._known.entries, ring.entries)
        self._known = ring
        self._cluster.have_ring(ring.version)
        self._keys.look()

    async def _read(self) -> tuple[KeyRing, bytes | None]:
        (raw,) = await self._filesystem.core.store.get([ROW])
        return (KeyRing() if raw is None else read_ring(decode(raw))), raw

    async def _write(self, ring: KeyRing, before: bytes | None) -> None:
        batch = Batch()
        batch.expect(*ROW, before)
        batch.put(*ROW, ring.pack())
        await self._filesystem.core.store.commit(batch)

    def _spawn(self, work: Coroutine[object, object, None], name: str = "") -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _identity(member: Member) -> Identity:
    """A member as the mount table knows it, which may be away."""
    return Identity(member.node, "", member.filesystem, member.rpc, "")
