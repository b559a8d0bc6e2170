"""A `Duplex` in asyncio: calls to the other side are awaited, its own are answered by a handler."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from ..context import Wire
from ..errors import EmergeError
from .answer import Answers, RequestHandler
from .call import Calls
from .client import Reply
from .duplex import Duplex
from .server import ServerChannel


class Link:
    """One connection. `send(payload)` hands one event to it without waiting."""

    def __init__(self, duplex: Duplex, send: Callable[[bytes], None], handle: RequestHandler) -> None:
        self._duplex = duplex
        self._send = send
        self._calls = Calls(send, duplex.client)
        self._answers = Answers(handle, lambda _, payload: send(payload), duplex.server)

    @property
    def busy(self) -> bool:
        """Whether anything is under way in either direction."""
        return bool(len(self._duplex.client) or len(self._duplex.server))

    def receive(self, payload: bytes) -> None:
        """Feed one event that arrived. Invalid for what the other side must not send (see `Duplex`)."""
        action = self._duplex.receive(payload)
        if isinstance(action, Reply):
            self._calls.deliver(action)
        elif action is not None:
            self._answers.act("", action)

    def call(
        self,
        name: str,
        args: Sequence[object],
        hear: Callable[[object], None] | None = None,
        context: Wire | None = None,
    ) -> Awaitable[Any]:
        """The result of a call to the other side, or the error that it ended with; `hear` gets the items before it, and
        ends the call by what it raises."""
        return self._calls.call(name, args, context, hear)

    def stream(self, name: str, args: Sequence[object], context: Wire | None = None) -> AsyncGenerator[Any, None]:
        """The items of a call to the other side. Closing this iterator ends it there."""
        return self._calls.stream(name, args, context)

    def item(self, channel: ServerChannel, value: object) -> None:
        """Send an item of the answer to a request of the other side, at once."""
        if channel.open and channel.credit > 0:
            self._send(self._duplex.server.item(channel, value))

    async def cancel(self) -> None:
        """End what the other side asked for, and wait until its handlers have ended."""
        await self._answers.cancel("")

    def lose(self, error: EmergeError) -> None:
        """The connection is gone: calls end with this error, and what the other side asked for is cancelled."""
        self._calls.lose(error)
        self._answers.lose("")
