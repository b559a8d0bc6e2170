"""Queue the events of runs from those that run to the one reader. Locks and queues, nothing of the store."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable

from ...operations import Wire

ROOM = 256
"""Events that wait for a slow reader; beyond that, `put` waits."""

JOINED = 8192
"""Characters up to which waiting pieces of output are joined to one event."""


class Feed:
    """A queue of the events of `runstream`, of which so many wait for a slow reader."""

    def __init__(self, room: int = ROOM) -> None:
        self._most = room
        self._events: deque[Wire] = deque()
        self._some = asyncio.Event()
        self._room = asyncio.Event()

    def write(self, path: str, text: str) -> None:
        """Queue printed text; this never waits, since each run's output has a limit."""
        last = self._events[-1] if self._events else {}
        if last.get("event") == "output" and last["path"] == path and len(last["text"]) < JOINED:
            last["text"] += text
        else:
            self._events.append({"event": "output", "path": path, "text": text})
        self._some.set()

    async def put(self, event: Wire) -> None:
        while len(self._events) >= self._most:
            self._room.clear()
            await self._room.wait()
        self._events.append(event)
        self._some.set()

    async def read(self, work: Callable[[Feed], Awaitable[None]]) -> AsyncGenerator[Wire, None]:
        """Do some work and yield its events; an error of the work is raised. Closing this cancels the work."""
        task = asyncio.ensure_future(work(self))
        task.add_done_callback(lambda _: self._some.set())
        try:
            while True:
                while self._events:
                    self._room.set()
                    yield self._events.popleft()
                if task.done():
                    break
                self._some.clear()
                await self._some.wait()
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def together(works: Iterable[Coroutine[object, object, None]]) -> None:
    """Run all works at once; when one fails, or this is cancelled, cancel the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
