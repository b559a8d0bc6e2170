"""The code of a guest worker: runs the kernel's calls, one at a time, and reaches the filesystem through the kernel.

It holds no token, and its document's policy lets it reach only the channel behind `post`. Must not import the kernel's
modules: no connection, no store.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from ...clients.transports.host import give_filesystem
from ...clients.trust import CONFINED
from ...context import Clock
from ...errors import EmergeError, ExecutionFailed, Invalid
from ...filesystem.runner import EvaluateCall, RunCall
from ...filesystem.runs.inside.evaluate import evaluate_rows
from ...filesystem.runs.inside.execute import execute
from ...filesystem.runs.inside.failure import describe
from ...operations import Answer, Values
from ...wire.duplex import Duplex
from ...wire.link import Link
from ...wire.server import ServerRequest
from ..log import log_to_console
from ..native import use_native_msgpack
from .channel import EVENT_LIMIT
from .link_host import LinkHost

if TYPE_CHECKING:
    from pyodide.ffi import JsBuffer


class GuestSession:
    """Answers the kernel's calls. `post` sends one event to the kernel."""

    def __init__(self, post: Callable[[bytes], None]) -> None:
        self.link = Link(Duplex.of_worker(limit=EVENT_LIMIT), post, self._handle)
        self._loop = asyncio.get_running_loop()

    def hear(self, data: bytes) -> None:
        """Take one event of the kernel."""
        self._loop.call_soon(self.link.receive, data)  # only in a callback of the loop may Python block (JSPI)

    def _handle(self, request: ServerRequest) -> Answer:
        if request.name == "run":
            return _answered(self._run(request))
        if request.name == "evaluate":
            return _answered(self._evaluate(request))
        raise Invalid(f"a guest cannot {request.name}")

    async def _run(self, request: ServerRequest) -> Values:
        def write(text: str) -> None:
            self.link.item(request.channel, text)

        call = RunCall(*request.args)
        done = await execute(call, None, give_filesystem(LinkHost(self.link, write), CONFINED), write)
        return [done.result, done.state, done.output, done.milliseconds, done.digest]

    async def _evaluate(self, request: ServerRequest) -> Values:
        expression, rows, bundles, seconds, principal, clock = request.args
        pairs = [(pointer, state) for pointer, state in rows]
        taken = Clock(*clock) if clock is not None else None
        call = EvaluateCall(expression, pairs, bundles, seconds, principal, taken)
        found = evaluate_rows(call)
        return [found.values, [[number, text] for number, text in found.errors.items()]]


async def _answered(work: Coroutine[object, None, Values]) -> Values:
    """Await a call and raise only errors that can be sent: the kernel waits for an answer."""
    try:
        return await work
    except EmergeError:
        raise
    except BaseException as error:  # SystemExit and a cancellation too
        raise ExecutionFailed(describe(error)) from None


_session: GuestSession | None = None


def start(post: Callable[[JsBuffer], None], recursion: int, restored: bool) -> None:
    """Start the guest. `post` takes a Uint8Array."""
    global _session
    from pyodide.ffi import to_js  # type: ignore[import-not-found,unused-ignore]  # there in a browser only

    import emerge_wasm

    log_to_console()
    if restored:
        random.seed()  # a snapshot repeats its random numbers
    sys.setrecursionlimit(recursion)
    _session = GuestSession(lambda data: post(to_js(data)))
    # `from emerge_wasm import fs` gives shipped code the same as its parameter `fs`
    given = give_filesystem(LinkHost(_session.link, lambda text: None), CONFINED)
    vars(emerge_wasm).update(fs=given["fs"](), afs=given["afs"]())
    asyncio.get_event_loop().call_soon(use_native_msgpack)


def hear(data: JsBuffer) -> None:
    """Take one event of the kernel, a Uint8Array."""
    assert _session is not None, "start comes first"
    _session.hear(data.to_bytes())
