"""Follow changes for subscriptions. Imports no graphql-core."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..operations import Wire
from .request import GraphQLRequest, ObjectNode

REMOVED = "rm"


async def follow_changes(
    request: GraphQLRequest, path: str, since: int, class_name: str | None
) -> AsyncGenerator[Wire, None]:
    """Yield the changes at or below a path, of objects of one class where one is named."""
    async with aclosing(request.caller.stream("watch", path=path, since=since)) as changes:
        async for change in changes:
            pointer = change["pointer"]
            if class_name is None or request.class_schema.class_of(pointer) == class_name:
                gone = change["operation"] == REMOVED
                yield {**change, "object": None if gone else ObjectNode(pointer, as_of=pointer["date"])}
