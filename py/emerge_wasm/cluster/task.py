"""The tasks of a cluster: started by name, logged when they die, and ended together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

log = logging.getLogger("emerge.cluster")

CLOSE = "close"
"""The name of tasks that close something: they are not cancelled, and may still be started in the end."""


class Tasks:
    """Tasks that run until they are done, or all are stopped."""

    def __init__(self) -> None:
        self.stopped = False
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        """Run something beside all else, from now on."""
        if self.stopped and name != CLOSE:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def runs(self, name: str) -> bool:
        """Tell whether a task of that name is under way."""
        return any(task.get_name() == name for task in self._running)

    async def stop(self) -> None:
        """Cancel what is under way, and start nothing more."""
        self.stopped = True
        for task in self._running:
            if task.get_name() != CLOSE:
                task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the cluster died: %s", task.get_name(), exc_info=error)
