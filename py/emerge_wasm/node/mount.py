"""Mounting and unmounting volumes: the registry changes the table, with the nodes that are concerned.

A directory is closed before the table names its new owner, and opened after it, so nobody makes a name twice. What a
node that died in between left closed is opened by its owner, once no table can come of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence, Set
from dataclasses import replace

from ..cluster.membership import Register
from ..cluster.volume import MountTable, Volume
from ..errors import Conflict, EmergeError, Invalid, NotFound, Unavailable
from ..filesystem.tree.mount import NEWEST, MountPoint, close_directory, is_vacant, mount_points, open_directory
from ..operations import Context, Values, Wire
from ..paths import join_path, split_path
from .calls import CALLS
from .handover import Handovers
from .paths import in_registry
from .volumes import ATTEMPTS, INTERNAL, Volumes, check_node

log = logging.getLogger("emerge.node")


class Mounts:
    """Makes volumes, and gives them back."""

    def __init__(self, volumes: Volumes, handovers: Handovers) -> None:
        self._volumes = volumes
        self._handovers = handovers
        volumes.steps.update(
            _cluster_mount=self.mount,
            _cluster_mounts=self.mount_all,
            _cluster_unmount=self.unmount,
            _cluster_pass=self._pass,
            _cluster_prepare=self._prepare,
            _cluster_close=self._close,
        )

    def register(self, register: Register) -> None:
        """Let other nodes mount and unmount, and ask for what this one does for it."""
        register("_cluster_prepare", self._on_prepare)
        register("_cluster_close", self._on_close)
        register("_cluster_mount", self._on_mount)
        register("_cluster_mounts", self._on_mounts)
        register("_cluster_unmount", self._on_unmount)
        register("_cluster_pass", self._on_pass)

    # --- at the registry
    async def mount(self, path: str, filesystem: str, given: bool = False) -> MountTable:
        """Make a volume that a filesystem owns, with what is there. Where it was begun before, it is finished.

        Only what its owner has `given` already: who asks for it may come late, when it is done, and undone again.

        Raises:
            Conflict: there is something at both, or a volume is mounted in it.
            Unavailable: a node that is concerned is away.
        """
        for _ in range(ATTEMPTS):
            table = self._volumes.current()
            volume = table.volume_of(path)
            if (volume.path, volume.filesystem) == (path, filesystem):
                return table
            owner = volume.filesystem
            if given and (owner == filesystem or not await self._give(0, path, owner, filesystem)):
                return table
            above = check_place(table, path, filesystem)
            holds = filesystem != owner and (volume.path == path or await self._has_all(owner, path, filesystem))
            moved = holds and await self._give(table.version + 1, path, owner, filesystem)
            if filesystem != owner and not moved:
                rights, next = await self._rights_at(owner, path), table.version + 1
                await self._volumes.ask(filesystem, "_cluster_prepare", [path, rights, next])
                await self._volumes.ask(owner, "_cluster_close", [path, True, next, *self._volumes.apart(owner)])
            back = volume.path == path and filesystem == above
            try:
                after = await self._volumes.put(table.unmount(path) if back else table.mount(path, filesystem))
            except Conflict:  # another node of this filesystem changed the table
                await self._volumes.load()
                continue
            await self._tell_done(owner)
            return after
        raise Conflict("the mount table is being changed by too many at once", remedy="try again")

    async def mount_all(self, paths: Values, filesystem: str) -> MountTable:
        """Make volumes that a filesystem owns, where nothing is, by one change of the table.

        Raises:
            Conflict: something is at one of them. Nothing is mounted then.
        """
        for _ in range(ATTEMPTS):
            table = self._volumes.current()
            known = {volume.path for volume in table.volumes if volume.filesystem == filesystem}
            fresh = [path for path in paths if path not in known]
            if not fresh:
                return table
            after, closed = table.mount_all(fresh, filesystem), list[tuple[str, str]]()
            try:
                await self._close_all(table, fresh, filesystem, closed)
                return await self._volumes.put(after)
            except EmergeError as error:
                await self._volumes.load()
                if isinstance(error, Conflict) and table is not self._volumes.current():
                    continue  # another one changed it meanwhile
                await self._reopen(closed)
                raise
        raise Conflict("the mount table is being changed by too many at once", remedy="try again")

    async def _close_all(
        self, table: MountTable, paths: Sequence[str], filesystem: str, closed: list[tuple[str, str]]
    ) -> None:
        """Prepare the tops of volumes, and close what they take the place of; note what was `closed`, and by whom."""
        so_far = table
        for path in paths:
            volume = so_far.volume_of(path)
            if volume.path == path:
                raise Conflict(f"{path} is a volume already", path=path, remedy="see emerge volumes")
            check_place(so_far, path, filesystem)
            so_far, owner, next = so_far.mount(path, filesystem), volume.filesystem, table.version + 1
            if owner == filesystem:
                continue
            rights = await self._rights_at(owner, path)
            await self._volumes.ask(filesystem, "_cluster_prepare", [path, rights, next])
            await self._volumes.ask(owner, "_cluster_close", [path, True, next, *self._volumes.apart(owner)])
            closed.append((path, owner))

    async def _reopen(self, closed: Sequence[tuple[str, str]]) -> None:
        for path, owner in closed:
            try:
                await self._volumes.ask(owner, "_cluster_close", [path, False, 0, *self._volumes.apart(owner)])
            except EmergeError as error:  # its owner does it by itself, too
                log.info("%s is not opened yet: %s", path, error.message)

    async def _has_all(self, owner: str, path: str, filesystem: str) -> bool:
        """Tell whether a directory is there, and the filesystem that is to own it has nothing at its path.

        Or it has all of it, and the table does not say so yet.
        """
        try:
            if await self._rights_at(owner, path) is None:
                return False
        except Unavailable as error:
            if error.details.get("mounted") and error.path == path:
                return True
            raise
        sent: list[object] = [path, *self._volumes.apart(filesystem)]
        return bool(await self._volumes.ask(filesystem, "_handover_room", sent))

    async def _give(self, version: int, path: str, owner: str, filesystem: str) -> bool:
        sent = [path, filesystem, version, *self._volumes.apart(owner)]
        return await self._volumes.ask(owner, "_handover_give", sent) is not False

    async def _tell_done(self, owner: str) -> None:
        try:
            await self._volumes.ask(owner, "_handover_done", [])
        except EmergeError as error:  # it looks by itself, too
            log.info("who gave a volume was not told that it is mounted: %s", error.message)

    async def unmount(self, path: str) -> MountTable:
        """Give a volume back to the owner of what is above it, with what is there.

        Raises:
            Conflict: a volume is mounted in it.
            Invalid: it is no volume.
        """
        table = self._volumes.current()
        volume = table.volume_of(path)
        if volume.path != path or path == "/":
            raise Invalid(f"{path} is no volume that can be unmounted", path=path, remedy="see emerge volumes")
        inside = [each.path for each in table.volumes if each.path.startswith(path + "/")]
        if inside:
            raise Conflict(f"{inside[0]} is mounted in {path}", path=path, remedy="unmount that first")
        above = table.above(volume)
        assert above is not None
        if table.is_border(volume):
            await self._give(table.version + 1, path, volume.filesystem, above.filesystem)
        after = await self._volumes.put(table.unmount(path))
        await self._tell_done(volume.filesystem)
        return after

    async def _rights_at(self, filesystem: str, path: str) -> Wire | None:
        """The rights of the directory that a volume is to take the place of; None when there is none."""
        try:
            pointer = await self._volumes.forward(filesystem, "get", [path])
        except NotFound:
            return None
        return {name: pointer[name] for name in ("perms", "owner", "group")}

    async def _on_mount(self, name: str, args: Values, context: Context) -> Wire:
        call = CALLS[name].bind(args)
        check_node(context)
        await self._volumes.change(name, call.path, call.filesystem, call.given)
        return self._volumes.current().to_wire()

    async def _on_mounts(self, name: str, args: Values, context: Context) -> Wire:
        call = CALLS[name].bind(args)
        check_node(context)
        await self._volumes.change(name, call.paths, call.filesystem)
        return self._volumes.current().to_wire()

    async def _on_unmount(self, name: str, args: Values, context: Context) -> Wire:
        call = CALLS[name].bind(args)
        check_node(context)
        await self._volumes.change(name, call.path)
        return self._volumes.current().to_wire()

    async def _on_pass(self, name: str, args: Values, context: Context) -> Wire:
        call = CALLS[name].bind(args)
        check_node(context)
        await self._volumes.change(name, call.version)
        return self._volumes.current().to_wire()

    async def _pass(self, version: int) -> None:
        for _ in range(ATTEMPTS):
            table = self._volumes.current()
            if table.version >= version:
                return
            try:
                await self._volumes.put(replace(table, version=version))
            except Conflict:
                await self._volumes.load()

    # --- at the owners
    async def settle(self, waited: Set[MountPoint]) -> set[MountPoint]:
        """Open what is closed here though this filesystem owns what is there: a node died while it changed the table.

        Return what is closed for a table that does not exist. Somebody may be about to make it: what was so before,
        in `waited`, is settled by a newer table, of which that can come no more.
        """
        begun: set[MountPoint] = set()
        given = await self._handovers.given()  # those are finished by whoever gives
        for point in await mount_points(self._volumes.filesystem.core):
            if point.path in given:
                continue
            if self._volumes.current().version < point.version and point in waited:
                await self._volumes.change("_cluster_pass", point.version)
            table = self._volumes.current()
            if table.version < point.version:
                begun.add(point)
            elif table.volume_of(point.path).filesystem == self._volumes.own:
                log.warning("%s is opened: a change of the mount table was not finished", point.path)
                await open_directory(self._volumes.filesystem.core, point.path, table.version)
        return begun

    async def keep(self, period: float) -> None:
        """Settle what was left, again and again."""
        waited: set[MountPoint] = set()
        while True:
            await asyncio.sleep(period)
            try:
                waited = await self.settle(waited) if self._volumes.table is not None else set()
            except (EmergeError, TimeoutError) as error:
                log.info("mount points cannot be settled now: %s", error)
            except Exception:
                log.exception("mount points cannot be settled")

    async def _on_prepare(self, name: str, args: Values, context: Context) -> None:
        call = CALLS[name].bind(args)
        check_node(context)
        await self._prepare(call.path, call.rights, call.version)

    async def _prepare(self, path: str, rights: Wire | None, version: int) -> None:
        """Make the top of a volume that this filesystem is to own, with these rights if it is not there yet.

        The directories above it are open to all: their owners check who may pass.
        """
        names = split_path(path)
        fresh = await is_vacant(self._volumes.filesystem.core, path)
        await self._volumes.call("mkdir", [path])
        if fresh and rights is not None:
            await self._volumes.call("chmod", [path, str(rights["perms"])])
            await self._volumes.call("chown", [path, str(rights["owner"]), str(rights["group"])])
        await open_directory(self._volumes.filesystem.core, path, version or NEWEST)
        for depth in range(len(names)):
            await self._volumes.call("chmod", [join_path(*names[:depth]), "a+rx"])

    async def _on_close(self, name: str, args: Values, context: Context) -> None:
        call = CALLS[name].bind(args)
        check_node(context)
        await self._close(call.path, call.close, call.version, call.filesystem)

    async def _close(self, path: str, close: bool, version: int, filesystem: str = "") -> None:
        local = self._volumes.local(filesystem)
        if local is None:
            raise Unavailable(f"node {self._volumes.filesystem.node} does not serve {filesystem[:8]}")
        core = local.core
        await (
            close_directory(core, INTERNAL, path, version) if close else open_directory(core, path, version or NEWEST)
        )


def check_place(table: MountTable, path: str, filesystem: str) -> str:
    """Check that a filesystem may own a volume there; the owner of what is above."""
    if path == "/" or in_registry(path):
        raise Invalid(f"{path} cannot be a volume of its own", path=path)
    volume: Volume | None = table.volume_of(path)
    assert volume is not None
    below = [each.path for each in table.volumes if each.path.startswith(path + "/")]
    if below and volume.path == path:
        raise Conflict(f"{below[0]} is mounted in {path}", path=path, remedy="unmount that first")
    if below:
        raise Conflict(f"{below[0]} is a volume already", path=path, remedy="mount what is above first")
    if volume.path == path:
        if table.copies(path):
            remedy = f"give them up first: emerge replicate {path} --copies 1"
            raise Conflict(f"{path} has copies, which follow its owner", path=path, remedy=remedy)
        volume = table.above(volume)
    owners: list[str] = []
    while volume is not None:
        owners.append(volume.filesystem)
        volume = table.above(volume)
    if filesystem in owners and owners[0] != filesystem:
        raise Invalid(
            f"node {table.name(filesystem)} owns what is above {table.volume_of(path).path}",
            path=path,
            remedy="mount it on another node, or elsewhere",
        )
    return owners[0]
