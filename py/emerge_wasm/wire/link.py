"""A `Duplex` in asyncio: awaits calls to the other side, and answers its requests by a handler."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from ..context import Wire
from ..errors import EmergeError
from .answer import Answers, RequestHandler
from .call import Calls
from .client import Reply
from .duplex import Duplex
from .event import SentArguments
from .server import ServerChannel


class Link:
    """One connection in both directions. `send(payload)` hands one event to it without waiting."""

    def __init__(self, duplex: Duplex, send: Callable[[bytes], None], handle: RequestHandler) -> None:
        self._duplex = duplex
        self._send = send
        self._calls = Calls(send, duplex.client)
        self._answers = Answers(handle, lambda _, payload: send(payload), duplex.server)

    @property
    def busy(self) -> bool:
        """Whether a call is under way in either direction."""
        return bool(len(self._duplex.client) or len(self._duplex.server))

    def receive(self, payload: bytes) -> None:
        """Take one event that arrived. Raises Invalid for one that the other side must not send (see `Duplex`)."""
        action = self._duplex.receive(payload)
        if isinstance(action, Reply):
            self._calls.deliver(action)
        elif action is not None:
            self._answers.act("", action)

    def call(
        self,
        name: str,
        args: SentArguments,
        hear: Callable[[object], None] | None = None,
        context: Wire | None = None,
    ) -> Awaitable[Any]:
        """Call the other side; return the result or raise its error. `hear` gets the items before the result; an error
        that it raises ends the call."""
        return self._calls.call(name, args, context, hear)

    def stream(
        self, name: str, args: Sequence[object], context: Wire | None = None, *, slots: int = 0
    ) -> AsyncGenerator[Any, None]:
        """Call the other side and yield the items. Closing this iterator ends the call there. `slots`: how many may
        come before they are taken (0: as of all streams)."""
        return self._calls.stream(name, args, context, slots=slots)

    def item(self, channel: ServerChannel, value: object) -> None:
        """Send an item of the answer to the other side's request, at once."""
        if channel.open and channel.credit > 0:
            self._send(self._duplex.server.item(channel, value))

    async def cancel(self) -> None:
        """Cancel the other side's requests, and wait until their handlers have ended."""
        await self._answers.cancel("")

    def lose(self, error: EmergeError) -> None:
        """End calls with this error and cancel the other side's requests: the connection is lost."""
        self._calls.lose(error)
        self._answers.lose("")
