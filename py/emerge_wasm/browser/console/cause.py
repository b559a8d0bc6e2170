"""What the changes of a cell are recorded with: the notebook, the cell and the version that made them. Pure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextvars import ContextVar

from ...clients.object_pages import reads_ahead
from ...context import Wire
from ...errors import Invalid
from ...operations import Transport, Values, find_operation

CAUSE: ContextVar[str] = ContextVar("cause", default="")
"""Of the cell that a task belongs to; "" for one of the console, which is kept nowhere."""

_UNKNOWN = "a call's context cannot have 'cause'"


class CausedTransport:
    """Gives each change the cause of the cell that makes it. A node of an earlier release is not told."""

    def __init__(self, behind: Transport) -> None:
        self._behind = behind
        self._told = True
        self.reads_ahead = reads_ahead(behind)

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        cause = CAUSE.get()
        if not (cause and self._told and find_operation(name).changes):
            return await self._behind.call(name, args, context)
        try:
            return await self._behind.call(name, args, {**(context or {}), "cause": cause})
        except Invalid as error:
            if not error.message.startswith(_UNKNOWN):
                raise
            self._told = False
            return await self._behind.call(name, args, context)

    def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncIterator[object]:
        return self._behind.stream(name, args, context)

    async def close(self) -> None:
        await self._behind.close()
