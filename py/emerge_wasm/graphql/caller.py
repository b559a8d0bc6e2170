"""Call operations for GraphQL through an injected dispatch, with the rights of whoever asks. Imports only the table."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import uuid4

from ..operations import Context, Dispatch, Values, find_operation

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GraphQLCaller:
    """Operations with one caller's rights, in the transaction that the context names."""

    dispatch: Dispatch
    context: Context

    async def call(self, operation: str, /, **arguments: object) -> Any:
        """Run an operation that answers once; arguments that are not given have their defaults."""
        answer: Any = self.dispatch(operation, _in_order(operation, arguments), self.context)
        return await answer

    async def stream(self, operation: str, /, **arguments: object) -> AsyncGenerator[Any, None]:
        """Run an operation that streams; closing the generator ends it."""
        items: Any = self.dispatch(operation, _in_order(operation, arguments), self.context)
        async with aclosing(items):
            async for item in items:
                yield item

    async def in_transaction(self, change: Callable[[GraphQLCaller], Awaitable[T]]) -> T:
        """Make several calls as one transaction. Raises Conflict when others change the same meanwhile."""
        if self.context.transaction:
            return await change(self)
        name = f"graphql-{uuid4().hex}"
        await self.call("begin", name=name)
        within = replace(self, context=replace(self.context, transaction=name))
        try:
            result = await change(within)
        except BaseException:
            await self.call("rollback", transaction=name)
            raise
        await self.call("commit", transaction=name)
        return result


def _in_order(operation: str, arguments: dict[str, object]) -> Values:
    """Return named arguments in the operation's order, completed by its defaults."""
    row = find_operation(operation)
    defaults = {each.name: each.default for each in row.parameters if each.default is not each.empty}
    return list(row.make(**(defaults | arguments)))
