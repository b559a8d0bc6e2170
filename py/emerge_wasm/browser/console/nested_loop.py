"""Waits for a coroutine inside a running cell, in an event loop of its own that blocks until an event arrives.

The page's event loop stands still meanwhile. `wait` blocks for the link to the page's kernel, so such a loop gets on
with everything that waits for that kernel, for time, or for nothing; it never ends for what waits for JavaScript.
Runs on CPython too, where it is tested. Imports no js.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from ...sync import AsyncWork

T = TypeVar("T")

Wait = Callable[[float | None], list[bytes]]
"""Blocks until events arrive, at most so many seconds (None: for ever), and returns them. Raises KeyboardInterrupt."""


class _Selector:
    """What asyncio's loop blocks on."""

    def __init__(self, wait: Wait) -> None:
        self.select = wait


class NestedLoop(asyncio.BaseEventLoop):
    """An event loop whose input are a link's events; `hear` takes each."""

    def __init__(self, wait: Wait, hear: Callable[[bytes], object]) -> None:
        super().__init__()
        self._selector = _Selector(wait)
        self._hear = hear

    def _process_events(self, events: list[bytes]) -> None:
        for payload in events:
            self._hear(payload)

    def _write_to_self(self) -> None:
        """Do nothing: there is no other thread to wake it from."""


class NestedLoops:
    """Waits for coroutines, also from within one: `wait` and `hear` as above. One loop for each depth, kept, so that
    what a stream or a file began in one wait goes on in the next."""

    def __init__(self, wait: Wait, hear: Callable[[bytes], object]) -> None:
        self._make: Callable[[], NestedLoop] = lambda: NestedLoop(wait, hear)
        self._loops: list[NestedLoop] = []
        self._depth = 0

    @property
    def blocked(self) -> bool:
        """Whether the running code waits here."""
        return self._depth > 0

    def drive(self, work: AsyncWork[T]) -> T:
        """Wait for a coroutine. KeyboardInterrupt (Stop) cancels it."""
        if self._depth == len(self._loops):
            self._loops.append(self._make())
        loop = self._loops[self._depth]
        self._depth += 1
        try:
            with _stepped_aside():
                return _run(loop, work)
        finally:
            self._depth -= 1

    def close(self) -> None:
        """Close the loops, in which nothing may wait."""
        for loop in self._loops:
            loop.close()


def _run(loop: NestedLoop, work: AsyncWork[T]) -> T:
    task = loop.create_task(work)
    try:
        return loop.run_until_complete(task)
    except KeyboardInterrupt:
        if not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                loop.run_until_complete(task)
        raise


@contextmanager
def _stepped_aside() -> Iterator[None]:
    """Let another loop run in this thread, in place of the running one and of its running task."""
    outer = asyncio._get_running_loop()
    if outer is None:
        yield
        return
    task = asyncio.current_task(outer)
    if task is not None:
        asyncio.tasks._leave_task(outer, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
        if task is not None:
            asyncio.tasks._enter_task(outer, task)
