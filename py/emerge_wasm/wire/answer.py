"""Answers requests in asyncio: at once where nothing is waited for, else in a task each; one heartbeat task for all.

Connects the state machine of `wire.server` to a socket, of which it knows only a send function.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from functools import partial
from types import CoroutineType

from ..errors import EmergeError, LimitExceeded, Unavailable
from ..operations import Answer
from .event import Payload
from .gather import EventFrames
from .loop_watch import TimedWork
from .server import (
    ChannelEnded,
    CreditGranted,
    RequestRefused,
    ServerAction,
    ServerChannel,
    ServerChannels,
    ServerRequest,
)

log = logging.getLogger("emerge.node")

UNREAD = 256
"""Streams of one caller whose next item waits to be asked for. One more ends the one that waits the longest."""

RequestHandler = Callable[[ServerRequest], Answer]
"""Returns an awaitable for one result, or an asynchronous iterator for a stream. May raise at once."""

AtOnce = Coroutine[object, None, object]
"""The answer to a request that only reads, and most likely without waiting. It is given up where it does wait."""

PromptAnswer = AtOnce | asyncio.Future[object]
"""An answer that needs no task: one that is there at once, or one that comes by itself."""


class Answers:
    """The requests under way. `send(peer, payload)` hands one event to the connection without waiting; `send_frames`
    one in several frames, where the connection can.

    `read` makes the answer to a request without a task, or gives None where `handle` is to; it is the same answer. A
    peer's requests are begun in the order in which they came all the same. `late` hears of a request one of whose steps
    held up the loop, and for how many seconds.
    """

    def __init__(
        self,
        handle: RequestHandler,
        send: Callable[[Hashable, bytes], None],
        channels: ServerChannels,
        send_frames: Callable[[Hashable, EventFrames], None] | None = None,
        read: Callable[[ServerRequest], PromptAnswer | None] = lambda request: None,
        late: Callable[[ServerRequest, float], None] = lambda request, seconds: None,
    ) -> None:
        self.channels = channels
        self.channels.frames = send_frames is not None
        self._read = read
        self._late = late
        self._unbegun: dict[Hashable, int] = {}  # tasks by peer
        self._send_frames = send_frames
        self._handle = handle
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[ServerChannel, asyncio.Future[None] | asyncio.Future[object]] = {}
        self._credit: dict[ServerChannel, asyncio.Event] = {}
        self._streams: set[ServerChannel] = set()
        self._timer: asyncio.TimerHandle | None = None

    def receive(self, peer: Hashable, payload: Payload) -> None:
        """Feed one event that arrived from a peer."""
        action = self.channels.receive(peer, payload, self._loop.time())
        if action is not None:
            self.act(peer, action)

    def act(self, peer: Hashable, action: ServerAction) -> None:
        """Carry out the action that a peer's event asks for."""
        if isinstance(action, ServerRequest):
            self._start(action)
        elif isinstance(action, CreditGranted):
            if waiting := self._credit.get(action.channel):
                waiting.set()
        elif isinstance(action, ChannelEnded):
            self._cancel(action.channel)
        elif isinstance(action, RequestRefused):
            self._send(peer, action.payload)

    def lose(self, peer: Hashable) -> None:
        """Cancel the requests of a peer that is gone."""
        for channel in self.channels.of_peer(peer):
            self.channels.close(channel)
            self._cancel(channel)

    def refuse(self, peer: Hashable, error: EmergeError) -> None:
        """End the requests of a peer with an error."""
        for channel in self.channels.of_peer(peer):
            self._send(peer, self.channels.error(channel, error))
            self._cancel(channel)

    async def cancel(self, peer: Hashable) -> None:
        """Cancel a peer's requests, and wait until their handlers have ended."""
        self.lose(peer)
        tasks = [task for channel, task in self._tasks.items() if channel.peer == peer]
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)

    async def wait(self, seconds: float) -> None:
        """Wait until those under way that answer once have answered, at most so long. Streams may go on for ever."""
        waited = [task for channel, task in self._tasks.items() if channel not in self._streams]
        if waited:
            await asyncio.wait(waited, timeout=seconds)

    async def close(self) -> None:
        """End the requests under way with Unavailable, and wait until their handlers have ended."""
        if self._timer is not None:
            self._timer.cancel()
        for channel in self.channels.all():
            remedy = "it is unknown whether a change was made: look, then repeat it"
            gone = Unavailable("the node stops", remedy=remedy, unknown=True)
            self._send(channel.peer, self.channels.error(channel, gone))
            self._cancel(channel)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _start(self, request: ServerRequest) -> None:
        """Answer at once or in a task. From Python 3.12 on that starts eagerly, so a handler that never waits costs no
        loop turn."""
        channel = request.channel
        if channel.peer not in self._unbegun and self._answer_promptly(request):
            return
        loop = asyncio.get_running_loop()  # a tab's cell may block in one of its own
        self._unbegun[channel.peer] = self._unbegun.get(channel.peer, 0) + 1
        work = TimedWork(self._answer(request), partial(self._late, request))
        if sys.version_info >= (3, 12):
            task = asyncio.Task(work, loop=loop, eager_start=True)
        else:
            task = loop.create_task(work)
        if not task.done():
            self._note(channel, task)

    def _note(self, channel: ServerChannel, task: asyncio.Future[None] | asyncio.Future[object]) -> None:
        self._tasks[channel] = task
        if self._timer is None and self.channels.heartbeat:
            self._arm()

    def _answer_promptly(self, request: ServerRequest) -> bool:
        """Answer without a task, if that can be; tell whether that was so."""
        try:
            answer = self._read(request)
            if answer is None:
                return False
            if isinstance(answer, asyncio.Future):
                request.channel.begun = True
                self._note(request.channel, answer)
                answer.add_done_callback(partial(self._came, request))
                return True
            try:
                answer.send(None)
            except StopIteration as done:
                payload: Payload | None = self.channels.ok(request.channel, done.value)
            else:
                answer.close()
                return False
        except Exception as error:
            payload = self._failed(request, error)
        self._post(request.channel, payload)
        return True

    def _came(self, request: ServerRequest, answer: asyncio.Future[object]) -> None:
        """Send the answer that came by itself, unless it was given up."""
        channel = request.channel
        self._tasks.pop(channel, None)
        if answer.cancelled() or not channel.open:
            return
        error = answer.exception()
        if error is None:
            self._post(channel, self.channels.ok(channel, answer.result()))
        elif isinstance(error, Exception):
            self._post(channel, self._failed(request, error))

    async def _answer(self, request: ServerRequest) -> None:
        channel = request.channel
        self._begun(channel)
        payload: Payload | None
        try:
            answer = self._handle(request)
            if type(answer) is not CoroutineType and isinstance(answer, AsyncIterator):
                payload = await self._stream(channel, answer)
            else:
                payload = self.channels.ok(channel, await answer)
        except Exception as error:
            payload = self._failed(request, error)
        finally:
            self._tasks.pop(channel, None)
        self._post(channel, payload)

    def _begun(self, channel: ServerChannel) -> None:
        """Note that a request's task has begun, or never will."""
        channel.begun = True
        left = self._unbegun.pop(channel.peer) - 1
        if left:
            self._unbegun[channel.peer] = left

    def _failed(self, request: ServerRequest, error: Exception) -> Payload | None:
        """Encode the error of a request that was not given up meanwhile."""
        if not isinstance(error, EmergeError):
            log.error("%s failed", request.name[:80], exc_info=error)
        return self.channels.error(request.channel, error) if request.channel.open else None

    def _post(self, channel: ServerChannel, payload: Payload | None) -> None:
        if isinstance(payload, bytes):
            self._send(channel.peer, payload)
        elif payload is not None and self._send_frames is not None:
            self._send_frames(channel.peer, payload)

    async def _stream(self, channel: ServerChannel, items: AsyncIterator[object]) -> bytes:
        self._streams.add(channel)
        try:
            async for item in items:
                if not channel.credit:
                    await self._wait(channel)
                self._send(channel.peer, self.channels.item(channel, item))
                if not channel.open:  # the peer was found gone while sending
                    raise Unavailable("the asker is gone")
        finally:
            self._streams.discard(channel)
            if (close := getattr(items, "aclose", None)) is not None:
                await close()
        if not channel.credit:
            await self._wait(channel)
        return self.channels.done(channel)

    async def _wait(self, channel: ServerChannel) -> None:
        waiting = self._credit[channel] = asyncio.Event()
        try:
            if len(self._credit) > UNREAD:
                self._end_unread(channel.account)
            await waiting.wait()
        finally:
            del self._credit[channel]

    def _end_unread(self, account: Hashable) -> None:
        """End the streams above the limit that wait the longest to be read."""
        own = [each for each in self._credit if each.open and each.account == account]
        for channel in own[:-UNREAD]:
            error = LimitExceeded(
                f"{UNREAD} streams of yours are not read, and this one for the longest time",
                remedy="read them, or close those that are not needed, and call again",
                limit="unread streams",
            )
            self._send(channel.peer, self.channels.error(channel, error))
            self._cancel(channel)

    def _cancel(self, channel: ServerChannel) -> None:
        task = self._tasks.get(channel)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            if not channel.begun:  # nothing of it will run
                self._begun(channel)
                del self._tasks[channel]

    def _arm(self) -> None:
        self._timer = self._loop.call_later(self.channels.heartbeat / 2, self._tick)

    def _tick(self) -> None:
        self._timer = None
        ticked = self.channels.tick(self._loop.time())
        for peer, payload in ticked.send:
            self._send(peer, payload)
        for channel in ticked.lost:
            self._cancel(channel)
        if len(self.channels):
            self._arm()
