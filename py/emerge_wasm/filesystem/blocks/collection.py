"""Collect blocks in the background: some time after states were removed or blocks were put, and when claims end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ...errors import EmergeError
from .blocks import CLAIM_SECONDS, Blocks, now_micros
from .collector import collect

PAUSE = 60.0
"""Seconds from the first of some changes to the collection."""

AFTER = 10.0
"""Seconds from the end of a claim to the collection, at most."""

_log = logging.getLogger("emerge.filesystem")


async def _nothing_more() -> None:
    """All of it is here."""


class Collection:
    """Collects the blocks of one filesystem when it is woken, `pause` seconds later."""

    def __init__(self, blocks: Blocks, pause: float = PAUSE) -> None:
        self.pause = pause
        self.after: Callable[[], Awaitable[None]] = _nothing_more
        """Awaited after each collection, for what is kept elsewhere."""
        self._blocks = blocks
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # kept here, as a browser's timers do not say when they are due
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Collect after the pause, as there may be something."""
        self._wake(self.pause)

    def _wake(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = loop.call_later(seconds, self._begin)

    def _begin(self) -> None:
        self._timer = None
        if self._task is not None and not self._task.done():
            self.wake()
        else:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            done = await collect(self._blocks)
            await self.after()
            if done.holding:
                ends = (done.until - now_micros()) / 1_000_000
                self._wake(min(max(ends, 0), CLAIM_SECONDS) + min(self.pause, AFTER))
        except EmergeError as error:  # nothing was removed that is kept; there is a next time
            _log.warning("blocks are not collected: %s", error)
            self.wake()

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
