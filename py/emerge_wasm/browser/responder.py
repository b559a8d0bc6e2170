"""Answers the page's requests one by one, each in a task, and sends events: what both kernels of a tab do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Literal, NoReturn, TypeVar

from ..errors import Invalid
from .console.cell import cell_of
from .failure import failure_of, is_stop
from .places.attempt import Attempt, attempt
from .places.place import BY_PAGE
from .protocol.argument import Deed
from .protocol.event import KernelReply, PageEvent

LOG = logging.getLogger("emerge.browser")

T = TypeVar("T")
TabWork = Coroutine[object, None, T]
PageHandler = Callable[[Any, Any], Awaitable[object]]
"""Answers one kind of request: (the kernel that it is of, the request's TypedDict in `protocol`)."""
SendMessage = Callable[[KernelReply | PageEvent], object]
"""Takes a reply or an event, a map of JSON data."""


class Responder:
    """Requests under way, each answered by the handler of its kind."""

    def __init__(self, send: SendMessage, handlers: Mapping[str, PageHandler]) -> None:
        self.send = send
        self.handlers = handlers
        self._tasks: set[asyncio.Future[object]] = set()

    def listen(self) -> None:
        """Report what background tasks raise."""
        asyncio.get_event_loop().set_exception_handler(self._report)

    def submit(self, id: int, kind: str, args: object, deed: Deed | None = None) -> None:
        """Take a request; its reply is sent later."""
        self.spawn(self._answer(id, kind, args, deed))

    async def _answer(self, id: int, kind: str, args: object, deed: Deed | None) -> None:
        reply: KernelReply
        by_cell = kind in ("cell", "relive")
        BY_PAGE.set(not by_cell)
        try:
            handler = self.handlers.get(kind)
            if handler is None:
                raise Invalid(f"the page asked for {kind!r}, which this kernel does not know", remedy="reload the page")
            with attempt(deed and Attempt(deed["id"], deed["again"])):
                reply = {"id": id, "result": await handler(self, args)}
        except BaseException as error:  # SystemExit and Stop too: the page must get an answer
            reply = {"id": id, "failure": failure_of(error, traced=by_cell)}
        self.before_reply()
        self.send(reply)

    def before_reply(self) -> None:
        """Send what belongs before the reply to a request."""

    def spawn(self, work: TabWork[object]) -> None:
        """Run work in the background; the event loop reports its errors."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def state(self, state: Literal["ready", "busy", "idle"]) -> None:
        """Tell the page what this kernel does."""
        self.send({"event": "kernel", "state": state, "detail": ""})

    def _report(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Send the page the error of a task that was never awaited."""
        error = context.get("exception")
        if error is not None and is_stop(error):
            return
        cell = cell_of(error) if error is not None else 0
        if cell == 0:
            LOG.error("in the background: %s", context.get("message"), exc_info=error)
        if error is not None:
            self.send({"event": "failure", "cell": cell, "failure": failure_of(error, traced=True)})


async def guarded(work: TabWork[T]) -> Callable[[], T]:
    """Run work and return a function that returns its result or raises its error.

    A KeyboardInterrupt that left a task would end the event loop.
    """
    try:
        result = await work
    except BaseException as error:
        return partial(_throw, error)
    return lambda: result


def _throw(error: BaseException) -> NoReturn:
    raise error
