"""In front of a node's filesystem: own paths here, those of other nodes there, directories as all nodes have them.

With no other filesystem around it adds nothing; a node that serves the same one is not asked. Where a path is, and how
another node is asked, is `reach`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from ..cluster.membership import Cluster
from ..errors import Conflict, EmergeError, Invalid, NotFound
from ..filesystem import Filesystem
from ..objects import DIRECTORY
from ..operations import Answer, Context, Rows, Wire, find_operation
from ..paths import child_path, split_path
from .directory import Merging
from .holding import held
from .locate import Reach, Where
from .paths import paths_of, readings
from .run import Running
from .search import Searching, goes_on
from .server import RpcServer
from .watch import watch_all

Route = Callable[[list[Any], Context], Answer]
Ask = Callable[[list[Any], Context], Awaitable[Any]]

FOLLOWED = (
    *("get", "getobject", "cat", "update", "add", "methods", "help", "code"),
    *("versions", "diff", "query", "receipts"),
)
REGISTRY = "/registry/"


class Router:
    """A dispatch over one filesystem and the cluster around it."""

    def __init__(self, filesystem: Filesystem, cluster: Cluster) -> None:
        self._filesystem = filesystem
        self._cluster = cluster
        self._reach = Reach(filesystem, cluster)
        merging = self._merging = Merging(self._reach)
        running = Running(self._reach)
        searching = Searching(self._reach)
        filesystem.core.dispatch = self.dispatch  # so running methods see the whole cluster
        self._always: dict[str, Route] = {"nodes": self._nodes, "whohas": self._whohas, "watch": self._watch}
        self._routes: dict[str, Route] = {
            **{name: self._following(name) for name in FOLLOWED},
            **{name: self._placing(name) for name in ("store", "mkdir")},
            **{name: self._carrying(name) for name in ("cp", "mv")},
            **{name: self._everywhere(name) for name in ("chmod", "chown")},
            **{name: self._placing_all(name) for name in ("storeall", "load")},
            "references": self._references,
            "mixin": self._mixin,
            "rm": self._remove,
            "restore": self._restore,
            "retain": self._retain,
            "export": self._export,
            "list": merging.list_page,
            "objects": merging.object_page,
            "dir": merging.stream_dir,
            "tree": merging.stream_tree,
            "run": running.run,
            "runstream": running.runstream,
            "search": searching.search,
            "searchtext": searching.searchtext,
            "count": searching.count,
            "aggregate": searching.aggregate,
            "explain": searching.explain,
            "index": searching.index,
            "classes": self._classes,
        }

    def register(self, server: RpcServer) -> None:
        """Let other nodes forward operations to this one's filesystem."""
        self._reach.register(server)

    def dispatch(self, name: str, args: list[Any], context: Context) -> Answer:
        """Answer an operation, wherever in the cluster its path is."""
        route = self._always.get(name)
        if route is None and (not self._cluster.alone or goes_on(name, args)):
            route = self._inside(name) if context.transaction else self._routes.get(name)
        if route is None:
            return self._filesystem.dispatch(name, args, context)
        return route(list(find_operation(name).bind(args)), context)

    # --- one path
    def _following(self, name: str) -> Ask:
        """Here, or where the path is."""
        names = [parameter.name for parameter in find_operation(name).parameters]
        moment = names.index("as_of") if "as_of" in names else None

        async def follow(args: list[Any], context: Context) -> Any:
            past = moment is not None and args[moment]
            try:
                return await self._reach.local(name, args, context)
            except (NotFound, Conflict) as error:  # a Conflict: it was there when it was read, as the caller says
                paths = readings(args[0], name)
                if (not past or isinstance(error, Conflict)) and await self._reach.is_here(paths):
                    raise  # it is something else that was not found
                holder = None if past else await self._reach.holder(paths)
                if holder is None and not past and not args[0].startswith(REGISTRY):
                    raise
                if holder is None:
                    return await self._ask_others(name, args, context, error)
            return await self._reach.ask(holder, name, args, context)

        return follow

    async def _ask_others(self, name: str, args: list[Any], context: Context, own: NotFound | Conflict) -> Any:
        """The answer of the first other node that knows of it: what is no more, nobody holds. Raises the own answer
        when none does, or that of the one where it was removed."""
        for peer in self._cluster.others():
            try:
                return await self._reach.ask(peer, name, args, context)
            except NotFound as error:
                own = error if error.remedy else own
        self._reach.check_lost(args[0])
        raise own

    async def _export(self, args: list[Any], context: Context) -> AsyncGenerator[Wire, None]:
        """From all who have it, the own first; a directory of several as the first of them tells it."""
        split_path(args[0])
        told: set[str] = set()
        places = (await self._reach.find(args[:1], everywhere=True)).get(args[0], [None])
        for where in reversed(places):
            async with aclosing(self._reach.stream(where, "export", args, context)) as records:
                async for record in records:
                    if record["versions"][-1]["type"] == DIRECTORY:
                        if record["path"] in told:
                            continue
                        told.add(record["path"])
                    yield record

    async def _references(self, args: list[Any], context: Context) -> Any:
        if not args[1]:
            return await self._following("references")(args, context)
        pointer = await self._following("get")([args[0], 0, ""], context)
        return await self._merging.references(args, context, pointer)

    def _placing(self, name: str) -> Route:
        async def place(args: list[Any], context: Context) -> Any:
            where = await self._home(args[0], context)
            return await self._reach.ask(where, name, args, context)

        return place

    async def _home(self, path: str, context: Context) -> Where:
        """Where it is already; here when it is new.

        What is new goes where its directory is, if that is elsewhere only and has a say: nobody is to make anew here
        what they may not enter there.
        """
        split_path(path)
        places = (await self._reach.find([path])).get(path)
        if not places:
            places = [None] if context.superuser else await self._reach.nearest(path)
        return _own_or_first(places)

    def _placing_all(self, name: str) -> Route:
        """Where all of them belong, new ones (see `_home`) too."""

        async def place(args: list[Any], context: Context) -> Any:
            paths = paths_of(name, args)
            places = await self._reach.find(paths)
            nearest: dict[str, list[Where]] = {}  # directory -> where it is, or the next one above
            homes: dict[str, Where] = {}
            for path in paths:
                if path not in places:
                    above = path.rpartition("/")[0]
                    if above not in nearest:
                        nearest[above] = [None] if context.superuser else await self._reach.nearest(path)
                    places[path] = nearest[above]
                where = _own_or_first(places[path])
                homes[_key(where)] = where
            if len(homes) > 1:
                raise Invalid("these objects are on several nodes", remedy=f"{name} them in one batch per node")
            return await self._reach.ask(next(iter(homes.values()), None), name, args, context)

        return place

    async def _restore(self, args: list[Any], context: Context) -> Any:
        """Where it is; else where it was removed."""
        where = await self._reach.where(args[0])
        try:
            return await self._reach.ask(where, "restore", args, context)
        except NotFound as error:
            if where is not None or await self._reach.is_here(args[:1]):
                raise
            return await self._ask_others("restore", args, context, error)

    # --- on every node that has it: a directory may be on several
    def _everywhere(self, name: str) -> Route:
        async def change(args: list[Any], context: Context) -> Any:
            return (await self._change_all(name, args, context))[-1]

        return change

    async def _retain(self, args: list[Any], context: Context) -> Any:
        if args[1] is None:
            return await self._following("retain")(args, context)
        return (await self._change_all("retain", args, context))[-1]

    async def _change_all(self, name: str, args: list[Any], context: Context) -> list[Any]:
        """The answers of all who have the path, the own last."""
        split_path(args[0])
        places = await self._reach.find(args[:1], everywhere=True)
        return [await self._reach.ask(where, name, args, context) for where in places.get(args[0], [None])]

    async def _remove(self, args: list[Any], context: Context) -> Any:
        path, recursive = args
        split_path(path)
        places = (await self._reach.find([path], everywhere=True)).get(path, [])
        if len(places) > 1 and not recursive and not await self._merging.is_empty(path):
            raise Invalid(f"{path} is not empty", path=path, remedy="remove it recursively (rm -r)")
        return sum([await self._reach.ask(where, "rm", args, context) for where in places or [None]])

    # --- several paths, within one node
    def _carrying(self, name: str) -> Route:
        async def carry(args: list[Any], context: Context) -> Any:
            source, target = args[:2]
            split_path(source), split_path(target)
            places = (await self._reach.find([source], everywhere=True)).get(source, [None])
            if len(places) > 1:  # a directory, each has a part of
                raise self._divided(name, source, places)
            await self._check_target(name, places[0], source, target, context)
            return await self._reach.ask(places[0], name, args, context)

        return carry

    def _divided(self, name: str, source: str, places: Sequence[Where]) -> Invalid:
        nodes = " and ".join(sorted(map(self._reach.name, places)))
        return Invalid(
            f"{source} is a directory on nodes {nodes}: {name} works within one node",
            path=source,
            remedy=f"{name} what is in it",
        )

    async def _mixin(self, args: list[Any], context: Context) -> Any:
        first, second, _, name, directory = args
        places = await self._reach.find([first, second])
        for path in (first, second):
            if path not in places:
                raise NotFound(f"nothing is at {path}", path=path)
        where, other = places[first][0], places[second][0]
        if _key(where) != _key(other):
            raise self._apart("mixin", first, where, second, other)
        await self._check_target("mixin", where, first, child_path(directory, name), context)
        return await self._reach.ask(where, "mixin", args, context)

    async def _check_target(self, name: str, where: Where, source: str, target: str, context: Context) -> None:
        """Invalid when the target is there, but not where the source is: nothing must be shadowed. The same for its
        directory, which may be closed to the caller there."""
        places = (await self._reach.find([target], everywhere=True)).get(target, [])
        if not places and not context.superuser:
            places = await self._reach.nearest(target, everywhere=True)
        if places and _key(where) not in map(_key, places):
            raise self._apart(name, source, where, target, places[-1])

    def _apart(self, name: str, source: str, where: Where, target: str, there: Where) -> Invalid:
        reach = self._reach
        return Invalid(
            f"{source} is on node {reach.name(where)} and {target} on node {reach.name(there)}:"
            f" {name} works within one node",
            path=target,
            remedy="read it and store it there",
        )

    # --- in a transaction
    def _inside(self, name: str) -> Route:
        """Here, and nowhere else."""

        async def answer(args: list[Any], context: Context) -> Any:
            await self._check_inside(name, args, context)
            return await self._reach.local(name, args, context)

        async def stream(args: list[Any], context: Context) -> AsyncGenerator[Any, None]:
            await self._check_inside(name, args, context)
            async with aclosing(self._reach.stream(None, name, args, context)) as items:
                async for item in items:
                    yield item

        return stream if find_operation(name).streams else answer

    async def _check_inside(self, name: str, args: list[Any], context: Context) -> None:
        """Invalid when a path of the operation, or a directory that it would be made in, is on another node."""
        paths = {path: readings(path, name) for path in paths_of(name, args)}
        places = await self._reach.find([each for meant in paths.values() for each in meant]) if paths else {}
        for path, meant in paths.items():
            found = next((places[each] for each in meant if each in places), None)
            if found is None and not context.superuser and find_operation(name).changes:
                found = await self._reach.nearest(path)
            if found and None not in found:
                raise Invalid(
                    f"{path} is on node {self._reach.name(found[0])}: a transaction works within one node",
                    path=path,
                    remedy="begin one there, or leave this out of it",
                )

    # --- the cluster's own
    async def _classes(self, args: list[Any], context: Context) -> dict[str, bytes]:
        """The bundles from here, and the rest from whoever has them."""
        found: dict[str, bytes] = dict(await self._reach.local("classes", args, context))
        for peer in self._cluster.others():
            missing = [hash for hash in args[0] if hash not in found]
            if not missing:
                break
            try:
                found.update(await self._reach.ask(peer, "classes", [missing], context))
            except EmergeError:
                continue
        return found

    def _watch(self, args: list[Any], context: Context) -> AsyncIterator[Wire]:
        """The changes of all nodes from now on; from a position on, those of this node's own log."""
        own = self._filesystem.dispatch("watch", args, context)
        assert isinstance(own, AsyncIterator)
        if args[1] >= 0:
            return own
        path = args[0]
        return watch_all(
            own, self._cluster, lambda peer, since: self._reach.stream(peer, "watch", [path, since], context)
        )

    async def _nodes(self, args: list[Any], context: Context) -> Rows:
        own = self._cluster.identity
        rows = [(own, True), *((peer, False) for peer in self._cluster.peers())]
        return [
            {"node": who.node, "uuid": who.uuid, "filesystem": who.filesystem, "rpc": who.rpc, "self": self_}
            for who, self_ in rows
        ]

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
            answer[key] = await self._seen_by(context, answer[key], "" if key == "paths" else REGISTRY)
        return answer

    async def _seen_by(self, context: Context, found: Wire, prefix: str) -> Wire:
        """What of it the caller may read."""
        if context.superuser:
            return found
        get = self._following("get")
        asked = [get([prefix + name, 0, ""], context) for name in found]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return {name: node for (name, node), seen in zip(found.items(), answers, strict=True) if isinstance(seen, dict)}


def _key(where: Where) -> str:
    """By what two places are the same: the filesystem, "" for the own."""
    return "" if where is None else where.filesystem


def _own_or_first(places: Sequence[Where]) -> Where:
    return None if None in places else places[0]
