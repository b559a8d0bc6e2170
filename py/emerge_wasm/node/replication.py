"""How many copies a volume has, where they are, and which of them becomes its owner: the registry changes the table.

Copies are placed by rendezvous hashing: every node is ranked for every path, and the first ones on hosts of their own
are taken. So a node that comes or goes moves no copies but its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Set
from contextlib import suppress
from dataclasses import replace

from ..blocks.rendezvous import rank
from ..cluster.membership import Register
from ..cluster.volume import Member, MountTable, Replica, Volume, read_table
from ..errors import Conflict, EmergeError, Invalid, NotFound, Unavailable
from ..operations import Context, Values, Wire
from ..results import CopyReport, CopyRow
from ..store import Batch
from .calls import CALLS
from .volumes import ATTEMPTS, Volumes, check_node

log = logging.getLogger("emerge.node")

PATIENCE = 5.0
"""Seconds in which a node answers about itself."""

SWEEP_SECONDS = 2.0
"""Between looks whether a volume has fewer copies than it is to have."""

COPIES_LIMIT = 16

LOST: Wire = {"lost": True}
"""What is known of a copy that its host has not got any more."""


class Replication:
    """Changes the number of copies, counts them, and promotes one."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes
        self._sweeping: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._lacks = asyncio.Event()
        volumes.steps.update(
            _cluster_replicate=self.replicate, _cluster_promote=self.promote, _cluster_retire=self.retire
        )

    def register(self, register: Register) -> None:
        """Let other nodes change the number of copies, and promote them."""
        register("_cluster_replicate", self._on_change)
        register("_cluster_promote", self._on_change)
        register("_cluster_retire", self._on_change)

    def start(self) -> None:
        """Make the copies that lack from now on, where the table is kept."""
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    async def _on_change(self, name: str, args: Values, context: Context) -> Wire:
        call = CALLS[name].bind(args)
        check_node(context)
        await self._volumes.steps[name](*call)
        return self._volumes.current().to_wire()

    # --- at the registry
    async def replicate(self, path: str, copies: int, sync: bool | None = None, without: str = "") -> MountTable:
        """Give a volume so many copies: make those that lack, and remove those that are too many.

        `sync`: whether its changes wait until a copy has them; None leaves that as it is. `without`: the copy of this
        node is not one of them any more.

        Raises:
            Invalid: it is no volume, or the number makes no sense, or that node has no copy.
        """
        if not 0 <= copies <= COPIES_LIMIT:
            raise Invalid(f"{copies} copies are not between 0 and {COPIES_LIMIT}", path=path)
        async with self._changing:
            return await self._replicate(path, copies, sync, without)

    async def _replicate(self, path: str, copies: int, sync: bool | None, without: str) -> MountTable:
        if sync:
            await self._check_sync(path, copies)
        leased = self._volumes.filesystem.core.store.capabilities.many_writers
        table = self._volumes.current()
        given_up = {each.host for each in table.copies(path) if without and table.name(each.filesystem) == without}
        if without and not given_up:
            raise Invalid(f"node {without} has no copy of {path}", path=path, remedy=f"see emerge replicate {path}")
        full = set(given_up)
        for _ in range(ATTEMPTS):
            table = self._volumes.current()
            volume = self.volume(table, path)
            kept, spare = await self._place(table, volume, copies, full, given_up)
            made: list[Replica] = []
            for member in spare:
                filesystem = await self._ask(member, "_cluster_host", path)
                if isinstance(filesystem, str):
                    made.append(Replica(path, filesystem, member.filesystem))
                else:  # it has no room, or went away
                    full.add(member.filesystem)
            after = table.replicate(
                path, copies, [*kept, *made], leased=leased, sync=path in table.sync if sync is None else sync
            )
            if replace(after, version=table.version) == table:
                return table
            try:
                await self._volumes.put(after)
            except Conflict:  # another node of this filesystem changed the table
                for replica in made:
                    await self._remove(replica)
                await self._volumes.load()
                continue
            for replica in table.copies(path):
                if replica not in kept:
                    await self._remove(replica)
            if len(made) == len(spare):
                return after
        raise Conflict("the mount table is being changed by too many at once", remedy="try again")

    async def _check_sync(self, path: str, copies: int) -> None:
        """Check that the changes of a volume can wait for copies: there are to be some, of one store's log."""
        if not copies:
            raise Invalid(f"changes in {path} cannot wait for a copy: there is to be none", path=path)
        table = self._volumes.current()
        owner = self.volume(table, path).filesystem
        _, able = await self._hosts(table)
        if table.replica(owner) is None and owner not in able:
            raise Invalid(
                f"changes in {path} cannot wait for a copy: its owner has its store in common with others, or is away",
                path=path,
                remedy="a database keeps copies itself",
            )

    async def retire(self, path: str, filesystem: str) -> MountTable:
        """Take a copy that has more than its owner out of the copies."""
        table = self._volumes.current()
        copy = next((each for each in table.copies(path) if each.filesystem == filesystem), None)
        return table if copy is None else await self._volumes.put(table.retire(copy))

    async def _sweep(self) -> None:
        """Make copies that lack, again and again: a node for them may come later."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS):
                    await self._lacks.wait()
            self._lacks.clear()
            if not self._volumes.is_registry:
                continue
            table = self._volumes.current()
            for path in [path for path, number in table.wanted if len(table.copies(path)) < number]:
                try:
                    await self.replicate(path, self._volumes.current().wants(path))
                except (EmergeError, TimeoutError) as error:
                    log.info("%s has fewer copies than it is to have: %s", path, error)
                except Exception:
                    log.exception("%s has fewer copies than it is to have", path)

    async def _place(
        self, table: MountTable, volume: Volume, copies: int, full: Set[str], given_up: Set[str]
    ) -> tuple[list[Replica], list[Member]]:
        """Choose which copies stay, and which members are to have further ones: each on a host of its own, if possible.

        A copy whose host is away stays while it is wanted, unless it is `given_up`. `full` are filesystems whose nodes
        have no room.
        """
        owner = table.replica(volume.filesystem)
        home = owner.host if owner else volume.filesystem
        hosts, able = await self._hosts(table)
        ranked = sorted(table.members, key=lambda member: rank(volume.path.encode(), member.filesystem))
        order = {member.filesystem: place for place, member in enumerate(ranked)}
        held = sorted(table.copies(volume.path), key=lambda each: order.get(each.host, len(order)))
        held = [each for each in held if each.host not in given_up]
        held = [each for each in held if each.host not in hosts or not await self._is_lost(each)]
        used = {hosts.get(home, home)}
        kept: list[Replica] = []
        for replica in held:  # those on hosts of their own first
            if len(kept) < copies and replica.host != home and hosts.get(replica.host, replica.host) not in used:
                kept.append(replica)
                used.add(hosts.get(replica.host, replica.host))
        taken = {home, *(replica.host for replica in held)}
        free = [member for member in ranked if member.filesystem in able - taken - full]
        fresh: list[Member] = []
        for member in free:
            if len(kept) + len(fresh) < copies and hosts[member.filesystem] not in used:
                fresh.append(member)
                used.add(hosts[member.filesystem])
        for replica in held:  # and others rather than none
            if len(kept) + len(fresh) < copies and replica not in kept and replica.host != home:
                kept.append(replica)
        fresh += [member for member in free if member not in fresh][: max(copies - len(kept) - len(fresh), 0)]
        return kept, fresh

    async def _is_lost(self, replica: Replica) -> bool:
        """Tell whether a copy is no more: its host is here, and has not got it."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._volumes.ask(replica.host, "_cluster_reach", [replica.filesystem, False])
        except NotFound:
            return True
        except (EmergeError, TimeoutError):
            return False
        return False

    async def promote(self, path: str, node: str, *, fence: Batch | None = None) -> MountTable:
        """Make a copy the owner of its volume: that on a node or, of those that can be reached, the one that has most.

        With a `fence`, which the commit includes, the owner is taken for dead and not asked for what is new.

        Raises:
            Invalid: it is no volume, or that node has no copy of it.
            Unavailable: no copy can be reached, or none gets what its owner has, which is here.
        """
        table = self._volumes.current()
        self.volume(table, path)
        copies = table.copies(path) or table.retired(path)
        if node:
            copies = [each for each in copies if node in (table.name(each.filesystem), each.host, each.filesystem)]
        if not copies:
            where = f"on node {node}" if node else "of it"
            raise Invalid(
                f"{path} has no copy {where}", path=path, remedy="see emerge volumes; emerge replicate makes one"
            )
        owner = table.volume_of(path).filesystem
        if fence is None and (serving := table.replica(owner) or table.member(owner)) is not None:
            await self._ask(serving, "_cluster_yield", path)
        found = await asyncio.gather(
            *(self._ask(each, "_cluster_reach", each.filesystem, fence is None) for each in copies)
        )
        reached = [
            ((each["leader"] == owner, each["position"]), copy)  # positions are of one log only
            for each, copy in zip(found, copies, strict=True)
            if isinstance(each, dict)
        ]
        if not reached:
            names = sorted({table.name(each.filesystem) for each in copies})
            raise Unavailable(
                f"no copy of {path} can be reached: {', '.join(names)}",
                path=path,
                remedy="start one of these nodes",
                missing=names,
            )
        if path in table.sync and not node and len(reached) < len(copies):
            names = [table.name(each.filesystem) for each in copies if each not in [copy for _, copy in reached]]
            raise Unavailable(
                f"which copy has all that was acknowledged in {path} is known when all are here: {', '.join(names)}",
                path=path,
                remedy="start these nodes; or name one (--on NODE), and what only others have becomes conflicts",
                missing=names,
            )
        _, chosen = max(reached, key=lambda each: (each[0], each[1].filesystem))
        whole = [
            copy for each, copy in zip(found, copies, strict=True) if isinstance(each, dict) and each.get("all", True)
        ]
        if fence is None and chosen not in whole and self._volumes.is_here(owner):
            raise Unavailable(
                f"the copy of {path} on node {table.name(chosen.filesystem)} has not all that its owner has,"
                f" node {table.name(owner)}, which is here",
                path=path,
                remedy="try again; or end that node first, and what the copy has not got becomes conflicts",
            )
        led = await self._volumes.ask(chosen.filesystem, "_cluster_lead", [chosen.filesystem])
        assert isinstance(led, dict)
        if table is not self._volumes.current():
            return await self.promote(path, node, fence=fence)
        position = led["position"] if led["leader"] == table.volume_of(path).filesystem else 0
        after = await self._volumes.put(table.promote(chosen, position), fence)
        self._lacks.set()
        log.warning(
            "%s is owned by node %s from now on, in place of %s (epoch %d)",
            *(path, after.name(chosen.filesystem), table.name(table.volume_of(path).filesystem), after.version),
        )
        return after

    async def stop(self) -> None:
        """End what is under way."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])

    # --- anywhere
    async def change_number(self, path: str, copies: int | None, sync: bool | None = None, without: str = "") -> None:
        """Change how many copies a volume has, and whether its changes wait for one, where the table is kept."""
        copies = self._volumes.current().wants(path) if copies is None else copies
        sent: list[object] = [path, copies, sync, without]  # an older node knows fewer
        while sent[-1] in (None, ""):
            sent.pop()
        await self._volumes.change("_cluster_replicate", *sent)

    async def change_owner(self, path: str, node: str) -> None:
        """Promote a copy, where the table is kept.

        When the registry itself is away and a copy of `/` is to be promoted, the host of that becomes the registry.
        """
        table = self._volumes.current()
        try:
            await self._volumes.change("_cluster_promote", path, node)
            return
        except Unavailable as error:
            if path != "/" or not error.details.get("missing"):
                raise
        for replica in table.copies("/"):
            if node not in ("", table.name(replica.filesystem)):
                continue
            if self._volumes.local(replica.filesystem) is None and await self._ask(replica, "_cluster_about") is None:
                continue
            answer = await self._volumes.ask(replica.filesystem, "_cluster_promote", ["/", node])
            if isinstance(answer, dict):
                await self._volumes.offer(read_table(answer))
            return
        await self.promote(path, node)

    async def report(self, path: str) -> CopyReport:
        """Count the copies of a volume by asking who holds them, each for what it has."""
        table = self._volumes.current()
        volume = self.volume(table, path)
        hosts, _ = await self._hosts(table)
        filesystems = [volume.filesystem, *(each.filesystem for each in table.copies(path))]
        states = await asyncio.gather(*(self._state(table, each, path) for each in filesystems))
        rows = [self._row(table, hosts, each, state) for each, state in zip(filesystems, states, strict=True)]
        owner, *copies = rows
        heard = states[0]["followers"] if isinstance(states[0], dict) and "followers" in states[0] else {}
        for row in copies:
            if row["away"] and row["filesystem"] in heard:
                row["position"], row["as_of"] = heard[row["filesystem"]]
                row["behind"] = max(owner["position"] - row["position"], 0)
            row["same"] = bool(row["digest"]) and row["digest"] == owner["digest"]
        return {
            "path": path,
            "wanted": table.wants(path),
            "sync": path in table.sync,
            "owner": owner,
            "copies": copies,
            "notes": _notes(table, path, rows),
        }

    def _row(self, table: MountTable, hosts: dict[str, str], filesystem: str, state: object) -> CopyRow:
        replica = table.replica(filesystem)
        known = state if isinstance(state, dict) else {}
        return {
            "node": table.name(filesystem),
            "filesystem": filesystem,
            "host": hosts.get(replica.host if replica else filesystem, ""),
            "away": not known,
            "lost": bool(known.get("lost")),
            "position": known.get("position", 0),
            "behind": max(known.get("newest", 0) - known.get("position", 0), 0),
            "as_of": known.get("as_of", ""),
            "objects": known.get("count", 0),
            "digest": known.get("digest", ""),
            "same": bool(known) and not known.get("lost"),
        }

    async def _hosts(self, table: MountTable) -> tuple[dict[str, str], set[str]]:
        """The machines of the members that can be reached, by their filesystems, and which of them may have copies."""
        found = await asyncio.gather(*(self._ask(member, "_cluster_about") for member in table.members))
        pairs = zip(table.members, found, strict=True)
        answers = {member.filesystem: about for member, about in pairs if isinstance(about, dict)}
        hosts = {filesystem: str(about["host"]) for filesystem, about in answers.items()}
        return hosts, {filesystem for filesystem, about in answers.items() if about["copies"]}

    def volume(self, table: MountTable, path: str) -> Volume:
        """The volume whose top is at a path. Raises Invalid when it is none."""
        volume = table.volume_of(path)
        if volume.path != path:
            raise Invalid(
                f"{path} is no volume of its own: it is in {volume.path}",
                path=path,
                remedy=f"make it one: emerge mount {path} --on {table.name(volume.filesystem)}",
            )
        return volume

    async def _state(self, table: MountTable, filesystem: str, path: str) -> object:
        replica = table.replica(filesystem)
        asked = replica or table.member(filesystem)
        if asked is None:
            return None
        if replica is not None and table.volume_of(path).filesystem != filesystem:
            await self._ask(asked, "_cluster_reach", filesystem)
        state = await self._ask(asked, "_cluster_state", filesystem, path)
        return LOST if state is None and replica is not None and await self._is_lost(replica) else state

    async def _remove(self, replica: Replica) -> None:
        await self._ask(replica, "_cluster_unhost", replica.filesystem)

    async def _ask(self, whom: Member | Replica, name: str, *args: object) -> object:
        """Ask a member, or the host of a copy; None when it does not answer."""
        filesystem = whom.host if isinstance(whom, Replica) else whom.filesystem
        try:
            if filesystem == self._volumes.own:
                return await self._volumes.steps[name](*args)
            self._volumes.serving(filesystem)
            async with asyncio.timeout(PATIENCE):
                return await self._volumes.ask(filesystem, name, list(args))
        except (EmergeError, TimeoutError) as error:
            log.info("a node does not answer about copies: %s", error)
            return None


def _notes(table: MountTable, path: str, rows: list[CopyRow]) -> list[str]:
    """What is to be known of the copies that a volume has, in words."""
    wanted, (_, *copies) = table.wants(path), rows
    notes = []
    if len(copies) < wanted:
        notes.append(f"{len(copies)} of {wanted} copies: others are made when there are nodes that can have them")
    hosts = [row["host"] for row in rows if row["host"]]
    if len(set(hosts)) < len(hosts):
        notes.append("some are on the same machine, and are lost with it: there are too few machines")
    if rows[0]["lost"]:
        notes.append(f"node {rows[0]['node']} has lost what it had: make a copy the owner, emerge promote {path}")
    notes += [
        f"node {row['node']} is away, with its copy; if it is for good: emerge replicate {path} --without {row['node']}"
        for row in copies
        if row["away"]
    ]
    notes += [f"node {row['node']} has lost its copy: another one is made" for row in copies if row["lost"]]
    notes += [
        f"the copy of node {row['node']} differs from its owner"
        for row in copies
        if not (row["away"] or row["lost"] or row["same"] or rows[0]["away"] or rows[0]["lost"])
    ]
    return notes
