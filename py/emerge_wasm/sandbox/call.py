"""Runs one call in a worker within its limits. Shipped code can reach the worker's alarm, but not the clocks here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import EmergeError, ExecutionFailed, LimitExceeded
from ..wire.event import SentArguments
from .frame import BadFrame
from .host_session import HostSession
from .process import WorkerGone, WorkerProcess

GRACE = 0.25
"""Seconds from the alarm inside a worker, which reports where the code was, to the kill."""
RENEWED = 0.1
"""Seconds after which limits are worth to be counted anew."""

LOOK = 0.05
"""Seconds until a call is first looked at from outside, at most; and between two looks, at least."""

_LATE, _BUSY = "it did not end in time", "it worked for too long"
_CORES = os.cpu_count() or 1

R = TypeVar("R")


@dataclass(slots=True)
class WorkerCall:
    """Run one call in a worker process within its limits.

    `what` names it in messages; `wall` and `processor` are seconds. Afterwards `peak` is the worker's reported peak
    memory in bytes, or -1 if the call may have left something behind and the worker must end.
    """

    what: str
    path: str | None
    wall: float
    processor: float
    watch: DeadlineWatch
    peak: int = 0

    async def run(
        self,
        process: WorkerProcess,
        name: str,
        args: SentArguments,
        session: HostSession,
        read: Callable[[object], R],
    ) -> R:
        """Run the call and return its answer, parsed by `read` (which raises BadFrame if it is malformed).

        Raises:
            LimitExceeded: the call took too long or printed too much.
            ExecutionFailed: the process died, or violated the protocol and was killed; other calls are unaffected.
            EmergeError: any other error that the call ended with.
        """
        self.peak = -1
        try:
            deadline = Deadline(self.watch, process, self.wall, self.processor)
            with deadline:
                session.renew = deadline.renew
                answer = read(await process.call(name, args, session))
        except LimitExceeded as error:
            raise self._named(error, session) from None
        except BadFrame as fault:
            process.kill(str(fault))
        except WorkerGone:
            pass
        except EmergeError:
            self.peak = session.peak
            raise
        else:
            self.peak = session.peak
            return answer
        raise await self._death(process, session, deadline)

    def _named(self, error: LimitExceeded, session: HostSession) -> LimitExceeded:
        if self.what not in error.message:
            error.message = f"{self.what}: {error.message}"
        error.path = error.path or self.path
        error.details.setdefault("output", session.output)
        return error

    async def _death(self, process: WorkerProcess, session: HostSession, deadline: Deadline) -> EmergeError:
        """Return the error for a worker that ended during a call. One that ends when its time is over met that limit,
        whatever it did about it."""
        late = deadline.is_over()
        how = await process.epitaph()
        if late and not process.fault:
            how = _LATE
        details = {"output": session.output, "traceback": ""}
        if how == _LATE:
            message = f"{self.what}: it took longer than {self.wall:g} s"
            return LimitExceeded(message, path=self.path, limit="wall time", **details)
        if how == _BUSY:
            message = f"{self.what}: it used more than {self.processor:g} s of processor time"
            return LimitExceeded(message, path=self.path, limit="processor time", **details)
        return ExecutionFailed(
            f"{self.what}: its process died: {how}", path=self.path, remedy="other calls are not affected", **details
        )


class DeadlineWatch:
    """Kills the workers of calls whose time is over. Most calls end before the first look at them."""

    def __init__(self) -> None:
        self._deadlines: dict[Deadline, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0  # when the timer rings

    def add(self, deadline: Deadline, now: float) -> None:
        """Look at a deadline until it is removed, the first time within LOOK seconds."""
        self._deadlines[deadline] = None
        if self._timer is None or self._next > now + LOOK:
            self._wait(LOOK)

    def remove(self, deadline: Deadline) -> None:
        del self._deadlines[deadline]

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._next = loop.time() + seconds
        self._timer = loop.call_at(self._next, self._look)

    def _look(self) -> None:
        self._timer = None
        left = [deadline.check() for deadline in list(self._deadlines)]
        if left:
            self._wait(min(left))


class Deadline:
    """Context manager that kills a worker after `wall` seconds, or after `processor` seconds of processor time.

    The latter are counted from the first look of the `watch`: a look at the clock of a process is dear.
    """

    def __init__(self, watch: DeadlineWatch, process: WorkerProcess, wall: float, processor: float) -> None:
        self._watch = watch
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._wall, self._processor = wall + GRACE, processor + GRACE
        self._late = 0.0
        self._used_up: float | None = None

    def _begin(self) -> None:
        self._late = self._loop.time() + self._wall
        self._used_up = self._process.processor_time() + self._processor

    def is_over(self) -> bool:
        """Tell whether the time has passed after which the worker interrupts the call itself."""
        return self._loop.time() >= self._late - GRACE

    def renew(self) -> None:
        """Count from now on, as far as some time has passed: to look at a clock of the process is dear."""
        if self._loop.time() > self._late - self._wall + RENEWED:
            self._begin()

    def __enter__(self) -> Deadline:
        now = self._loop.time()
        self._late = now + self._wall
        self._watch.add(self, now)
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.remove(self)

    def check(self) -> float:
        """Kill the worker if its time is over. Return the seconds until it could be."""
        used, now = self._process.processor_time(), self._loop.time()
        if self._used_up is None:
            self._used_up = used + self._processor
        left = self._used_up - used
        if now >= self._late:
            self._process.kill(_LATE)
        elif left <= 0:
            self._process.kill(_BUSY)
        return min(max(left / _CORES, LOOK), max(self._late - now, LOOK / 10))
