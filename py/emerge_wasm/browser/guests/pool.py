"""Runs code of other users in a tab, in guest workers that hold no token.

A guest reaches only the filesystem, per call and with the caller's rights. It serves one author at a time and one call
at a time. A call that is cancelled or late ends its guest; the next one starts a new guest. What a guest sends is
distrusted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields

from ...errors import EmergeError, ExecutionFailed, Invalid, LimitExceeded, Unavailable
from ...filesystem.runner import EvaluateCall, EvaluateOutcome, Host, RunCall, RunOutcome
from ...filesystem.runs.inside.execute import RunLimits
from ...operations import Answer, Values, find_operation
from ...wire.duplex import Duplex
from ...wire.link import Link
from ...wire.server import ServerRequest
from .channel import EVENT_LIMIT, GuestChannel, OpenGuest

LOG = logging.getLogger("emerge.browser")

LIMITS = RunLimits()
KEPT = 4
"""Guests that are kept, and so calls that run at once: each has a Python interpreter of its own. Nested calls get one
at once, so that there can be more for a while."""
MOST = 16
REQUESTS = 1024
"""Operations that the code of one call may have under way at once."""
FORBIDDEN = "it sent what it must not"


class Guest:
    """One guest worker, and the call that it runs."""

    def __init__(self, author: str) -> None:
        self.author = author
        self.ended = ""  # the reason
        self._channel: GuestChannel | None = None
        self._link = Link(Duplex.of_host(requests=REQUESTS, limit=EVENT_LIMIT), self._send, self._serve)
        self._loop = asyncio.get_running_loop()
        self._host: Host | None = None

    async def start(self, open: OpenGuest) -> None:
        if self._channel is None:
            self._channel = await open(self._hear, self.end)

    async def call(self, name: str, args: Values, host: Host | None) -> object:
        """Run a call in the guest and return its result. `host` answers the requests of its code."""
        if self.ended:
            raise ExecutionFailed(f"the worker that it was to run in ended: {self.ended}")
        self._host = host
        room = LIMITS.output

        def hear(text: object) -> None:
            nonlocal room
            if not isinstance(text, str):
                raise self.distrust()
            room -= len(text)
            if room < 0:
                raise LimitExceeded(f"it printed more than {LIMITS.output} characters", limit="output")
            if host is not None:
                host.write(text)

        try:
            return await self._link.call(name, args, hear)
        finally:
            self._host = None
            await self._link.cancel()

    def distrust(self) -> ExecutionFailed:
        """Mark the guest as unusable because of what it sent; return the error to raise."""
        self.ended = self.ended or FORBIDDEN
        return ExecutionFailed(f"the worker that it ran in was ended: {FORBIDDEN}")

    def end(self, reason: str) -> None:
        """End the guest at once."""
        self.ended = self.ended or reason or "it ended"
        self._link.lose(ExecutionFailed(f"the worker that it ran in ended: {self.ended}"))
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _send(self, data: bytes) -> None:
        if self._channel is not None:
            self._channel.send(data)

    def _hear(self, data: bytes) -> None:
        self._loop.call_soon(self._receive, data)  # only in a callback of the loop may Python block (JSPI)

    def _receive(self, data: bytes) -> None:
        try:
            self._link.receive(data)
        except Invalid as error:
            LOG.warning("a guest worker was ended: %s", error.message)
            self.end(FORBIDDEN)

    def _serve(self, request: ServerRequest) -> Answer:
        """Answer a filesystem request of the call's code."""
        if self._host is None:
            raise Unavailable("this code was given no filesystem")
        if find_operation(request.name).streams:
            return self._host.stream(request.name, request.args, request.context)
        return self._host.call(request.name, request.args, request.context)


class GuestPool:
    """The Runner of other users' code. `busy`: whether such code is running."""

    kind = "browser"

    def __init__(self, open: OpenGuest) -> None:
        self._open = open
        self._idle: list[Guest] = []
        self._count = 0
        self._freed = asyncio.Event()

    @property
    def busy(self) -> bool:
        return self._count > len(self._idle)

    async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
        args = [getattr(call, field.name) for field in fields(call)]
        async with self._take(_author(call.pointer), call.nested) as guest:
            match await self._call(guest, "run", args, host, call.timeout):
                case [
                    result,
                    (bytes() | None) as state,
                    str() as output,
                    (int() | float()) as taken,
                    str() as digest,
                ]:
                    return RunOutcome(result, state, output[: LIMITS.output], float(taken), digest[:64])
            raise guest.distrust()

    async def evaluate(self, call: EvaluateCall) -> EvaluateOutcome:
        rows = [[pointer, state] for pointer, state in call.rows]
        args = [call.expression, rows, call.bundles, call.timeout, call.principal]
        args.append(call.clock.wire() if call.clock is not None else None)
        authors = sorted({_author(pointer) for pointer, _ in call.rows})
        async with self._take("\0".join(["expression", *authors]), False) as guest:
            match await self._call(guest, "evaluate", args, None, call.timeout):
                case [list() as values, list() as errors] if len(values) == len(call.rows):
                    if (texts := _texts(errors)) is not None:
                        return EvaluateOutcome(values, texts)
            raise guest.distrust()

    async def _call(self, guest: Guest, name: str, args: Values, host: Host | None, seconds: float) -> object:
        try:
            async with asyncio.timeout(seconds):
                return await guest.call(name, args, host)
        except TimeoutError:
            raise LimitExceeded(f"it took longer than {seconds:g} s", limit="wall time") from None

    @asynccontextmanager
    async def _take(self, author: str, nested: bool) -> AsyncIterator[Guest]:
        """Take a guest that has run no other author's code. An interrupted guest is not used again."""
        guest = await self._find(author, nested)
        whole = False
        try:
            await guest.start(self._open)
            try:
                yield guest
                whole = True
            except EmergeError as error:
                whole = not isinstance(error, LimitExceeded)
                raise
        finally:
            if whole and not guest.ended and self._count <= KEPT:
                self._idle.append(guest)
            else:
                self._drop(guest)
            self._freed.set()

    async def _find(self, author: str, nested: bool) -> Guest:
        while True:
            guest = self._idle_of(author) or self._room_for(author, MOST if nested else KEPT)
            if guest is not None:
                return guest
            if nested:
                raise LimitExceeded(f"{MOST} calls of code of others are at work", limit="depth")
            self._freed.clear()
            await self._freed.wait()

    def _idle_of(self, author: str) -> Guest | None:
        for guest in [guest for guest in self._idle if guest.ended]:
            self._idle.remove(guest)
            self._drop(guest)
        known = next((guest for guest in self._idle if guest.author == author), None)
        if known is not None:
            self._idle.remove(known)
        return known

    def _room_for(self, author: str, most: int) -> Guest | None:
        """Make a new guest, if need be in place of another author's idle one."""
        if self._count >= KEPT and self._idle:
            self._drop(self._idle.pop(0))
        if self._count >= most:
            return None
        self._count += 1
        return Guest(author)

    def _drop(self, guest: Guest) -> None:
        guest.end("it was ended")
        self._count -= 1


def _author(pointer: Mapping[str, object]) -> str:
    return str(pointer.get("owner", ""))


def _texts(errors: list[object]) -> dict[int, str] | None:
    """Parse the errors by row number; None if they are malformed."""
    found: dict[int, str] = {}
    for error in errors:
        match error:
            case [int() as number, str() as text]:
                found[number] = text
            case _:
                return None
    return found
