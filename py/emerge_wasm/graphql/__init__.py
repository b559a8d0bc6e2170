"""GraphQL over the objects at or below a path, with types made from their class bundles.

It reaches objects only through the `dispatch` that it is given, so it is the same on a node, behind a relay and in a
browser tab. graphql-core is imported at the first call, for it is optional; nothing else here may import it at the top
but what `asking` imports.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from ..errors import Unavailable
from ..operations import Context, Dispatch, Wire
from .caller import Caller

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["answer", "follow"]


async def answer(
    dispatch: Dispatch, context: Context, place: object, path: str, query: str, variables: Wire | None, name: str
) -> Wire:
    """{"data", "errors", "extensions"}: the answer to a document's query or mutation.

    What classes there are is remembered for as long as `place` (a store, say) lives. What is wrong with the document
    is told in "errors"; raises NotFound and PermissionDenied for the path itself, Unavailable without graphql-core.
    """
    execute = _execute()
    return dict(await execute.answer(Caller(dispatch, context), place, path, query, variables or {}, name))


async def follow(
    dispatch: Dispatch, context: Context, place: object, path: str, query: str, variables: Wire | None, name: str
) -> AsyncGenerator[Wire, None]:
    """The answers to a document's subscription, one for each change; otherwise as `answer`."""
    execute = _execute()
    async with aclosing(
        execute.follow(Caller(dispatch, context), place, path, query, variables or {}, name)
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
