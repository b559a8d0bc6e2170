"""In front of a node's filesystem: own paths here, those of other nodes there, directories as all nodes have them.

With no other node it adds nothing. A forwarded operation goes straight to the holder's filesystem, never to its
router, so nothing is forwarded twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from ..errors import Invalid, NotFound, Unavailable
from ..filesystem import Filesystem
from ..objects import DIRECTORY
from ..operations import Context, Rows, Wire, find_operation
from ..paths import child_path, split_path
from .answer import Answer
from .cluster import Cluster
from .holding import held
from .merge import merge_pages
from .peer import Identity
from .server import RpcServer
from .watching import watch_all

REMEMBERED = 4096
PAGE = 1000

Route = Callable[[list[Any], Context], Answer]


class Router:
    """A dispatch over one filesystem and the cluster around it."""

    def __init__(self, filesystem: Filesystem, cluster: Cluster) -> None:
        self._filesystem = filesystem
        self._cluster = cluster
        self._seen: dict[str, Identity] = {}  # path -> the node it was last found on
        self._always: dict[str, Route] = {"nodes": self._nodes, "whohas": self._whohas, "watch": self._watch}
        self._routes: dict[str, Route] = {
            "store": self._place,
            "mkdir": self._place_directory,
            "storeall": self._place_all,
            "cp": self._carry("cp"),
            "mv": self._carry("mv"),
            "rm": self._remove,
            "list": self._merged("list", "entries"),
            "objects": self._merged("objects", "objects"),
            "dir": self._dir,
            "tree": self._tree,
            "classes": self._classes,
        }
        for name in ("get", "getobject", "cat", "update", "methods", "help", "code", "versions", "run"):
            self._routes[name] = self._following(name)

    def register(self, server: RpcServer) -> None:
        """Let other nodes forward operations to this one's filesystem."""
        server.register("_cluster_forward", self._on_forward)

    def dispatch(self, name: str, args: list[Any], context: Context) -> Answer:
        """Answer an operation, wherever in the cluster its path is."""
        route = self._always.get(name)
        if route is None and not self._cluster.alone:
            route = self._routes.get(name)
        if route is None:
            return self._filesystem.dispatch(name, args, context)
        return route(find_operation(name).bind(args), context)

    # --- passing on
    def _on_forward(self, name: str, args: list[Any], context: Context) -> Answer:
        if len(args) != 3 or not isinstance(args[0], str) or not isinstance(args[1], (list, tuple)):
            raise Invalid("a forwarded operation is its name, its arguments and who asks")
        return self._filesystem.dispatch(args[0], list(args[1]), Context(principal=str(args[2]), via="cluster"))

    async def _forward(self, to: Identity, name: str, args: list[Any], context: Context) -> Any:
        """Run an operation on another node; Unavailable that names the node when it cannot be reached."""
        link = self._cluster.link(to)
        try:
            return await link.call("_cluster_forward", [name, args, context.principal])
        except Unavailable as error:
            if link.connected:
                raise
            self._cluster.suspect(to)
            said = f"node {to.node} ({to.rpc}) is out of reach: {error.message}"
            raise Unavailable(said, path=_path_of(args), remedy=error.remedy) from None

    def _local(self, name: str, args: list[Any], context: Context) -> Awaitable[Any]:
        answer = self._filesystem.dispatch(name, args, context)
        assert isinstance(answer, Awaitable)  # streams are not asked for here
        return answer

    # --- finding out where
    async def _is_here(self, paths: list[str]) -> bool:
        return bool((await held(self._filesystem, paths, []))[0])

    async def _holder(self, paths: list[str]) -> Identity | None:
        """The other node that has one of these paths, None for none; Unavailable when that cannot be known."""
        found = await self._cluster.whohas(paths, first=True)
        for path in paths:
            if holders := found.paths.get(path):
                self._remember(path, holders[0])
                return holders[0]
        if found.silent:
            names = ", ".join(identity.node for identity in found.silent)
            raise Unavailable(f"node {names} does not say whether it has {paths[0]}", path=paths[0], remedy="try again")
        self._check_lost(paths)
        return None

    def _remember(self, path: str, holder: Identity) -> None:
        self._seen.pop(path, None)
        self._seen[path] = holder
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _check_lost(self, paths: list[str]) -> None:
        """Unavailable when a path was last seen on a node that fell silent since."""
        lost = {identity.uuid for identity in self._cluster.lost()}
        for path in paths:
            holder = self._seen.get(path)
            if holder is not None and holder.uuid in lost:
                raise Unavailable(
                    f"{path} is on node {holder.node} ({holder.rpc}), which is out of reach",
                    path=path,
                    remedy="start that node again",
                )

    # --- one path
    def _following(self, name: str) -> Route:
        async def follow(args: list[Any], context: Context) -> Any:
            try:
                return await self._local(name, args, context)
            except NotFound:
                paths = _readings(args[0]) if name == "cat" else [args[0]]
                if await self._is_here(paths):
                    raise  # it is something else that was not found
                holder = await self._holder(paths)
                if holder is None:
                    raise
            return await self._forward(holder, name, args, context)

        return follow

    async def _place(self, args: list[Any], context: Context) -> Any:
        """Where it is already; here when it is new."""
        return await self._place_as("store", args, context)

    async def _place_directory(self, args: list[Any], context: Context) -> Any:
        return await self._place_as("mkdir", args, context)

    async def _place_as(self, name: str, args: list[Any], context: Context) -> Any:
        split_path(args[0])
        holder = None if await self._is_here(args[:1]) else await self._holder(args[:1])
        if holder is None:
            return await self._local(name, args, context)
        return await self._forward(holder, name, args, context)

    async def _place_all(self, args: list[Any], context: Context) -> Any:
        paths = [row[0] for row in args[0] if isinstance(row, (list, tuple)) and row and isinstance(row[0], str)]
        here = set((await held(self._filesystem, paths, []))[0])
        elsewhere = [path for path in paths if path not in here]
        found = await self._cluster.whohas(elsewhere)
        if found.silent:
            raise Unavailable(f"node {found.silent[0].node} does not say what it has", remedy="try again")
        self._check_lost(elsewhere)
        holders = {path: nodes[0] for path, nodes in found.paths.items()}
        if not holders:
            return await self._local("storeall", args, context)
        places = {holders.get(path) for path in paths}
        if len(places) > 1:
            raise Invalid("these objects are on several nodes", remedy="store them in one batch per node")
        return await self._forward(next(iter(holders.values())), "storeall", args, context)

    def _carry(self, name: str) -> Route:
        async def carry(args: list[Any], context: Context) -> Any:
            source, target = args[:2]
            split_path(source), split_path(target)
            from_ = None if await self._is_here([source]) else await self._holder([source])
            await self._check_target(name, from_, source, target)
            if from_ is None:
                return await self._local(name, args, context)
            return await self._forward(from_, name, args, context)

        return carry

    async def _check_target(self, name: str, from_: Identity | None, source: str, target: str) -> None:
        """Invalid when the target is there, but not where the source is: nothing must be shadowed."""
        found = await self._cluster.whohas([target])
        places: list[Identity | None] = list(found.paths.get(target, []))
        if await self._is_here([target]):
            places.append(None)
        if places and from_ not in places:
            where = places[0].node if places[0] else self._filesystem.node
            origin = from_.node if from_ else self._filesystem.node
            raise Invalid(
                f"{source} is on node {origin} and {target} on node {where}: {name} works within one node",
                path=target,
                remedy="read it and store it there",
            )

    async def _remove(self, args: list[Any], context: Context) -> Any:
        """Remove it on every node that has it: a directory may be on several."""
        path, recursive = args
        split_path(path)
        holders: list[Identity | None] = list((await self._cluster.whohas([path])).paths.get(path, []))
        if await self._is_here([path]):
            holders.append(None)
        if len(holders) > 1 and not recursive:
            await self._check_empty(path, context)
        if not holders:
            await self._holder([path])
            holders.append(None)
        gone = 0
        for holder in holders:
            gone += await (
                self._local("rm", args, context) if holder is None else self._forward(holder, "rm", args, context)
            )
        return gone

    async def _check_empty(self, path: str, context: Context) -> None:
        try:
            page = await self._merged_page("list", "entries", [path, "", 1], context)
        except Invalid:
            return  # an object
        if page["entries"]:
            raise Invalid(f"{path} is not empty", path=path, remedy="remove it recursively (rm -r)")

    # --- directories, as all nodes have them
    def _merged(self, name: str, key: str) -> Route:
        async def page(args: list[Any], context: Context) -> Any:
            return await self._merged_page(name, key, args, context)

        return page

    async def _merged_page(self, name: str, key: str, args: list[Any], context: Context) -> Wire:
        peers = self._cluster.peers()
        asked = [self._local(name, args, context), *(self._forward(peer, name, args, context) for peer in peers)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        pages = [answer for answer in answers if isinstance(answer, dict)]
        here = {identity.uuid for identity in self._cluster.peers()}
        for peer, answer in zip([None, *peers], answers, strict=True):
            if isinstance(answer, Unavailable) and peer is not None and peer.uuid not in here:
                continue  # found gone while it was asked: no longer a node of the cluster
            if isinstance(answer, BaseException) and not isinstance(answer, NotFound):
                raise answer
        if not pages:
            self._check_lost([args[0]])
            raise next(answer for answer in answers if isinstance(answer, BaseException))
        return merge_pages(pages, key, args[2])

    async def _dir(self, args: list[Any], context: Context) -> AsyncGenerator[Wire, None]:
        cursor = ""
        while True:
            page = await self._merged_page("list", "entries", [args[0], cursor, PAGE], context)
            for entry in page["entries"]:
                yield entry
            cursor = page["cursor"]
            if not cursor:
                return

    async def _tree(self, args: list[Any], context: Context) -> AsyncGenerator[Wire, None]:
        async with aclosing(self._dir(args, context)) as entries:
            async for entry in entries:
                yield entry
                if entry["type"] == DIRECTORY:
                    async with aclosing(self._tree([child_path(args[0], entry["name"])], context)) as inside:
                        async for child in inside:
                            yield child

    async def _classes(self, args: list[Any], context: Context) -> dict[str, bytes]:
        """The bundles from here, and the rest from whoever has them."""
        found: dict[str, bytes] = dict(await self._local("classes", args, context))
        for peer in self._cluster.peers():
            missing = [hash for hash in args[0] if hash not in found]
            if not missing:
                break
            try:
                found.update(await self._forward(peer, "classes", [missing], context))
            except Unavailable:
                continue
        return found

    # --- the cluster's own
    def _watch(self, args: list[Any], context: Context) -> AsyncIterator[Wire]:
        """The changes of all nodes from now on; from a position on, those of this node's own log."""
        own = self._filesystem.dispatch("watch", args, context)
        assert isinstance(own, AsyncIterator)
        if args[1] >= 0:
            return own
        asked = ["watch", args, context.principal]
        return watch_all(own, self._cluster, lambda peer: self._cluster.link(peer).stream("_cluster_forward", asked))

    async def _nodes(self, args: list[Any], context: Context) -> Rows:
        own = self._cluster.identity
        rows = [(own, True), *((peer, False) for peer in self._cluster.peers())]
        return [{"node": who.node, "uuid": who.uuid, "rpc": who.rpc, "self": self_} for who, self_ in rows]

    async def _whohas(self, args: list[Any], context: Context) -> Wire:
        paths, uuids = list(args[0]), list(args[1] or [])
        if not all(isinstance(text, str) for text in [*paths, *uuids]):
            raise Invalid("whohas wants lists of paths and uuids", remedy="both are text")
        found = await self._cluster.whohas(paths, uuids)
        mine = await held(self._filesystem, paths, uuids)
        answer: Wire = {}
        for key, others, own in (("paths", found.paths, mine[0]), ("uuids", found.uuids, mine[1])):
            answer[key] = {name: holders[0].node for name, holders in others.items()}
            answer[key].update(dict.fromkeys(own, self._filesystem.node))
        return answer


def _readings(path: str) -> list[str]:
    """Every object that `path` may mean, the longest first: a dot may begin a property (`/a/b.field`)."""
    directory, _, name = path.rpartition("/")
    parts = name.split(".")
    names = [".".join(parts[:cut]) for cut in range(len(parts), 0, -1)]
    return [f"{directory}/{name}" for name in names if name]


def _path_of(args: list[Any]) -> str | None:
    return args[0] if args and isinstance(args[0], str) else None
