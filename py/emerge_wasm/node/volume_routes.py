"""Operations on the mount table: its volumes, founding a cluster, mount and unmount. The registry changes it."""

from __future__ import annotations

from ..errors import PermissionDenied
from ..operations import Arguments, Context
from ..results import VolumeRows
from .paths import normal
from .volumes import Volumes


class VolumeRoutes:
    """The routes of `volumes`, `foundcluster`, `mount` and `unmount`."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    async def volumes(self, args: Arguments, context: Context) -> VolumeRows:
        table = self._volumes.table
        if table is None:
            return []
        here = {self._volumes.own, *(member.filesystem for member in self._volumes.cluster.peers())}
        return [
            {
                "path": volume.path,
                "node": table.name(volume.filesystem),
                "filesystem": volume.filesystem,
                "epoch": volume.epoch,
                "away": volume.filesystem not in here,
            }
            for volume in sorted(table.volumes, key=lambda volume: volume.path)
        ]

    async def found(self, args: Arguments, context: Context) -> VolumeRows:
        _check(context)
        await self._volumes.found()
        return await self.volumes(args, context)

    async def mount(self, args: Arguments, context: Context) -> VolumeRows:
        _check(context)
        await self._volumes.change("_cluster_mount", normal(args.path), self._volumes.named(args.node))
        return await self.volumes(args, context)

    async def unmount(self, args: Arguments, context: Context) -> VolumeRows:
        _check(context)
        await self._volumes.change("_cluster_unmount", normal(args.path))
        return await self.volumes(args, context)


def _check(context: Context) -> None:
    if not context.superuser:
        raise PermissionDenied("only a superuser changes the cluster's volumes", remedy="ask the operator of a node")
