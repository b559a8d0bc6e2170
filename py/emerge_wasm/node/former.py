"""What is done by the node of a former owner, once it learns that a copy of its volume was promoted, or of another copy
that has more than that one.

What the present owner has not got is stored as conflicts, in the tree of the cluster; then the volume is removed here,
so that nothing of it is found twice. Until all is stored, nothing is removed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable

from ..cluster.volume import Former, MountTable
from ..errors import Conflict, EmergeError, NotFound
from ..filesystem import Filesystem
from ..filesystem.core import Core
from ..filesystem.layout.ancestry import GONE, LEFT
from ..filesystem.layout.record import VersionRecord
from ..filesystem.tree.find import locate
from ..filesystem.tree.mount import close_directory, open_directory
from ..paths import child_path, join_path
from ..replication.leader import read_page
from ..replication.message import PAGE_RECORDS
from ..store import Batch
from .conflict import Conflicts, conflict_path, unknown_to
from .volumes import INTERNAL, Volumes

log = logging.getLogger("emerge.node")

RETRY_SECONDS = 1.0


class FormerVolumes:
    """Clears up volumes that a filesystem of this node owns no more."""

    def __init__(self, volumes: Volumes, conflicts: Conflicts) -> None:
        self._volumes = volumes
        self._conflicts = conflicts
        self._task: asyncio.Task[None] | None = None
        volumes.on_table.append(self._review)

    def start(self) -> None:
        """Go on with what was left at the last stop."""
        if self._volumes.table is not None:
            self._review(self._volumes.table)

    def _review(self, table: MountTable) -> None:
        mine = any(self._volumes.local(each.filesystem) is not None for each in table.former)
        if mine and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._clear())

    async def stop(self) -> None:
        """End it; it goes on at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _clear(self) -> None:
        while True:
            table, left = self._volumes.current(), False
            for former in table.former:
                filesystem = self._volumes.local(former.filesystem)
                if filesystem is None or filesystem.core.store.capabilities.many_writers:
                    continue
                try:
                    await self._clear_one(table, former, filesystem)
                except EmergeError as error:
                    left = True
                    log.warning("what %s was on this node is not cleared up yet: %s", former.path, error)
            if not left and table is self._volumes.current():
                return
            await asyncio.sleep(RETRY_SECONDS if left else 0)

    async def _clear_one(self, table: MountTable, former: Former, filesystem: Filesystem) -> None:
        store = filesystem.core.store
        key = ("meta", b"former\0" + str(former.epoch).encode())
        if (await store.get([key]))[0] is not None or table.volume_of(former.path).filesystem == former.filesystem:
            return
        kept, removed, position = await self._keep(table, former, filesystem, former.position, removals=True)
        own = filesystem is self._volumes.filesystem
        if own:
            await _remove(filesystem, table, former.path)
        more, _, _ = await self._keep(table, former, filesystem, position, removals=False)  # what was under way
        if more and own:
            await _remove(filesystem, table, former.path)
        await store.commit(Batch(puts=[(*key, b"")]))
        await self._volumes.steps["_cluster_unhost"](former.filesystem)  # where it was a copy once
        if kept or more or removed:
            log.warning(
                "%s on this node is cleared up: %d objects that its owner %s had not got are kept at %s; %d removals"
                " were not copied",
                *(former.path, kept + more, table.name(table.volume_of(former.path).filesystem)),
                *(conflict_path(table, former.filesystem, former.epoch), removed),
            )
        if table.wants(former.path):
            await self._volumes.change("_cluster_replicate", former.path, table.wants(former.path))

    async def _keep(
        self, table: MountTable, former: Former, filesystem: Filesystem, position: int, *, removals: bool
    ) -> tuple[int, int, int]:
        """Store the last states of what was changed after a position, and is not at the present owner; how many, how
        many were removed, and up to which position that is."""
        core = filesystem.core
        last: dict[bytes, VersionRecord] = {}
        after = b""
        while True:
            page = await read_page(
                core, {"path": former.path, "position": position, "after": after, "limit": PAGE_RECORDS}
            )
            for raw in page["records"]:
                record = VersionRecord.unpack(raw)
                if removals or record.operation not in GONE:
                    last[record.raw[:16]] = record
            position, after = page["position"], page["after"]
            if not after and position >= page["newest"]:
                break
        owner = table.volume_of(former.path).filesystem
        found = [each for each in last.values() if not each.entry.is_directory and each.operation != LEFT]
        for uuid, path in await _moved_out(table, former, core, last.values()):
            apart = self._volumes.apart(owner)
            await self._volumes.ask(owner, "_handover_release", [b"", uuid, former.path, core.uuid, path, *apart])
            found = [each for each in found if each.entry.uuid != uuid]
        alone = await unknown_to(self._volumes, owner, core, found, states=True)
        changed = [each for each in alone if each.operation not in GONE]
        where = conflict_path(table, former.filesystem, former.epoch)
        await self._conflicts.keep(core, where, former.path, changed)
        return len(changed), len(alone) - len(changed), position


async def _moved_out(
    table: MountTable, former: Former, core: Core, records: Iterable[VersionRecord]
) -> list[tuple[bytes, str]]:
    """What was moved out of a volume to another one of this filesystem: its owner does not know. Uuids and paths."""
    found = []
    for record in records:
        try:
            path = join_path(*await locate(core, record.entry.uuid))
        except NotFound:
            continue
        volume = table.volume_of(path)
        if volume.path != table.volume_of(former.path).path and volume.filesystem == core.uuid:
            found.append((record.entry.uuid, path))
    return sorted(found, key=lambda each: each[1].count("/"))


async def close_others(filesystem: Filesystem, table: MountTable, path: str) -> None:
    """Close, in a copy of the volume at a path that is to be its owner, what other filesystems own below it."""
    inside = path.rstrip("/") + "/"
    for volume in reversed(table.volumes):
        if volume.path == "/" or not volume.path.startswith(inside):
            continue
        try:
            await close_directory(filesystem.core, INTERNAL, volume.path, table.version)
        except Conflict:  # its owner was that of the volume, which was copied with it
            await _call(filesystem, "rm", volume.path, True)
            await close_directory(filesystem.core, INTERNAL, volume.path, table.version)


async def _remove(filesystem: Filesystem, table: MountTable, path: str) -> None:
    """Remove a volume from a filesystem that owns it no more, but for the volumes in it that it owns still."""
    inside = path.rstrip("/") + "/"
    below = [volume for volume in table.volumes if volume.path != "/" and volume.path.startswith(inside)]
    kept = [volume.path for volume in below if volume.filesystem == filesystem.uuid]
    for volume in below:
        if volume.filesystem != filesystem.uuid:
            await open_directory(filesystem.core, volume.path)
    if kept or path == "/":
        await _empty(filesystem, path, kept)
        return
    await open_directory(filesystem.core, path)
    try:
        await _call(filesystem, "rm", path, True)
    except NotFound:
        pass
    await close_directory(filesystem.core, INTERNAL, path, table.version)


async def _empty(filesystem: Filesystem, path: str, kept: list[str]) -> None:
    page = await _call(filesystem, "list", path, "", 10_000)
    assert isinstance(page, dict)
    for entry in page["entries"]:
        child = child_path(path, entry["name"])
        if child in kept:
            continue
        if any(each.startswith(child + "/") for each in kept):
            await _empty(filesystem, child, kept)
        else:
            await _call(filesystem, "rm", child, True)
    if page["cursor"]:
        await _empty(filesystem, path, kept)


async def _call(filesystem: Filesystem, name: str, *args: object) -> object:
    answer = filesystem.dispatch(name, list(args), INTERNAL)
    assert isinstance(answer, Awaitable)
    return await answer
