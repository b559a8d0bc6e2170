"""Futures and queues over the client's state machine: what every asyncio transport does the same way.

No sockets: the transport gives a `send`, feeds `receive`, and says when the connection is lost. asyncio only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from ..errors import EmergeError
from .client import ClientProtocol, Kind, Outcome


class Calls:
    """The calls under way on one connection.

    `send(payload)` hands one event to the connection without waiting; it may raise an EmergeError.
    """

    def __init__(self, send: Callable[[bytes], None], protocol: ClientProtocol | None = None) -> None:
        self.protocol = ClientProtocol() if protocol is None else protocol
        self._send = send
        self._answers: dict[bytes, asyncio.Future[Any]] = {}
        self._streams: dict[bytes, asyncio.Queue[Outcome]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def call(self, name: str, args: list[Any], context: dict[str, Any] | None = None) -> Any:
        """The result of an operation that answers once, or the error that it ended with."""
        loop = asyncio.get_running_loop()
        channel = self._open(name, args, context)
        future: asyncio.Future[Any] = loop.create_future()
        self._answers[channel] = future
        try:
            return await future
        finally:
            self._answers.pop(channel, None)
            self._end(channel)

    async def stream(
        self, name: str, args: list[Any], context: dict[str, Any] | None = None
    ) -> AsyncGenerator[Any, None]:
        """The items of an operation that streams. Closing this iterator ends it on the other side.

        An operation that answers once after all yields that one result.
        """
        channel = self._open(name, args, context)
        queue: asyncio.Queue[Outcome] = asyncio.Queue()
        self._streams[channel] = queue
        try:
            while True:
                outcome = await queue.get()
                if outcome.kind is Kind.ERROR:
                    raise outcome.value
                if outcome.kind is Kind.DONE:
                    return
                yield outcome.value
                if outcome.kind is Kind.RESULT:
                    return
                self._post(self.protocol.took(channel))
        finally:
            self._streams.pop(channel, None)
            self._end(channel)

    def receive(self, payload: bytes) -> None:
        """Feed one event that arrived."""
        now = asyncio.get_running_loop().time()
        for outcome in self.protocol.receive(payload, now):
            self._deliver(outcome)

    def lose(self, error: EmergeError) -> None:
        """The connection is gone: everything under way ends with this error."""
        for outcome in self.protocol.lose(error):
            self._deliver(outcome)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _open(self, name: str, args: list[Any], context: dict[str, Any] | None) -> bytes:
        loop = asyncio.get_running_loop()
        channel, payload = self.protocol.request(name, args, loop.time(), context)
        try:
            self._send(payload)
        except BaseException:
            self.protocol.end(channel)
            raise
        if self._timer is None and self.protocol.heartbeat:
            self._timer = loop.call_later(self.protocol.heartbeat / 2, self._tick, loop)
        return channel

    def _deliver(self, outcome: Outcome) -> None:
        queue = self._streams.get(outcome.channel)
        if queue is not None:
            queue.put_nowait(outcome)
            return
        future = self._answers.get(outcome.channel)
        if future is None or future.done():
            return
        if outcome.kind is Kind.RESULT:
            future.set_result(outcome.value)
        elif outcome.kind is Kind.ERROR:
            future.set_exception(outcome.value)
        else:  # a stream where one answer was expected
            future.set_exception(EmergeError("this operation streams", remedy="use stream() for it"))

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        ticked = self.protocol.tick(loop.time())
        for payload in ticked.send:
            self._post(payload)
        for outcome in ticked.outcomes:
            self._deliver(outcome)
        if len(self.protocol):
            self._timer = loop.call_later(self.protocol.heartbeat / 2, self._tick, loop)

    def _end(self, channel: bytes) -> None:
        self._post(self.protocol.end(channel))

    def _post(self, payload: bytes | None) -> None:
        """Send what may get lost without harm: a beat, a grant, an end."""
        if payload is not None:
            try:
                self._send(payload)
            except EmergeError:
                pass
