"""Call operations for GraphQL through an injected dispatch, with the rights of whoever asks. Imports only the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import uuid4

from ..operations import Context, Dispatch, Values, find_operation
from ..results import CallInfo

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GraphQLCaller:
    """Operations with one caller's rights, in the transaction that the context names. If the context has a call id, the
    changes are numbered: each is made once, however often the document is asked for with that id."""

    dispatch: Dispatch
    context: Context
    _asked: Counter[str] = field(default_factory=Counter)

    async def call(self, operation: str, /, **arguments: object) -> Any:
        """Run an operation that answers once; arguments that are not given have their defaults."""
        context = self.context
        if context.call_id:
            numbered = find_operation(operation).recorded and operation != "commit"
            id = self._id(operation, arguments["path"]) if numbered else ""
            context = replace(context, call_id=id, call_note=b"")
            self._asked[f"{operation} {arguments.get('path')}"] += numbered
        answer: Any = self.dispatch(operation, _in_order(operation, arguments), context)
        return await answer

    async def recall(self, operation: str, path: str) -> Any:
        """Return the result of the next such call if it was made under this document's id before, else None."""
        if not self.context.call_id:
            return None
        found: CallInfo = await self.call("recall", path=path, id=self._id(operation, path))
        if found["known"]:
            self._asked[f"{operation} {path}"] += 1
        return found["result"]

    def _id(self, operation: str, path: object) -> str:
        return f"{self.context.call_id} {operation} {path} {self._asked[f'{operation} {path}']}"

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
