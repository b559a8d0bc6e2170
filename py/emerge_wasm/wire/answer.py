"""Answering requests: one task per request, one ticker for all, whatever carries the bytes.

Between the state machine of `wire.server` and a socket; a send function is all it knows of the latter.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from typing import Any

from ..errors import EmergeError, Unavailable
from ..operations import Answer, Wire
from .server import Channel, Ended, Granted, Refused, Request, ServerChannels

log = logging.getLogger("emerge.node")

Handle = Callable[[str, list[Any], Wire | None], Answer]
"""(operation's name, arguments, the call's context) -> what to await for one result, or to iterate for a stream.
May raise at once."""


class Answering:
    """The requests under way. `send(peer, payload)` hands one event to the connection without waiting."""

    def __init__(self, handle: Handle, send: Callable[[Hashable, bytes], None], channels: ServerChannels) -> None:
        self.channels = channels
        self._handle = handle
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._credit: dict[Channel, asyncio.Event] = {}
        self._timer: asyncio.TimerHandle | None = None

    def receive(self, peer: Hashable, payload: bytes) -> None:
        """Feed one event that arrived from a peer."""
        action = self.channels.receive(peer, payload, self._loop.time())
        if type(action) is Request:
            action.channel.owner = _start(self._loop, self._answer(action))
            if self._timer is None:
                self._arm()
        elif type(action) is Granted:
            if waiting := self._credit.get(action.channel):
                waiting.set()
        elif type(action) is Ended:
            self._cancel(action.channel)
        elif type(action) is Refused:
            self._send(peer, action.payload)

    def lose(self, peer: Hashable) -> None:
        """The peer is gone: cancel what it asked for."""
        for channel in self.channels.of_peer(peer):
            self.channels.close(channel)
            self._cancel(channel)

    async def close(self) -> None:
        """Refuse what is under way with Unavailable, and wait until its handlers have ended."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = []
        for channel in self.channels.all():
            tasks.append(channel.owner)
            gone = Unavailable("the node stops", remedy="it is unknown whether a change was made: look, then repeat it")
            self._send(channel.peer, self.channels.error(channel, gone))
            self._cancel(channel)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, request: Request) -> None:
        channel = request.channel
        try:
            answer = self._handle(request.name, request.args, request.context)
            if isinstance(answer, AsyncIterator):
                payload = await self._stream(channel, answer)
            else:
                payload = self.channels.ok(channel, await answer)
        except Exception as error:
            if not isinstance(error, EmergeError):
                log.exception("%s failed", request.name[:80])
            if not channel.open:
                return
            payload = self.channels.error(channel, error)
        self._send(channel.peer, payload)

    async def _stream(self, channel: Channel, items: AsyncIterator[Any]) -> bytes:
        try:
            async for item in items:
                if not channel.credit:
                    await self._wait(channel)
                self._send(channel.peer, self.channels.item(channel, item))
                if not channel.open:  # the peer was found gone while sending
                    raise Unavailable("the asker is gone")
        finally:
            if (close := getattr(items, "aclose", None)) is not None:
                await close()
        if not channel.credit:
            await self._wait(channel)
        return self.channels.done(channel)

    async def _wait(self, channel: Channel) -> None:
        waiting = self._credit[channel] = asyncio.Event()
        try:
            await waiting.wait()
        finally:
            del self._credit[channel]

    def _cancel(self, channel: Channel) -> None:
        if channel.owner is not None and channel.owner is not asyncio.current_task():
            channel.owner.cancel()

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


def _start(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task; from Python 3.12 on it runs at once, so that what never waits costs no turn of the loop."""
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=loop, eager_start=True)
    return loop.create_task(work)
