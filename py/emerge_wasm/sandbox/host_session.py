"""One call in one worker, from the node's side: what it prints is passed on, what it asks for is answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from ..codec import encode
from ..errors import EmergeError, LimitExceeded, Unavailable
from ..filesystem.runner import Host
from .frame import LONGEST, BadFrame
from .message import Ask, Done, Failed, Kind, Message, Next, Open, Probed, Ready, Shut, Text, Values
from .process import Gone, Process

_AHEAD = 32
"""Items of a stream that are fetched before they are asked for."""
_STREAMS = 64
"""Streams that a method may have open, and things that it may have asked for."""
_ARGUMENTS = 1 << 20
"""Bytes of what a stream is asked for by: they are held as long as it is open."""
_TEXTS = 100_000
"""Pieces of output."""

Work = Callable[[], Awaitable[None]]


class Conversation:
    """Serves a worker until its call has ended. `most` characters may be printed."""

    def __init__(self, process: Process, host: Host | None, most: int) -> None:
        self._process = process
        self._host = host
        self._left = most
        self._printed: list[str] = []
        self._texts = 0
        self._waiting = 0
        self._asked = False  # what is not answered yet
        self._streams: dict[int, _Stream] = {}
        self._work: asyncio.Future[None] | None = None
        self._bug: Exception | None = None

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return "".join(self._printed)

    async def hold(self, request: bytes) -> Done | Values | Failed | Probed:
        """Send a call; its end. Raises as `Process.receive`, and LimitExceeded for a flood of output."""
        self._process.send(request)
        try:
            while True:
                message = await self._receive()
                match message:
                    case Text():
                        self._print(message.text)
                    case Ask():
                        self._start(partial(self._answer, message), asks=True)
                    case Open():
                        self._open(message)
                    case Next():
                        self._start(partial(self._pass_on, self._known(message.stream), message.stream), asks=True)
                    case Shut():
                        self._start(partial(self._shut, message.stream))
                    case Ready():
                        raise BadFrame("it says again that it is ready")
                    case _:
                        return message
        finally:
            await self._end()

    async def _receive(self) -> Message:
        try:
            return await self._process.receive()
        except Gone:
            if self._bug is not None:
                raise self._bug from None
            raise

    def _start(self, work: Work, *, asks: bool = False) -> None:
        """Do what it asks for, and go on listening: it may be stopped, or die, before it has its answer. (One that
        asks again before that would fill its node's memory with what it asks for.)"""
        self._waiting += 1
        if self._waiting > 2 * _STREAMS or (asks and self._asked):
            raise BadFrame("it asked for too much at once")
        self._asked |= asks
        self._work = asyncio.ensure_future(self._do(work, self._work, asks))

    async def _do(self, work: Work, before: asyncio.Future[None] | None, asks: bool) -> None:
        try:
            if before is not None:  # only after something that is not answered, or has been
                await before
            await work()
        except BadFrame as fault:
            self._process.kill(str(fault))
        except Exception as bug:
            self._bug = bug
            self._process.kill("its node failed")
        finally:
            self._waiting -= 1
            self._asked &= not asks

    async def _end(self) -> None:
        if self._work is not None:
            self._work.cancel()
            with suppress(asyncio.CancelledError):
                await self._work
        for number in list(self._streams):
            await self._shut(number)

    def _print(self, text: str) -> None:
        self._left -= len(text)
        if self._left < 0:
            raise LimitExceeded("it printed more than it may", limit="output")
        self._texts += 1
        if self._texts > _TEXTS:
            raise BadFrame("it sent its output in too many pieces")
        self._printed.append(text)
        if self._host is not None:
            self._host.write(text)

    def _reply(self, *fields: Any) -> None:
        try:
            data = encode(fields, limit=LONGEST)
        except EmergeError as error:
            data = encode([Kind.ERROR, error.to_wire()], limit=LONGEST)
        self._process.send(data)

    def _reach(self) -> Host:
        if self._host is None:
            raise Unavailable("there is no filesystem in this call", remedy="use it in a method, not in an expression")
        return self._host

    async def _answer(self, ask: Ask) -> None:
        try:
            value = await self._reach().call(ask.name, ask.args, ask.context)
        except EmergeError as error:
            self._reply(Kind.ERROR, error.to_wire())
        else:
            self._reply(Kind.ANSWER, value)

    def _open(self, request: Open) -> None:
        if request.stream in self._streams:
            raise BadFrame("it opened a stream twice")
        if len(self._streams) > _STREAMS:
            raise BadFrame("it opened more and more streams")
        try:
            if len(self._streams) == _STREAMS:
                raise LimitExceeded(f"more than {_STREAMS} streams are open", limit="streams")
            if request.size > _ARGUMENTS:
                raise LimitExceeded(f"a stream was asked for by more than {_ARGUMENTS} bytes", limit="arguments")
            items: AsyncIterator[Any] = self._reach().stream(request.name, request.args, request.context)
        except EmergeError as error:
            items = _failing(error.with_traceback(None))  # which would hold the request
        self._streams[request.stream] = _Stream(items)

    def _known(self, number: int) -> _Stream:
        if number not in self._streams:
            raise BadFrame("it asked for a stream that is not open")
        return self._streams[number]

    async def _pass_on(self, stream: _Stream, number: int) -> None:
        try:
            items, more = await stream.take()
        except EmergeError as error:
            await self._shut(number)
            self._reply(Kind.ERROR, error.to_wire())
            return
        if not more:
            await self._shut(number)
        self._reply(Kind.ITEMS, items, more)

    async def _shut(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            await stream.close()


async def _failing(error: EmergeError) -> AsyncGenerator[Any, None]:
    raise error
    yield  # so that it is a generator


class _Stream:
    """A stream that is read a little ahead, by a task of its own."""

    def __init__(self, items: AsyncIterator[Any]) -> None:
        self._items = items
        self._buffer: deque[Any] = deque()
        self._error: Exception | None = None
        self._over = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._task = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        try:
            async for item in self._items:
                self._buffer.append(item)
                self._changed.set()
                if len(self._buffer) >= _AHEAD:
                    self._room.clear()
                    await self._room.wait()
        except Exception as error:
            self._error = error
        finally:
            self._over = True
            self._changed.set()
            if isinstance(self._items, AsyncGenerator):
                await self._items.aclose()

    async def take(self) -> tuple[list[Any], bool]:
        """The items that are there, waiting for one, and whether there may be more. Raises what the stream raised."""
        while not self._buffer and not self._over:
            self._changed.clear()
            await self._changed.wait()
        items = list(self._buffer)
        self._buffer.clear()
        self._room.set()
        if not items and self._error is not None:
            raise self._error
        return items, bool(items)

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
