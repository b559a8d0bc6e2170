"""Event loops for asynchronous methods in a confined worker, which can open neither an epoll nor sockets.

They use `poll` and one pair of sockets that was opened before confinement.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import warnings
from asyncio import tasks
from collections.abc import Coroutine
from typing import Any

_pair: list[socket.socket] = []


class ClosedInLoop(asyncio.SelectorEventLoop):
    """An event loop that wakes up through the process's one pair of sockets, and leaves it open when closed."""

    def __init__(self) -> None:
        super().__init__(selectors.PollSelector())

    def _make_self_pipe(self) -> None:
        this: Any = self  # overrides private parts of asyncio, the same in Python 3.8 to 3.14
        this._ssock, this._csock = _pair
        this._internal_fds = 1
        this._add_reader(this._ssock.fileno(), this._read_from_self)

    def _close_self_pipe(self) -> None:
        this: Any = self
        this._remove_reader(this._ssock.fileno())
        this._internal_fds = 0


class _Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return ClosedInLoop()


def install() -> set[int]:
    """Make `asyncio.run` use these loops in this process. Return the descriptors that they need."""
    if not hasattr(selectors, "PollSelector"):
        return set()
    vars(selectors)["DefaultSelector"] = selectors.PollSelector
    _pair[:] = socket.socketpair()
    for each in _pair:
        each.setblocking(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(_Policy())
    return {each.fileno() for each in _pair}


class Driver:
    """Runs one coroutine after another in the same loop."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine like `asyncio.run`, without the cost of a new loop."""
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            return self._runner.run(work)
        finally:
            self._end(self._runner.get_loop())

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        left = tasks.all_tasks(loop)
        if left:
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
