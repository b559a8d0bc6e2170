"""Collect blocks in the background, some time after states were removed."""

from __future__ import annotations

import asyncio
import logging

from ...errors import EmergeError
from .blocks import Blocks
from .collector import collect

PAUSE = 60.0
"""Seconds from the first of some removals to the collection."""

_log = logging.getLogger("emerge.filesystem")


class Collection:
    """Collects the blocks of one filesystem when it is woken, `pause` seconds later."""

    def __init__(self, blocks: Blocks, pause: float = PAUSE) -> None:
        self.pause = pause
        self._blocks = blocks
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Collect after the pause, as there may be something."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.pause, self._begin)

    def _begin(self) -> None:
        self._timer = None
        if self._task is not None and not self._task.done():
            self.wake()
        else:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            await collect(self._blocks)
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
