"""One HTTP exchange: await an answer while the client is there, and send it.

Starlette's responses do not serve here: an answer that takes long must end when its client goes, and a stream must end
with an error item when the server stops. Knows ASGI's messages, and nothing of routes or operations.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import TypeVar

from starlette.types import Receive, Send

from ..errors import EmergeError, Unavailable
from ..operations import Answer
from .backlog import Backlog
from .form import Form, write_error, write_stream_error
from .gate import HTTPRefused

log = logging.getLogger("emerge.rest")

T = TypeVar("T")

FIRST = 0.1
"""Seconds that a stream has to fail in before its answer begins with a 200; afterwards the error is its last item."""

BUFFER = 256 << 10
"""Bytes of items that are taken from a stream ahead of the client."""

STATUS = {
    "NotFound": 404,
    "Conflict": 409,
    "PermissionDenied": 403,
    "Invalid": 400,
    "CannotShip": 422,
    "ExecutionFailed": 422,
    "Unavailable": 503,
    "LimitExceeded": 413,
}
TOO_MANY = frozenset({"requests under way", "request bytes under way", "waiting calls"})
"""Limits of the moment: the same request may fit later."""


class ClientGone(Exception):
    """The client went away."""


class Exchange:
    """The answer to one request. `beat` is the longest silence of a stream, in seconds; then it sends a heartbeat.

    Before anything is sent of what was asked for, `check` is called, which raises HTTPRefused for a client that may
    stay no longer. What waits for the client is counted in `backlog`, for `account`; `hang_up` ends the connection.
    """

    def __init__(
        self, form: Form, receive: Receive, send: Send, beat: float, hang_up: Callable[[], object] = lambda: None
    ) -> None:
        self.check: Callable[[], object] = lambda: None
        self.account = ""
        self.backlog = Backlog()
        self._hang_up = hang_up
        self._unread = False
        self._form = form
        self._receive = receive
        self._send = send
        self._beat = beat
        self._cancel: Callable[[], object] = lambda: None
        self._stopping = False
        self._begun = False

    def stop(self) -> None:
        """End what is under way: the client reads that the server stops."""
        self._stopping = True
        self._cancel()

    def abort(self) -> None:
        """End the answer, of which the client takes nothing: nor would it take an error."""
        self._unread = True
        self._hang_up()
        self._cancel()

    async def answer(self, asked: Answer) -> None:
        """Send what an operation answers.

        Raises:
            Exception: the operation's own error, while it can still be sent.
            ClientGone: nobody is there to read it.
        """
        if isinstance(asked, AsyncIterator):
            await self._stream(asked)
        else:
            result = await self.attended(self._result(asked))
            self.check()
            await self.give(200, result)

    async def give(self, status: int, result: object) -> None:
        """Send a result, in the form that the client accepts."""
        await self.send(status, self._form.media_type, self._form.write(result))

    async def fail(self, error: BaseException, status: int = 0, headers: dict[str, str] | None = None) -> None:
        """Send an error."""
        if not isinstance(error, EmergeError):
            log.error("a request failed", exc_info=error)
        if self._begun:  # the connection is cut before the end of the answer, which the client notices
            log.warning("an answer was cut off: %s", error)
            return
        status = status or status_of(error)
        more = {"retry-after": "1"} if status in (429, 503) else {}
        await self.send(status, self._form.media_type, write_error(self._form, error), {**more, **(headers or {})})

    async def send(self, status: int, media_type: str, body: bytes, more: dict[str, str] | None = None) -> None:
        """Send a whole answer, with its length."""
        await self.begin(status, {"content-type": media_type, "content-length": str(len(body)), **(more or {})})
        self._keep(len(body))
        pieces = [body[at : at + BUFFER] for at in range(0, len(body), BUFFER)] or [b""]
        for number, piece in enumerate(pieces, 1):  # by which it is seen that it is read
            await self._send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})
            self.backlog.take(self, len(piece))

    async def begin(self, status: int, headers: dict[str, str]) -> None:
        """Send the head of an answer. What it is about is not kept by browsers, unless the headers say so."""
        self._begun = True
        lines = [(name.encode(), value.encode()) for name, value in {"cache-control": "no-store", **headers}.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": lines})

    async def _result(self, asked: Awaitable[T]) -> T:
        return await asked

    async def attended(self, work: Coroutine[object, object, T]) -> T:
        """Await some work, and cancel it when the client goes or the server stops."""
        task = asyncio.ensure_future(work)
        self._cancel = task.cancel
        gone = asyncio.ensure_future(self._leaving())
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ClientGone
            if task.cancelled():
                raise ClientGone if self._unread else stops()
            return task.result()
        finally:
            for each in (task, gone):
                each.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)

    async def _leaving(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _stream(self, items: AsyncIterator[object]) -> None:
        pump = Pump(items, self._form.item, self._keep)
        await self.attended(self._pour(pump))

    async def _pour(self, pump: Pump) -> None:
        filling = asyncio.ensure_future(pump.run())
        begun = False
        try:
            data = await pump.take(FIRST)
            if pump.error is not None and not data:
                raise pump.error
            await self.begin(200, {"content-type": self._form.stream_type})
            begun = True
            await self._pass_on(data)
            self.backlog.take(self, len(data))
            await self._follow(pump)
            last = self._form.end if pump.error is None else write_stream_error(self._form, pump.error)
            await self.finish(last)
        except HTTPRefused as refused:
            await self.finish(write_stream_error(self._form, refused.error))
        except asyncio.CancelledError:
            if begun and self._stopping:
                await self.finish(write_stream_error(self._form, stops()))
                return
            raise
        finally:
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)

    async def _follow(self, pump: Pump) -> None:
        """Pass on the items as they come, with heartbeats between them."""
        while not pump.done or pump.waiting:
            data = await pump.take(self._beat)
            self.check()
            await self._pass_on(data or (b"" if pump.done else self._form.beat))
            self.backlog.take(self, len(data))

    async def _pass_on(self, data: bytes) -> None:
        if data:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})

    def _keep(self, size: int) -> None:
        if not self._unread:
            self.backlog.add(self, size)

    async def pour(self, parts: AsyncIterator[bytes]) -> None:
        """Send the body whose head was sent, as fast as the client takes it."""
        await self.attended(self._pour_parts(parts))

    async def _pour_parts(self, parts: AsyncIterator[bytes]) -> None:
        async for part in parts:
            self.check()
            self._keep(len(part))
            await self._pass_on(part)
            self.backlog.take(self, len(part))
        await self.finish(b"")

    async def finish(self, data: bytes) -> None:
        """Send the last of an answer's body."""
        await self._send({"type": "http.response.body", "body": data})


class Pump:
    """Take the items of a stream ahead of the client, so that many are sent at once. `keep` is told their bytes."""

    def __init__(
        self, items: AsyncIterator[object], write: Callable[[object], bytes], keep: Callable[[int], None]
    ) -> None:
        self._keeping = keep
        self.error: BaseException | None = None
        self.done = False
        self.waiting = 0  # bytes
        self._items = items
        self._write = write
        self._chunks: list[bytes] = []
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()

    async def run(self) -> None:
        """Take all items, then set `done`, and `error` if the stream failed."""
        try:
            async for item in self._items:
                await self._keep(self._write(item))
        except Exception as error:
            if not isinstance(error, EmergeError):
                log.exception("a stream failed")
            self.error = error
        finally:
            self.done = True
            self._filled.set()
            if (close := getattr(self._items, "aclose", None)) is not None:
                await close()

    async def take(self, seconds: float) -> bytes:
        """Return the bytes that are there, after waiting at most so long; b"" when nothing came."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._filled.wait()
        data = b"".join(self._chunks)
        self._chunks, self.waiting = [], 0
        if not self.done:
            self._filled.clear()
        self._emptied.set()
        return data

    async def _keep(self, data: bytes) -> None:
        self._chunks.append(data)
        self.waiting += len(data)
        self._keeping(len(data))
        self._filled.set()
        if self.waiting > BUFFER:
            self._emptied.clear()
            await self._emptied.wait()


def stops() -> Unavailable:
    return Unavailable("the place asked stops", remedy="it is unknown whether a change was made: look, then repeat it")


def status_of(error: BaseException) -> int:
    """Map an error to its HTTP status."""
    if not isinstance(error, EmergeError):
        return 500
    if error.code == "LimitExceeded" and error.details.get("limit") in TOO_MANY:
        return 429
    return STATUS.get(error.code, 500)
