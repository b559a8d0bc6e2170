"""Changes as a subscription's answers have them. No graphql-core."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..operations import Wire
from .node import Node, Request

REMOVED = "rm"


async def follow_changes(request: Request, path: str, since: int, class_name: str | None) -> AsyncGenerator[Wire, None]:
    """The changes at or below a path, of objects of one class where one is named."""
    async with aclosing(request.caller.stream("watch", path, since)) as changes:
        async for change in changes:
            pointer = change["pointer"]
            if class_name is None or request.book.class_of(pointer) == class_name:
                gone = change["operation"] == REMOVED
                yield {**change, "object": None if gone else Node(pointer, as_of=pointer["date"])}
