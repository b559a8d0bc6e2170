"""GraphQL over the objects at or below a path, with types made from their class bundles.

It reaches objects only through the `dispatch` that it is given, so it is the same on a node, behind a relay and in a
browser tab. graphql-core is optional, so it is imported at the first call: only `execute` and the modules that it
imports may import it at the top.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from ..errors import Unavailable
from ..operations import Context, Dispatch, Wire
from ..results import GraphQLAnswer
from .caller import GraphQLCaller

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["answer", "follow"]


async def answer(
    dispatch: Dispatch, context: Context, place: object, path: str, query: str, variables: Wire | None, name: str
) -> GraphQLAnswer:
    """Answer the query or mutation in a document. "errors" in the answer says what is wrong with the document.

    The classes that were found are remembered for as long as `place` (a store, say) lives.

    Raises:
        NotFound, PermissionDenied: the path itself cannot be read.
        Unavailable: graphql-core is not installed.
    """
    execute = _execute()
    caller = GraphQLCaller(dispatch, context)
    found: GraphQLAnswer = await execute.answer(caller, place, path, query, variables or {}, name)
    return found


async def follow(
    dispatch: Dispatch, context: Context, place: object, path: str, query: str, variables: Wire | None, name: str
) -> AsyncGenerator[GraphQLAnswer, None]:
    """Yield the answers to the subscription in a document, one for each change; otherwise as `answer`."""
    execute = _execute()
    async with aclosing(
        execute.follow(GraphQLCaller(dispatch, context), place, path, query, variables or {}, name)
    ) as answers:
        async for each in answers:
            yield each


def _execute() -> ModuleType:
    try:
        from . import execute
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "graphql":
            raise
        raise Unavailable("GraphQL is not installed here", remedy="pip install emerge-wasm[graphql]") from None
    return execute
