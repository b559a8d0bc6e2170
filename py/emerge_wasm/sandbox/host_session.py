"""The node's side of one call in a worker: collects its output and answers its filesystem requests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from ..errors import LimitExceeded, Unavailable
from ..filesystem.runner import Host, PartHost
from ..filesystem.runs.inside.parts import PART_BYTES
from ..operations import Answer, find_operation
from ..wire.server import ServerChannel, ServerRequest
from .frame import BadFrame
from .settings import GIVE

STREAMS = 64
"""Streams that a method may have open at once."""
_ARGUMENTS = 1 << 20
"""Largest request for a stream, in bytes: its arguments are held as long as the stream is open."""

Drained = Callable[[], Awaitable[None]]
"""Waits until the worker has read what it was sent, so that a worker that does not read cannot fill its node's
memory."""


class HostSession:
    """The node's state of one call. `most` is the limit of printed characters. `peak` is the worker's reported peak
    memory in bytes, negative if the call left something behind and the worker must end."""

    def __init__(self, host: Host | None, most: int) -> None:
        self.peak = 0
        self._host = host
        self._left = most
        self._printed: list[str] = []
        self._call: ServerChannel | None = None
        self._streams = 0
        self.renew: Callable[[], None] = lambda: None
        """Called when a part was taken: the limits of time are those of the next one."""

    @property
    def output(self) -> str:
        """The text that the call has printed so far."""
        return "".join(self._printed)

    @property
    def asked(self) -> bool:
        """Whether a request of the worker, other than for a stream, is unanswered."""
        return self._call is not None and self._call.open

    def hear(self, item: object) -> None:
        """Take an item that precedes the result: printed text or the worker's memory.

        Raises:
            LimitExceeded: too much was printed.
            BadFrame: the item is neither.
        """
        if type(item) is int:
            self.peak = item
        elif type(item) is str:
            self._print(item)
        else:
            raise BadFrame("it sent something else than output")

    def _print(self, text: str) -> None:
        self._left -= len(text)
        if self._left < 0:
            raise LimitExceeded("it printed more than it may", limit="output")
        self._printed.append(text)
        if self._host is not None:
            self._host.write(text)

    def answer(self, request: ServerRequest, drained: Drained) -> Answer:
        """Answer a request of the worker.

        Raises:
            BadFrame: the worker did not wait for its last answer. Streams aside, it makes one request at a time, so
                that it cannot fill its node's memory.
        """
        if request.name != GIVE and find_operation(request.name).streams:
            if request.size > _ARGUMENTS:
                raise LimitExceeded(f"a stream was asked for by more than {_ARGUMENTS} bytes", limit="arguments")
            return self._stream(request, drained)
        if self.asked:
            raise BadFrame("it asked for too much at once")
        self._call = request.channel
        return self._answer_once(request, drained)

    async def _answer_once(self, request: ServerRequest, drained: Drained) -> Any:
        await drained()
        if request.name == GIVE:
            return await self._take_part(*request.args)
        return await self._reach().call(request.name, request.args, request.context)

    async def _take_part(self, part: object = b"", *others: object) -> None:
        host = self._reach()
        if others or type(part) is not bytes or len(part) > PART_BYTES:
            raise BadFrame("it gave something else than a part")
        if not isinstance(host, PartHost):
            raise Unavailable("nobody reads this object")
        await host.give(part)
        self.renew()

    async def _stream(self, request: ServerRequest, drained: Drained) -> AsyncGenerator[Any, None]:
        self._streams += 1
        try:
            await drained()
            if self._streams > STREAMS:
                raise LimitExceeded(f"more than {STREAMS} streams are open", limit="streams")
            items: Any = self._reach().stream(request.name, request.args, request.context)
            async with aclosing(items):
                async for item in items:
                    yield item
                    await drained()
        finally:
            self._streams -= 1

    def _reach(self) -> Host:
        if self._host is None:
            raise Unavailable("there is no filesystem in this call", remedy="use it in a method, not in an expression")
        return self._host
