"""Transactions: each is of one filesystem, that which owns the first path that it names.

What a transaction names of another filesystem is refused before anything is done. One that another node has is held
here too, empty: so it expires with it, and only who began it uses it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

from ..errors import Invalid
from ..filesystem.transactions.transaction import OUTSIDE, TRANSACTIONS
from ..operations import Arguments, Context, find_operation
from .forward import Holder
from .locate import Locator
from .objects import Route
from .paths import in_registry, paths_of, readings

ENDS = frozenset(("commit", "rollback"))

MOST = 10_000


class _Bound(NamedTuple):
    """A transaction that has named a path: whose it is, and its name there."""

    filesystem: str
    name: str


class TransactionRoutes:
    """Make the routes of operations inside a transaction, and of those that end one."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self._forwarder = locator.forwarder
        self._bound: dict[str, _Bound] = {}

    def inside(self, name: str) -> Route:
        """Make the route of an operation in a transaction, which runs where that is."""

        async def answer(args: Arguments, context: Context) -> object:
            async with self._where(name, args, context) as (holder, inside):
                return await self._forwarder.ask(holder, name, args, inside)

        async def stream(args: Arguments, context: Context) -> AsyncGenerator[object, None]:
            async with self._where(name, args, context) as (holder, inside):
                async with aclosing(self._forwarder.stream(holder, name, args, inside)) as items:
                    async for item in items:
                        yield item

        return stream if find_operation(name).streams else answer

    def once(self, name: str) -> Route:
        """Make the route of an operation that is done once, which is recorded by the filesystem that has its paths."""

        async def once(args: Arguments, context: Context) -> object:
            named = paths_of(name, args)
            owners = {self._owner(path, name): path for path in named}
            first = self._owner(named[0], name)
            for owner, path in owners.items():
                if owner != first:
                    raise self._apart(path, owner, first, "a call with an id")
                await self._locator.check_way(path, context)
            return await self._forwarder.ask(self._holder(_Bound(first, "")), name, args, context)

        return once

    def end(self, name: str) -> Route:
        """Make the route of `commit` or `rollback`."""

        async def end(args: Arguments, context: Context) -> object:
            there = self._bound.pop(args.transaction, None)
            if there is None or there.filesystem == self._locator.volumes.own:
                return await self._forwarder.local(name, args, context)
            await self._forwarder.local("rollback", args, context)
            return await self._forwarder.ask(self._holder(there), name, [there.name], context)

        return end

    @asynccontextmanager
    async def _where(self, name: str, args: Arguments, context: Context) -> AsyncIterator[tuple[Holder, Context]]:
        """Find where an operation's transaction is, and hold what is here of one that is elsewhere.

        Raises:
            Invalid: another filesystem owns one of its paths.
        """
        if name in OUTSIDE:
            yield None, context
            return
        there = await self._bind(name, args, context)
        if there.filesystem == self._locator.volumes.own:
            yield None, context
            return
        async with TRANSACTIONS.of(self._locator.filesystem.core).turn(context, context.transaction):
            yield self._holder(there), replace(context, transaction=there.name)

    async def _bind(self, name: str, args: Arguments, context: Context) -> _Bound:
        named = paths_of(name, args)
        paths = {path: self._owner(path, name) for path in named if not in_registry(path)}
        open = TRANSACTIONS.of(self._locator.filesystem.core)
        local = open.find(context, context.transaction)
        there = _Bound(self._locator.volumes.own, local.name) if local.pinned else self._bound.get(local.name)
        filesystem = there.filesystem if there else next(iter(paths.values()), self._locator.volumes.own)
        for path, owner in paths.items():
            if owner != filesystem:
                raise self._apart(path, owner, filesystem)
            await self._locator.check_way(path, context)
        if there is None and not named:
            return _Bound(filesystem, local.name)
        if there is None:
            mine = filesystem == self._locator.volumes.own
            there = _Bound(filesystem, local.name if mine else await self._begin(filesystem, local.seconds, context))
            if len(self._bound) >= MOST:
                self._bound = {each: bound for each, bound in self._bound.items() if open.has(each)}
            self._bound[local.name] = there
        return there

    async def _begin(self, filesystem: str, seconds: int, context: Context) -> str:
        holder = self._holder(_Bound(filesystem, ""))
        begun = await self._forwarder.ask(holder, "begin", ["", seconds], replace(context, transaction=""))
        return str(begun["transaction"])

    def _owner(self, path: str, name: str) -> str:
        return self._forwarder.uuid(self._locator.holder(readings(path, name)[-1]))

    def _holder(self, there: _Bound) -> Holder:
        return self._locator.serving(there.filesystem, "the transaction")

    def _apart(self, path: str, owner: str, filesystem: str, what: str = "the transaction") -> Invalid:
        table = self._locator.volumes.current()
        return Invalid(
            f"{path} is on node {table.name(owner)}, {what} on {table.name(filesystem)}: it works within one",
            path=path,
            remedy=f"leave {path} out of it, or move both to one node first (emerge mv, emerge mount)",
            apart=True,
        )
