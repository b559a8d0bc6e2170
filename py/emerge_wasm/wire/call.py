"""Futures and queues over the client's state machine, shared by all asyncio transports.

No sockets: the transport provides `send`, feeds `receive`, and calls `lose` when the connection is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from ..context import Wire
from ..errors import EmergeError
from .client import ClientProtocol, Reply, ReplyKind
from .event import Payload, SentArguments
from .gather import EventFrames


class Calls:
    """The calls under way on one connection.

    `send(payload)` hands one event to the connection without waiting; it may raise an EmergeError. `send_frames` does
    with one in several frames, where the connection can.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        protocol: ClientProtocol | None = None,
        send_frames: Callable[[EventFrames], None] | None = None,
    ) -> None:
        self.protocol = ClientProtocol() if protocol is None else protocol
        self.protocol.frames = send_frames is not None
        self._send_frames = send_frames
        self._send = send
        self._answers: dict[bytes, asyncio.Future[Any]] = {}
        self._hearers: dict[bytes, Callable[[object], None]] = {}
        self._streams: dict[bytes, asyncio.Queue[Reply]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def call(
        self,
        name: str,
        args: SentArguments,
        context: Wire | None = None,
        hear: Callable[[object], None] | None = None,
        *,
        unopened: bool = False,
    ) -> Any:
        """Call an operation that answers once; return its result, `unopened` in its bytes, or raise its error.

        `hear` gets the items before the result as they arrive; an error that it raises ends the call.
        """
        channel = self._open(name, args, context, unopened=unopened)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[channel] = future
        if hear is not None:
            self._hearers[channel] = hear
        try:
            return await future
        except BaseException:
            self._end(channel)
            raise
        finally:
            self._answers.pop(channel, None)
            self._hearers.pop(channel, None)

    async def stream(
        self, name: str, args: Sequence[object], context: Wire | None = None, *, slots: int = 0
    ) -> AsyncGenerator[Any, None]:
        """Call an operation that streams and yield its items. Closing this iterator ends it on the other side.

        For an operation that answers once, the result is the only item. `slots`: see `ClientProtocol.request`.
        """
        channel = self._open(name, args, context, slots=slots)
        queue: asyncio.Queue[Reply] = asyncio.Queue()
        self._streams[channel] = queue
        try:
            while True:
                reply = await queue.get()
                if reply.kind is ReplyKind.ERROR:
                    raise reply.value
                if reply.kind is ReplyKind.DONE:
                    return
                yield reply.value
                if reply.kind is ReplyKind.RESULT:
                    return
                self._post(self.protocol.took(channel))
        finally:
            self._streams.pop(channel, None)
            self._end(channel)

    def receive(self, payload: Payload) -> None:
        """Take one event that arrived."""
        now = asyncio.get_running_loop().time()
        for reply in self.protocol.receive(payload, now):
            self.deliver(reply)

    def lose(self, error: EmergeError) -> None:
        """End everything under way with this error: the connection is lost."""
        for reply in self.protocol.lose(error):
            self.deliver(reply)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _open(
        self, name: str, args: SentArguments, context: Wire | None, *, unopened: bool = False, slots: int = 0
    ) -> bytes:
        loop = asyncio.get_running_loop()
        channel, payload = self.protocol.request(name, args, loop.time(), context, unopened=unopened, slots=slots)
        try:
            if isinstance(payload, bytes):
                self._send(payload)
            elif self._send_frames is not None:
                self._send_frames(payload)
        except BaseException:
            self.protocol.end(channel)
            raise
        if self._timer is None and self.protocol.heartbeat:
            self._timer = loop.call_later(self.protocol.heartbeat / 2, self._tick, loop)
        return channel

    def deliver(self, reply: Reply) -> None:
        """Hand a reply to the call or stream that waits for it."""
        queue = self._streams.get(reply.channel)
        if queue is not None:
            queue.put_nowait(reply)
            return
        future = self._answers.get(reply.channel)
        if future is None or future.done():
            return
        if reply.kind is ReplyKind.RESULT:
            future.set_result(reply.value)
        elif reply.kind is ReplyKind.ERROR:
            future.set_exception(reply.value)
        elif reply.kind is ReplyKind.ITEM and (hear := self._hearers.get(reply.channel)) is not None:
            try:
                hear(reply.value)
            except Exception as error:
                future.set_exception(error)
        else:  # a stream where one answer was expected
            future.set_exception(EmergeError("this operation streams", remedy="use stream() for it"))

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        ticked = self.protocol.tick(loop.time())
        for payload in ticked.send:
            self._post(payload)
        for reply in ticked.replies:
            self.deliver(reply)
        if len(self.protocol):
            self._timer = loop.call_later(self.protocol.heartbeat / 2, self._tick, loop)

    def _end(self, channel: bytes) -> None:
        self._post(self.protocol.end(channel))

    def _post(self, payload: bytes | None) -> None:
        """Send an event whose loss does no harm: a heartbeat, a grant or an end."""
        if payload is not None:
            try:
                self._send(payload)
            except EmergeError:
                pass
