"""Inside a guest worker: runs what the kernel sends, one call at a time, and asks the kernel for the filesystem.

It holds no token, and its document lets it reach nothing but the channel behind `post`. Must not import the kernel's
half: no connection, no store.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncGenerator, Callable
from itertools import count
from typing import Any

from ...clients.transports.host import give_filesystem
from ...errors import EmergeError, ExecutionFailed, error_from_wire
from ...filesystem.runner import EvaluateCall, RunCall
from ...filesystem.runs.inside.evaluate import evaluate_rows
from ...filesystem.runs.inside.execute import execute
from ...filesystem.runs.inside.failure import describe
from ...operations import Wire
from ..native import use_native_msgpack
from . import talk

Post = Callable[[bytes], None]


class Asking:
    """The Host of a call whose other half is in the kernel."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._numbers = count()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._streams: dict[int, asyncio.Queue[list[Any]]] = {}

    async def call(self, name: str, args: list[Any], context: Wire | None = None) -> Any:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            self._post(talk.pack(talk.ASK, number, name, args, context))
            return await answer
        finally:
            del self._answers[number]

    async def stream(self, name: str, args: list[Any], context: Wire | None = None) -> AsyncGenerator[Any, None]:
        number = next(self._numbers)
        items = self._streams[number] = asyncio.Queue()
        self._post(talk.pack(talk.OPEN, number, name, args, context))
        try:
            while (item := await items.get())[0] == talk.ITEM:
                yield item[2]
            if item[0] == talk.ERROR:
                raise error_from_wire(item[2])
        finally:
            del self._streams[number]
            self._post(talk.pack(talk.SHUT, number))

    def write(self, text: str) -> None:
        self._post(talk.pack(talk.TEXT, text))

    def hear(self, message: list[Any]) -> None:
        kind, number = message[:2]
        answer = self._answers.get(number)
        if answer is None:
            if number in self._streams:
                self._streams[number].put_nowait(message)
        elif answer.done():
            return
        elif kind == talk.ERROR:
            answer.set_exception(error_from_wire(message[2]))
        else:
            answer.set_result(message[2])


class Guest:
    """Answers the kernel's calls."""

    def __init__(self, post: Post) -> None:
        self.post = post
        self.host = Asking(post)
        self._tasks: set[asyncio.Task[None]] = set()

    def hear(self, data: bytes) -> None:
        message = talk.unpack(data)
        if message[0] in (talk.RUN, talk.EVALUATE):
            task = asyncio.ensure_future(self._answer(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self.host.hear(message)

    async def _answer(self, message: list[Any]) -> None:
        try:
            answer = await self._run(*message[1:]) if message[0] == talk.RUN else self._evaluate(*message[1:])
        except EmergeError as error:
            answer = talk.pack_error(talk.FAILED, error=error)
        except BaseException as error:  # SystemExit and a cancellation too: the kernel waits for an answer
            answer = talk.pack_error(talk.FAILED, error=ExecutionFailed(describe(error)))
        self.post(answer)

    async def _run(self, *fields: Any) -> bytes:
        call = RunCall(*fields)
        done = await execute(call, None, give_filesystem(self.host), self.host.write)
        return talk.pack(talk.DONE, done.result, done.state, done.output, done.milliseconds, done.digest)

    def _evaluate(self, *fields: Any) -> bytes:
        expression, rows, bundles, timeout, principal = fields
        call = EvaluateCall(expression, [(pointer, state) for pointer, state in rows], bundles, timeout, principal)
        outcome = evaluate_rows(call)
        return talk.pack(talk.VALUES, outcome.values, [[number, text] for number, text in outcome.errors.items()])


_guest: Guest | None = None
_tasks: list[asyncio.Future[None]] = []


def start(post: Callable[[Any], None], recursion: int, restored: bool) -> None:
    """Begin. `post` takes a Uint8Array."""
    global _guest
    from pyodide.ffi import to_js  # type: ignore[import-not-found,unused-ignore]  # there in a browser only

    if restored:
        random.seed()  # a snapshot repeats its random numbers
    sys.setrecursionlimit(recursion)
    _guest = Guest(lambda data: post(to_js(data)))
    _publish(_guest.host)
    asyncio.get_event_loop().call_soon(use_native_msgpack)


def _publish(host: Asking) -> None:
    """`from emerge_wasm import fs` gives shipped code the same as its parameter `fs`."""
    import emerge_wasm

    async def publish() -> None:
        given = give_filesystem(host)
        vars(emerge_wasm).update(fs=given["fs"](), afs=given["afs"]())

    _tasks.append(asyncio.ensure_future(publish()))


def hear(data: Any) -> None:
    """A message of the kernel's, a Uint8Array."""
    assert _guest is not None, "start comes first"
    _guest.hear(data.to_bytes())
