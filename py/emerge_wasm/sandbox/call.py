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
            deadline = Deadline(process, self.wall, self.processor)
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


class Deadline:
    """Context manager that kills a worker after `wall` seconds, or after `processor` seconds of processor time."""

    def __init__(self, process: WorkerProcess, wall: float, processor: float) -> None:
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._wall, self._processor = wall + GRACE, processor + GRACE
        self._late = self._loop.time() + self._wall
        self._soonest = (processor + GRACE) / _CORES  # seconds until it could have used its processor time on all cores

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
        self._timer: asyncio.Handle = self._loop.call_soon(self._start)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _start(self) -> None:
        """Look at the clock, which is dear, while the worker begins: the call was sent to it in the last turn."""
        self._used_up = self._process.processor_time() + self._processor
        self._wait()

    def _wait(self) -> None:
        self._timer = self._loop.call_at(min(self._late, self._loop.time() + self._soonest), self._check)

    def _check(self) -> None:
        left = self._used_up - self._process.processor_time()
        if self._loop.time() >= self._late:
            self._process.kill(_LATE)
        elif left <= 0:
            self._process.kill(_BUSY)
        else:
            self._soonest = max(left / _CORES, 0.05)
            self._wait()
