"""Operations inside a transaction: they run on this node, and their paths must not be on another one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..errors import Invalid
from ..operations import Arguments, Context, find_operation
from .locate import Locator
from .objects import Route
from .paths import paths_of, read_on, readings


class TransactionRoutes:
    """Make the routes of operations inside a transaction."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self._forwarder = locator.forwarder

    def inside(self, name: str) -> Route:
        """Make the route of an operation that runs here and nowhere else."""

        async def answer(args: Arguments, context: Context) -> object:
            await self._check(name, args, context)
            return await self._forwarder.local(name, args, context)

        async def stream(args: Arguments, context: Context) -> AsyncGenerator[object, None]:
            await self._check(name, args, context)
            async with aclosing(self._forwarder.stream(None, name, args, context)) as items:
                async for item in items:
                    yield item

        return stream if find_operation(name).streams else answer

    async def _check(self, name: str, args: Arguments, context: Context) -> None:
        """Raise Invalid when a path of the operation, or a directory that it would be made in, is on another node."""
        paths = {path: readings(path, name) for path in paths_of(name, args)}
        holders = await self._locator.find([each for meant in paths.values() for each in meant]) if paths else {}
        read = read_on(name, args)
        for path, meant in paths.items():
            found = next((holders[each] for each in meant if each in holders), None)
            found = found or self._locator.named(read.get(path, ""))
            if not found and not context.superuser and find_operation(name).changes:
                found = await self._locator.nearest(path)
            if found and None not in found:
                raise Invalid(
                    f"{path} is on node {self._forwarder.name(found[0])}: a transaction works within one node",
                    path=path,
                    remedy="begin one there, or leave this out of it",
                )
