"""Finding which node holds a path: the own filesystem is looked at, the other nodes are asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..cluster.membership import Cluster
from ..cluster.peer import Identity
from ..errors import NotFound, PermissionDenied, Unavailable
from ..filesystem import Filesystem
from ..operations import Context
from ..paths import join_path, split_path
from .forward import Forwarder, Holder
from .paths import held

REMEMBERED = 4096
"""Paths of which the last holder is remembered, to name it when it is out of reach."""


class Locator:
    """Finds the holders of paths, and asks all who have one."""

    def __init__(self, filesystem: Filesystem, cluster: Cluster) -> None:
        self.filesystem = filesystem
        self.cluster = cluster
        self.forwarder = Forwarder(filesystem, cluster)
        self._seen: dict[str, Identity] = {}  # path -> the node it was last found on

    async def is_here(self, paths: list[str]) -> bool:
        """Tell whether the own filesystem has one of these paths."""
        return bool((await held(self.filesystem, paths, []))[0])

    async def find(self, paths: Sequence[str], *, everywhere: bool = False) -> dict[str, list[Holder]]:
        """Find the holders of each path, the own filesystem last; paths that nobody has are left out.

        A path that is here is not looked for elsewhere too, unless `everywhere` (several may have a directory).

        Raises:
            Unavailable: a node does not answer, or one that had the path fell silent.
        """
        here = set((await held(self.filesystem, list(paths), []))[0])
        asked = [path for path in paths if everywhere or path not in here]
        found = await self.cluster.whohas(asked)
        if found.silent and asked:
            raise _silent(found.silent, asked)
        for path in asked:
            if path not in here and path not in found.paths:
                self.check_lost(path)
        holders: dict[str, list[Holder]] = {}
        for path, others in found.paths.items():
            self._remember(path, others[0])
            holders[path] = list(others)
        for path in here:
            holders.setdefault(path, []).append(None)
        return holders

    async def find_one(self, path: str) -> list[Holder]:
        """Find all who have a path, the own filesystem last; empty when nobody has."""
        return (await self.find([path], everywhere=True)).get(path, [])

    async def other(self, paths: list[str]) -> Identity | None:
        """Find another node that has one of these paths; None when there is none.

        Raises:
            Unavailable: that cannot be known.
        """
        found = await self.cluster.whohas(paths, first=True)
        for path in paths:
            if holders := found.paths.get(path):
                self._remember(path, holders[0])
                return holders[0]
        if found.silent:
            raise _silent(found.silent, paths)
        for path in paths:
            self.check_lost(path)
        return None

    async def holder(self, path: str) -> Holder:
        """Find who has a path; None when it is here, or nowhere."""
        return None if await self.is_here([path]) else await self.other([path])

    def named(self, node: str) -> list[Holder]:
        """The members of that name that serve another filesystem."""
        own = self.filesystem.uuid
        return [peer for peer in self.cluster.peers() if node and peer.node == node and peer.filesystem != own]

    async def nearest(self, path: str, *, everywhere: bool = False) -> list[Holder]:
        """Find the holders of the lowest directory above a path that anybody has (see `find`)."""
        names = split_path(path)
        above = [join_path(*names[:depth]) for depth in range(len(names) - 1, 0, -1)]
        holders = await self.find(above, everywhere=everywhere) if above else {}
        return next((holders[each] for each in above if each in holders), [*self.cluster.others(), None])

    async def ask_all(self, name: str, args: Sequence[object], path: str, context: Context) -> list[tuple[Holder, Any]]:
        """Run an operation on all who have what is at a path, and return their answers, the own first.

        Those who have nothing there, or nothing that the caller may see, are left out. When that is so of all, their
        error is raised.
        """
        answers = await self.forwarder.ask_each([None, *self.cluster.others()], name, args, context)
        here = {identity.filesystem for identity in self.cluster.peers()}
        failed = [(holder, answer) for holder, answer in answers if isinstance(answer, BaseException)]
        for holder, error in failed:
            if isinstance(error, Unavailable) and holder is not None and holder.filesystem not in here:
                continue  # found gone while it was asked: no longer a node of the cluster
            if not is_hidden(error):
                raise error
        found = [(holder, answer) for holder, answer in answers if not isinstance(answer, BaseException)]
        if not found:
            raise self.nothing(path, [error for _, error in failed if is_hidden(error)])
        return found

    def nothing(self, path: str, hidden: Sequence[BaseException]) -> BaseException:
        """Choose the error to raise when all have answered that a path is nothing or hidden."""
        denied = next((error for error in hidden if isinstance(error, PermissionDenied)), None)
        if denied is not None:
            return denied
        self.check_lost(path)
        return hidden[0] if hidden else NotFound(f"nothing is at {path}", path=path)

    def check_lost(self, path: str) -> None:
        """Raise Unavailable when a path was last seen on a node that fell silent since."""
        holder = self._seen.get(path)
        if holder is not None and holder.filesystem in {identity.filesystem for identity in self.cluster.lost()}:
            raise Unavailable(
                f"{path} is on node {holder.node} ({holder.rpc}), which is out of reach",
                path=path,
                remedy="start that node again",
            )

    def _remember(self, path: str, holder: Identity) -> None:
        self._seen.pop(path, None)
        self._seen[path] = holder
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]


def is_hidden(error: object) -> bool:
    """Tell whether an error says that there is nothing, or nothing for the caller to see.

    A class that must be sent along is NotFound too, and is not meant.
    """
    return isinstance(error, PermissionDenied) or (isinstance(error, NotFound) and "bundles" not in error.details)


def _silent(silent: list[Identity], paths: Sequence[str]) -> Unavailable:
    names = ", ".join(identity.node for identity in silent)
    return Unavailable(f"node {names} does not say whether it has {paths[0]}", path=paths[0], remedy="try again")
