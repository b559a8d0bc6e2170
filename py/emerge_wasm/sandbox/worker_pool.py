"""Assigns workers to calls, and decides how long each is kept.

A worker that ran code for a principal never runs code for another, nor other code for the same one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from ..errors import Unavailable
from .forkserver import ForkServer
from .process import WorkerProcess

AHEAD = 64
"""Calls before a worker's last one at which its successor is started: a run waits 10 ms for one, and for longer where
much is to do."""

log = logging.getLogger("emerge.sandbox")

WorkerKey = tuple[str, str]
"""(principal, hash of the bundle or expression that runs)"""


@dataclass(frozen=True, slots=True)
class WorkerLifetime:
    """When a worker is replaced: after `calls` calls, or when it has grown by `growth` bytes. At most `idle` workers
    wait for more calls of the same code, for `seconds`."""

    calls: int = 10_000
    growth: int = 64 << 20
    idle: int = 16
    seconds: float = 60.0


class WorkerPool:
    """The busy and idle workers of a pool."""

    def __init__(self, forkserver: ForkServer, lifetime: WorkerLifetime, *, confined: bool) -> None:
        self._forkserver = forkserver
        self._lifetime = lifetime
        self._confined = confined
        self._idle: list[tuple[WorkerKey, WorkerProcess]] = []  # longest idle first
        self._fresh: WorkerProcess | None = None
        self._live: set[WorkerProcess] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._preparing: asyncio.Task[None] | None = None

    @property
    def processes(self) -> frozenset[WorkerProcess]:
        """All worker processes."""
        return frozenset(self._live)

    async def warm(self) -> WorkerProcess:
        """Keep one unused worker ready. Raises Unavailable when none starts."""
        if self._fresh is None or not self._fresh.alive:
            self._fresh = await self.hire()
        return self._fresh

    async def hire(self) -> WorkerProcess:
        """Start a new worker, without checking its confinement. Raises Unavailable when that fails."""
        process = await self._forkserver.fork()
        self._live.add(process)
        return process

    async def take(self, key: WorkerKey) -> WorkerProcess:
        """Take a worker that has run this code for this principal, or else an unused one."""
        for at in range(len(self._idle) - 1, -1, -1):
            if self._idle[at][0] == key:
                process = self._idle.pop(at)[1]
                if process.alive:
                    return process
                self.dismiss(process)
        fresh, self._fresh = self._fresh, None
        if fresh is not None:
            if fresh.alive:
                return fresh
            self.dismiss(fresh)
        process = await self.hire()
        if self._confined and process.missing:
            self.dismiss(process)
            raise Unavailable(f"the sandbox is not closed: {describe_missing(process.missing)}")
        return process

    def give_back(self, key: WorkerKey, process: WorkerProcess, peak: int) -> None:
        """Return a worker after a successful call; `peak` is its reported peak memory (negative: it must end)."""
        process.calls += 1
        process.used = time.monotonic()
        worn = process.calls >= self._lifetime.calls or peak - process.base > self._lifetime.growth
        old = process.spent > self._forkserver.settings.life / 2
        if peak < 0 or worn or old or not process.alive:
            self.dismiss(process)
            return
        if process.calls == self._lifetime.calls - AHEAD:
            self._prepare()
        self._idle.append((key, process))
        while len(self._idle) > self._lifetime.idle:
            self.dismiss(self._idle.pop(0)[1])
        if self._sweeping is None:
            self._sweep_later()

    def _prepare(self) -> None:
        """Start a worker that will be taken soon, unless one is ready."""
        if self._fresh is None and (self._preparing is None or self._preparing.done()):
            self._preparing = asyncio.get_running_loop().create_task(self._start_fresh())

    async def _start_fresh(self) -> None:
        try:
            process = await self.hire()
        except Unavailable as error:  # whoever needs it will start one, and be told
            log.debug("no worker is started ahead: %s", error)
            return
        if self._fresh is not None or (self._confined and process.missing):
            self.dismiss(process)
        else:
            self._fresh = process

    def dismiss(self, process: WorkerProcess) -> None:
        """End a worker."""
        process.kill()
        self._live.discard(process)

    def _sweep_later(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(self._lifetime.seconds / 2, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        oldest = time.monotonic() - self._lifetime.seconds
        while self._idle and self._idle[0][1].used < oldest:
            self.dismiss(self._idle.pop(0)[1])
        if self._idle:
            self._sweep_later()

    async def close(self) -> None:
        """End all workers and wait until they are gone."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.wait([self._preparing])
        processes = list(self._live)
        for process in processes:
            process.kill("the pool was closed")
        await asyncio.gather(*(process.gone() for process in processes))
        self._live.clear()
        self._idle.clear()
        self._fresh = None


def describe_missing(missing: dict[str, str]) -> str:
    """Format missing layers and their reasons as text."""
    return ", ".join(f"{name} ({why})" for name, why in sorted(missing.items()))
