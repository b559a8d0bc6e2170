"""How GraphQL reaches objects: an injected dispatch, on behalf of whoever asks. Imports nothing but the table."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from ..operations import Context, Dispatch


@dataclass(frozen=True, slots=True)
class Caller:
    """Operations with one caller's rights, in the transaction that the context names."""

    dispatch: Dispatch
    context: Context

    async def call(self, name: str, *args: Any) -> Any:
        answer: Any = self.dispatch(name, list(args), self.context)
        return await answer

    async def stream(self, name: str, *args: Any) -> AsyncGenerator[Any, None]:
        items: Any = self.dispatch(name, list(args), self.context)
        async with aclosing(items):
            async for item in items:
                yield item

    async def at_once(self, change: Callable[[Caller], Awaitable[Any]]) -> Any:
        """Make several calls as one transaction: Conflict when others come between."""
        if self.context.transaction:
            return await change(self)
        name = f"graphql-{uuid4().hex}"
        await self.call("begin", name)
        within = replace(self, context=replace(self.context, transaction=name))
        try:
            result = await change(within)
        except BaseException:
            await self.call("rollback", name)
            raise
        await self.call("commit", name)
        return result
