"""A put or a fetch under way, as those see and steer it who started it: how far it is, pause, cancel."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from typing import ClassVar, Literal, TypeVar

from .. import sync
from ..errors import EmergeError

T = TypeVar("T")

OnProgress = Callable[[int], object]
"""Is told how many bytes are done, whenever there are more."""

RATE_SECONDS = 5.0
"""The time of which the rate is the mean."""

PAUSE_SECONDS = 0.05
"""Between two looks whether a paused transfer goes on."""


class Cancelled(EmergeError):
    """A transfer was cancelled by `Transfer.cancel`. What was done is kept: the same call goes on from there."""

    code: ClassVar[str] = "Cancelled"


class Transfer:
    """Give it as `progress` to `put` or `fetch`; then ask it, or pause and cancel it, from any thread or task.

    `tell` is told how many bytes are done. `done` and `total` (0: not known) are bytes, `resumed` those that were done
    before; `holders` has the bytes that came from each, or went to it.
    """

    def __init__(self, tell: OnProgress | None = None) -> None:
        self.done = self.total = self.resumed = 0
        self.holders: Counter[str] = Counter()
        self.state: Literal["waiting", "running", "paused", "cancelled", "failed", "done"] = "waiting"
        self.tell = tell
        self._marks: deque[tuple[float, int]] = deque()
        self._stop: Callable[[], object] | None = None

    # --- asked by who started it
    @property
    def rate(self) -> float:
        """Bytes per second of late."""
        if len(self._marks) < 2:
            return 0.0
        (begin, first), (end, last) = self._marks[0], self._marks[-1]
        return (last - first) / max(end - begin, 1e-3)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until it is done, at this rate; None: one cannot say."""
        return (self.total - self.done) / self.rate if self.rate and self.total else None

    def pause(self) -> None:
        """Send and ask for nothing more, until `resume`. What is under way comes yet."""
        if self.state in ("waiting", "running"):
            self.state = "paused"

    def resume(self) -> None:
        if self.state == "paused":
            self.state = "running"

    def cancel(self) -> None:
        """End it: the call raises Cancelled. What was done is kept, and the same call goes on from there."""
        if self.state in ("waiting", "running", "paused"):
            self.state = "cancelled"
            if self._stop is not None:
                self._stop()

    # --- told by who does it
    async def run(self, work: Callable[[], Coroutine[object, object, T]]) -> T:
        """Do the work, so that it can be cancelled."""
        self._check()
        self.state = "running" if self.state == "waiting" else self.state
        try:
            result = await (work() if sync.drive is sync.run_straight else self._in_task(work()))
        except BaseException:
            self.state = self.state if self.state == "cancelled" else "failed"
            raise
        self.state = "done"
        return result

    async def add(self, done: int, holders: Counter[str] | None = None) -> None:
        """So many bytes are done, and came from these; wait while it is paused."""
        self.done = done
        if holders is not None:
            self.holders = holders
        now = time.monotonic()
        self._marks.append((now, done))
        while self._marks[0][0] < now - RATE_SECONDS and len(self._marks) > 2:
            self._marks.popleft()
        if self.tell is not None:
            self.tell(done)
        while self.state == "paused":
            await asyncio.sleep(PAUSE_SECONDS)
            self._marks.clear()
            self._marks.append((time.monotonic(), done))
        self._check()

    async def _in_task(self, work: Coroutine[object, object, T]) -> T:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
        self._stop = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            await asyncio.wait([task])
        finally:
            self._stop = None
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
        if task.cancelled():
            self._check()
        return task.result()

    def _check(self) -> None:
        if self.state == "cancelled":
            raise Cancelled("it was cancelled", remedy="what was done is kept: the same call goes on from there")


TransferProgress = OnProgress | Transfer
"""What `put` and `fetch` tell how far they are."""


def transfer_of(progress: TransferProgress | None) -> Transfer:
    return progress if isinstance(progress, Transfer) else Transfer(progress)
