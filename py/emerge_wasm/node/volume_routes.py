"""Operations on the mount table: its volumes, founding, mounting, copies. The registry changes it."""

from __future__ import annotations

from ..cluster.volume import MountTable
from ..errors import EmergeError, PermissionDenied
from ..operations import Arguments, Context
from ..results import CopyReport, VolumeRows
from .conflict import conflict_path
from .paths import normal
from .replication import Replication
from .volumes import Volumes


class VolumeRoutes:
    """The routes of `volumes`, `foundcluster`, `mount`, `unmount`, `replicate` and `promote`."""

    def __init__(self, volumes: Volumes, replication: Replication) -> None:
        self._volumes = volumes
        self._replication = replication

    async def volumes(self, args: Arguments, context: Context) -> VolumeRows:
        table = self._volumes.table
        if table is None:
            return []
        here = {self._volumes.own, *(member.filesystem for member in self._volumes.cluster.peers())}
        cut = {member.filesystem for member in self._volumes.cluster.view.cut()} - here
        conflicts = await self._conflicts(table)
        return [
            {
                "path": volume.path,
                "node": table.name(volume.filesystem),
                "filesystem": volume.filesystem,
                "epoch": volume.epoch,
                "away": not self._is_among(table, volume.filesystem, here | cut),
                "unreachable": self._is_among(table, volume.filesystem, cut),
                "copies": sorted(table.name(each.filesystem) for each in table.copies(volume.path)),
                "conflicts": conflicts.get(volume.path, []),
            }
            for volume in sorted(table.volumes, key=lambda volume: volume.path)
        ]

    async def _conflicts(self, table: MountTable) -> dict[str, list[str]]:
        """Where former owners keep what only they had, by the paths of volumes."""
        found: dict[str, list[str]] = {}
        for former in table.former:
            path = conflict_path(table, former.filesystem, former.epoch)
            try:
                await self._volumes.forward(table.volume_of(path).filesystem, "get", [path])
                found.setdefault(former.path, []).append(path)
            except EmergeError:  # there are none, or it cannot be known now
                continue
        return found

    def _is_among(self, table: MountTable, filesystem: str, nodes: set[str]) -> bool:
        replica = table.replica(filesystem)
        return (replica.host if replica else filesystem) in nodes

    async def found(self, args: Arguments, context: Context) -> VolumeRows:
        _check(context)
        await self._volumes.found()
        return await self.volumes(args, context)

    async def mount(self, args: Arguments, context: Context) -> VolumeRows:
        _check(context)
        owner = self._volumes.named(args.node)
        await self._volumes.change("_cluster_mount", normal(args.path), owner)
        await self._volumes.meet(owner)
        return await self.volumes(args, context)

    async def unmount(self, args: Arguments, context: Context) -> VolumeRows:
        _check(context)
        await self._volumes.change("_cluster_unmount", normal(args.path))
        return await self.volumes(args, context)

    async def replicate(self, args: Arguments, context: Context) -> CopyReport:
        path = normal(args.path)
        _check(context)
        self._replication.volume(self._volumes.current(), path)
        if args.copies is not None or args.sync is not None or args.without:
            await self._replication.change_number(path, args.copies, args.sync, args.without)
        return await self._replication.report(path)

    async def promote(self, args: Arguments, context: Context) -> VolumeRows:
        _check(context)
        await self._replication.change_owner(normal(args.path), args.node)
        return await self.volumes(args, context)


def _check(context: Context) -> None:
    if not context.superuser:
        raise PermissionDenied("only a superuser changes the cluster's volumes", remedy="ask the operator of a node")
