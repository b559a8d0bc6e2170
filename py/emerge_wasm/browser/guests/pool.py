"""Where code of others runs in a tab: guest workers that hold no token and reach nothing but the filesystem that they
are given, call by call, with the caller's rights.

A guest serves one author at a time and one call at a time. A call that is cancelled or late ends its guest; the next
one starts anew. What a guest says is distrusted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn

from ...errors import EmergeError, ExecutionFailed, LimitExceeded, error_from_wire
from ...filesystem.runner import EvaluateCall, EvaluateOutcome, Host, RunCall, RunOutcome
from ...filesystem.runs.inside.execute import Limits
from . import talk
from .channel import Line, Open
from .service import Service

LIMITS = Limits()
SIZE = 2
"""Calls that run at once: each guest is a Python of its own."""
KEPT = 4
"""Guests that are kept. Calls that others wait for get one at once, so that there can be more for a while."""
MOST = 16


class Guest:
    """One worker, and the call that it is at."""

    def __init__(self, author: str) -> None:
        self.author = author
        self.line: Line | None = None
        self.dead = ""
        self._said: asyncio.Queue[list[Any] | None] = asyncio.Queue()

    async def start(self, open: Open) -> None:
        self.line = await open(self._hear, self._lose)

    def _hear(self, data: bytes) -> None:
        try:
            self._said.put_nowait(talk.unpack(data))
        except EmergeError as error:
            self._lose(error.message)

    def _lose(self, detail: str) -> None:
        self.dead = self.dead or detail or "it ended"
        self._said.put_nowait(None)

    def close(self) -> None:
        self.dead = self.dead or "it was ended"
        if self.line is not None:
            self.line.close()
            self.line = None

    async def ask(self, data: bytes, host: Host | None) -> list[Any]:
        """Send a call; what it came to. Meanwhile its questions are answered by `host`."""
        assert self.line is not None
        service = Service(self.line.send, host)
        room = LIMITS.output
        self.line.send(data)
        try:
            while True:
                message = await self._said.get()
                match message:
                    case None:
                        raise ExecutionFailed(f"the worker that it ran in ended: {self.dead}")
                    case [talk.TEXT, str() as text]:
                        room -= len(text)
                        if room < 0:
                            raise LimitExceeded(f"it printed more than {LIMITS.output} characters", limit="output")
                        if host is not None:
                            host.write(text)
                    case [talk.ASK, int() as number, str() as name, list() as args, (dict() | None) as context]:
                        service.answer(number, name, args, context)
                    case [talk.OPEN, int() as number, str() as name, list() as args, (dict() | None) as context]:
                        service.stream(number, name, args, context)
                    case [talk.SHUT, int() as number]:
                        service.shut(number)
                    case [talk.FAILED, dict() as wire]:
                        raise self._error(wire)
                    case [talk.DONE | talk.VALUES, *_]:
                        return message
                    case _:
                        self._distrust()
        finally:
            service.close()

    def _error(self, wire: dict[str, Any]) -> EmergeError:
        try:
            return error_from_wire(wire)
        except TypeError:  # its details are none
            self._distrust()

    def _distrust(self) -> NoReturn:
        self.dead = "it sent what it must not"
        raise ExecutionFailed(f"the worker that it ran in was ended: {self.dead}")


class Closed:
    """The Runner of code of others. `busy`: whether such code is at work now."""

    kind = "browser"
    size = SIZE

    def __init__(self, open: Open) -> None:
        self._open = open
        self._idle: list[Guest] = []
        self._count = 0
        self._freed = asyncio.Event()

    @property
    def busy(self) -> bool:
        return self._count > len(self._idle)

    async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
        fields = [getattr(call, name) for name in RunCall.__slots__]
        said = await self._ask(_author(call.pointer), talk.pack(talk.RUN, *fields), host, call.timeout, call.nested)
        match said:
            case [
                talk.DONE,
                result,
                (bytes() | None) as state,
                str() as output,
                (int() | float()) as taken,
                str() as digest,
            ]:
                return RunOutcome(result, state, output[: LIMITS.output], float(taken), digest[:64])
        raise ExecutionFailed("the worker that it ran in sent what it must not", path=call.path)

    async def evaluate(self, call: EvaluateCall) -> EvaluateOutcome:
        rows = [[pointer, state] for pointer, state in call.rows]
        data = talk.pack(talk.EVALUATE, call.expression, rows, call.bundles, call.timeout, call.principal)
        authors = sorted({_author(pointer) for pointer, _ in call.rows})
        said = await self._ask("\0".join(["expression", *authors]), data, None, call.timeout, False)
        match said:
            case [talk.VALUES, list() as values, list() as errors] if len(values) == len(call.rows):
                return EvaluateOutcome(values, {int(number): str(text) for number, text in errors})
        raise ExecutionFailed("the worker that it ran in sent what it must not")

    async def _ask(self, author: str, data: bytes, host: Host | None, seconds: float, nested: bool) -> list[Any]:
        async with self._take(author, nested) as guest:
            try:
                async with asyncio.timeout(seconds):
                    return await guest.ask(data, host)
            except TimeoutError:
                raise LimitExceeded(f"it took longer than {seconds:g} s", limit="wall time") from None

    @asynccontextmanager
    async def _take(self, author: str, nested: bool) -> AsyncIterator[Guest]:
        """A guest that has run nothing of another author. One that was interrupted is not used again."""
        guest = await self._find(author, nested)
        whole = False
        try:
            if guest.line is None:
                await guest.start(self._open)
            try:
                yield guest
                whole = True
            except EmergeError as error:
                whole = error.code not in ("LimitExceeded",) and not guest.dead
                raise
        finally:
            if whole and not guest.dead and self._count <= KEPT:
                self._idle.append(guest)
            else:
                guest.close()
                self._count -= 1
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
        self._drop_dead()
        known = next((guest for guest in self._idle if guest.author == author), None)
        if known is not None:
            self._idle.remove(known)
        return known

    def _room_for(self, author: str, most: int) -> Guest | None:
        """A new one, in the place of one that idles for another author if need be."""
        if self._count >= KEPT and self._idle:
            self._idle.pop(0).close()
            self._count -= 1
        if self._count >= most:
            return None
        self._count += 1
        return Guest(author)

    def _drop_dead(self) -> None:
        for guest in [guest for guest in self._idle if guest.dead]:
            self._idle.remove(guest)
            guest.close()
            self._count -= 1


def _author(pointer: dict[str, Any]) -> str:
    return str(pointer.get("owner", ""))
