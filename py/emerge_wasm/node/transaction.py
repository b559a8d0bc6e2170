"""Operations inside a transaction: they run on this node, and their paths must not be on another one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..errors import Invalid
from ..operations import Arguments, Context, find_operation
from .locate import Locator
from .objects import Route
from .paths import in_registry, paths_of, readings


class TransactionRoutes:
    """Make the routes of operations inside a transaction."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self._forwarder = locator.forwarder

    def inside(self, name: str) -> Route:
        """Make the route of an operation that runs here and nowhere else."""

        async def answer(args: Arguments, context: Context) -> object:
            self._check(name, args)
            return await self._forwarder.local(name, args, context)

        async def stream(args: Arguments, context: Context) -> AsyncGenerator[object, None]:
            self._check(name, args)
            async with aclosing(self._forwarder.stream(None, name, args, context)) as items:
                async for item in items:
                    yield item

        return stream if find_operation(name).streams else answer

    def _check(self, name: str, args: Arguments) -> None:
        """Raise Invalid when another node owns a path of the operation."""
        for path in paths_of(name, args):
            if in_registry(path):
                continue
            holder = self._locator.holder(readings(path, name)[-1])
            if holder is not None:
                raise Invalid(
                    f"{path} is on node {holder.node}: a transaction works within one node",
                    path=path,
                    remedy=f"begin one there (emerge -h {holder.rpc}), or leave this out of it",
                )
