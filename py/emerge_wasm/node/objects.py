"""Operations on paths: each goes to the node that holds its path, and what is new to the node of its directory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from ..errors import Conflict, Invalid, NotFound
from ..objects import DIRECTORY
from ..operations import Answer, Arguments, Context, Wire, find_operation
from ..paths import child_path, split_path
from ..results import EntryPage, PointerRow
from .directory import DirectoryRoutes
from .forward import Holder
from .locate import Locator
from .paths import paths_of, read_on, readings

Route = Callable[[Arguments, Context], Answer]
OneAnswer = Callable[[Arguments, Context], Awaitable[Any]]

REGISTRY = "/registry/"


class ObjectRoutes:
    """The routes of the operations that name one path, or several within one node."""

    def __init__(self, locator: Locator, directories: DirectoryRoutes) -> None:
        self._locator = locator
        self._forwarder = locator.forwarder
        self._directories = directories
        self.get = self.follow("get")
        self._follow_references = self.follow("references")
        self._follow_retain = self.follow("retain")

    # --- one path
    def follow(self, name: str) -> OneAnswer:
        """Make the route of an operation that runs here, or where its path is."""

        async def follow(args: Arguments, context: Context) -> object:
            past = bool(getattr(args, "as_of", ""))
            try:
                return await self._forwarder.local(name, args, context)
            except (NotFound, Conflict) as error:  # a Conflict: it was there when it was read, as the caller says
                paths = readings(args.path, name)
                if (not past or isinstance(error, Conflict)) and await self._locator.is_here(paths):
                    raise  # it is something else that was not found
                other = None if past else await self._locator.other(paths)
                if other is None and not past and not args.path.startswith(REGISTRY):
                    raise
                if other is None:
                    return await self._ask_others(name, args, context, error)
            return await self._forwarder.ask(other, name, args, context)

        return follow

    async def _ask_others(self, name: str, args: Arguments, context: Context, own: NotFound | Conflict) -> Any:
        """Ask the other nodes one by one for what nobody holds any more.

        When none knows of it, raise the own error, or that of the node where it was removed.
        """
        for peer in self._locator.cluster.others():
            try:
                return await self._forwarder.ask(peer, name, args, context)
            except NotFound as error:
                own = error if error.remedy else own
        self._locator.check_lost(args.path)
        raise own

    async def export(self, args: Arguments, context: Context) -> AsyncGenerator[Wire, None]:
        """Export from all who have it, the own node first; a directory of several as the first of them has it."""
        split_path(args.path)
        exported: set[str] = set()
        holders = await self._locator.find_one(args.path) or [None]
        for holder in reversed(holders):
            async with aclosing(self._forwarder.stream(holder, "export", args, context)) as records:
                async for record in records:
                    if record["versions"][-1]["type"] == DIRECTORY:
                        if record["path"] in exported:
                            continue
                        exported.add(record["path"])
                    yield record

    async def references(self, args: Arguments, context: Context) -> EntryPage:
        if not args.back:
            page: EntryPage = await self._follow_references(args, context)
            return page
        pointer = await self.get(find_operation("get").bind([args.path]), context)
        return await self._directories.referrers(args, context, pointer)

    def place(self, name: str) -> OneAnswer:
        """Make the route of an operation whose path may be new."""

        async def place(args: Arguments, context: Context) -> object:
            home = await self._home(args.path, context, read_on(name, args).get(args.path, ""))
            return await self._forwarder.ask(home, name, args, context)

        return place

    async def _home(self, path: str, context: Context, node: str = "") -> Holder:
        """Where a path is already; here when it is new.

        What is new goes where its directory is, if that is elsewhere only and the caller is no superuser: nobody is to
        make anew here what they may not enter there. What was read on a node of this cluster goes there, since that
        node knows what became of it.
        """
        split_path(path)
        holders = (await self._locator.find([path])).get(path)
        return _own_or_first(holders or self._locator.named(node) or await self._homes_of_new(path, context))

    async def _homes_of_new(self, path: str, context: Context) -> list[Holder]:
        return [None] if context.superuser else await self._locator.nearest(path)

    def place_all(self, name: str) -> OneAnswer:
        """Make the route of an operation with many paths, all of one node (see `_home`)."""

        async def place(args: Arguments, context: Context) -> object:
            paths = paths_of(name, args)
            holders = await self._locator.find(paths)
            for path, node in read_on(name, args).items():
                if path not in holders and (members := self._locator.named(node)):
                    holders[path] = members
            new: dict[str, list[Holder]] = {}  # directory -> who gets what is new in it
            homes: dict[str, Holder] = {}
            for path in paths:
                if path not in holders:
                    above = path.rpartition("/")[0]
                    if above not in new:
                        new[above] = await self._homes_of_new(path, context)
                    holders[path] = new[above]
                home = _own_or_first(holders[path])
                homes[self._forwarder.uuid(home)] = home
            if len(homes) > 1:
                raise Invalid("these objects are on several nodes", remedy=f"{name} them in one batch per node")
            return await self._forwarder.ask(next(iter(homes.values()), None), name, args, context)

        return place

    async def restore(self, args: Arguments, context: Context) -> PointerRow:
        """Restore where it is, or else where it was removed."""
        holder = await self._locator.holder(args.path)
        restored: PointerRow
        try:
            restored = await self._forwarder.ask(holder, "restore", args, context)
        except NotFound as error:
            if holder is not None or await self._locator.is_here([args.path]):
                raise
            restored = await self._ask_others("restore", args, context, error)
        return restored

    # --- on every node that has it: several may have a directory
    def change_all(self, name: str) -> OneAnswer:
        """Make the route of an operation that every holder of the path does; the own answer counts."""

        async def change(args: Arguments, context: Context) -> object:
            split_path(args.path)
            holders = await self._locator.find_one(args.path) or [None]
            return [await self._forwarder.ask(holder, name, args, context) for holder in holders][-1]

        return change

    async def retain(self, args: Arguments, context: Context) -> str:
        route = self._follow_retain if args.keep is None else self.change_all("retain")
        return str(await route(args, context))

    async def remove(self, args: Arguments, context: Context) -> int:
        split_path(args.path)
        holders = await self._locator.find_one(args.path)
        if len(holders) > 1 and not args.recursive and not await self._directories.is_empty(args.path):
            raise Invalid(f"{args.path} is not empty", path=args.path, remedy="remove it recursively (rm -r)")
        return sum([await self._forwarder.ask(holder, "rm", args, context) for holder in holders or [None]])

    # --- several paths, within one node
    def carry(self, name: str) -> OneAnswer:
        """Make the route of an operation from a source to a target on the same node."""

        async def carry(args: Arguments, context: Context) -> object:
            split_path(args.source), split_path(args.target)
            holders = await self._locator.find_one(args.source) or [None]
            if len(holders) > 1:  # a directory, each has a part of
                raise self._divided(name, args.source, holders)
            await self._check_target(name, holders[0], args.source, args.target, context)
            return await self._forwarder.ask(holders[0], name, args, context)

        return carry

    async def mixin(self, args: Arguments, context: Context) -> PointerRow:
        found = await self._locator.find([args.first, args.second])
        for path in (args.first, args.second):
            if path not in found:
                raise NotFound(f"nothing is at {path}", path=path)
        holder, other = found[args.first][0], found[args.second][0]
        if self._forwarder.uuid(holder) != self._forwarder.uuid(other):
            raise self._apart("mixin", args.first, holder, args.second, other)
        await self._check_target("mixin", holder, args.first, child_path(args.path, args.name), context)
        pointer: PointerRow = await self._forwarder.ask(holder, "mixin", args, context)
        return pointer

    async def _check_target(self, name: str, holder: Holder, source: str, target: str, context: Context) -> None:
        """Check that the target is new, or where the source is: nothing must be shadowed.

        The same for the target's directory, which may be closed to the caller where it is.

        Raises:
            Invalid: it is on another node.
        """
        holders = await self._locator.find_one(target)
        if not holders and not context.superuser:
            holders = await self._locator.nearest(target, everywhere=True)
        if holders and self._forwarder.uuid(holder) not in map(self._forwarder.uuid, holders):
            raise self._apart(name, source, holder, target, holders[-1])

    def _divided(self, name: str, source: str, holders: Sequence[Holder]) -> Invalid:
        nodes = " and ".join(sorted(map(self._forwarder.name, holders)))
        return Invalid(
            f"{source} is a directory on nodes {nodes}: {name} works within one node",
            path=source,
            remedy=f"{name} what is in it",
        )

    def _apart(self, name: str, source: str, holder: Holder, target: str, there: Holder) -> Invalid:
        node, other = self._forwarder.name(holder), self._forwarder.name(there)
        return Invalid(
            f"{source} is on node {node} and {target} on node {other}: {name} works within one node",
            path=target,
            remedy="read it and store it there",
        )


def _own_or_first(holders: Sequence[Holder]) -> Holder:
    return None if None in holders else holders[0]
