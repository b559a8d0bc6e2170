"""Dask as an engine: `dask://host:port` is the address of a scheduler.

The client of Dask is used in this event loop. Futures do not outlive their scheduler, so what is not done when one is
lost is handed to the next one that answers at its address.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Collection, Sequence
from contextlib import aclosing, suppress

import distributed
from distributed.scheduler import KilledWorker

from ..clients.engine import LostWorker, WorkerFunction
from ..errors import Unavailable
from .worker_call import WorkOutcome, call_work, result_of

PATIENCE = 60.0
"""Seconds that a scheduler, or all its workers, may be away."""

CONNECT_SECONDS = 5.0
PAUSE = 0.2
LOST_TIMES = 1
"""Times that an item is handed to Dask anew when Dask gives it up because too many workers were lost with it."""

AWAY = (OSError, TimeoutError, asyncio.CancelledError)
"""What the client of Dask raises when its scheduler is gone; work itself raises nothing (see `call_work`)."""

_log = logging.getLogger("emerge.flows")


class DaskEngine:
    """The workers of a Dask cluster."""

    def __init__(self, address: str, patience: float = PATIENCE) -> None:
        self._address = "tcp://" + address.partition("://")[2]
        self._patience = patience

    async def width(self) -> int:
        client = await self._connect()
        try:
            threads: dict[str, int] = await client.nthreads()
            return max(1, sum(threads.values()))
        finally:
            await _close(client)

    async def each(self, work: WorkerFunction, items: Sequence[object]) -> AsyncGenerator[tuple[int, object], None]:
        left = dict.fromkeys(range(len(items)), LOST_TIMES)
        while left:
            client = await self._connect()
            try:
                async with aclosing(self._hand_out(client, work, items, list(left))) as results:
                    async for number, result in results:
                        if isinstance(result, LostWorker) and left[number]:
                            left[number] -= 1
                        else:
                            del left[number]
                            yield number, result
            finally:
                await _close(client)

    async def _hand_out(
        self, client: distributed.Client, work: WorkerFunction, items: Sequence[object], numbers: Collection[int]
    ) -> AsyncGenerator[tuple[int, object], None]:
        """Hand items to the scheduler, and yield what comes of them, until all are done or it is lost."""
        futures = [client.submit(call_work, work, items[number], pure=False) for number in numbers]
        waiting = [asyncio.ensure_future(_wait(number, each)) for number, each in zip(numbers, futures, strict=True)]
        try:
            for done in asyncio.as_completed(waiting):
                number, outcome = await done
                if isinstance(outcome, BaseException):
                    _log.warning("the scheduler at %s is lost: %r", self._address, outcome)
                    return
                yield number, outcome if isinstance(outcome, LostWorker) else result_of(outcome)
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            with suppress(*AWAY):
                await client.cancel(futures, force=True)

    async def _connect(self) -> distributed.Client:
        """Connect to the scheduler, once it answers and has a worker.

        Raises:
            Unavailable: that takes too long.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + self._patience
        why = "it has no worker"
        while True:
            try:
                client = await distributed.Client(
                    self._address, asynchronous=True, timeout=CONNECT_SECONDS, set_as_default=False
                )
            except OSError as error:
                why = str(error)
            else:
                with suppress(OSError, TimeoutError):
                    await client.wait_for_workers(1, timeout=max(until - clock(), PAUSE))
                    return client
                await _close(client)
            if clock() > until:
                raise Unavailable(
                    f"no Dask scheduler with a worker answers at {self._address}: {why}",
                    remedy="start it, or leave the engine out",
                )
            await asyncio.sleep(PAUSE)


async def _wait(number: int, future: Awaitable[WorkOutcome]) -> tuple[int, WorkOutcome | LostWorker | BaseException]:
    """Wait for one item; return its outcome, a LostWorker, or the error of a scheduler that is gone."""
    try:
        return number, await future
    except KilledWorker as error:
        return number, LostWorker(str(error))
    except distributed.client.FutureCancelledError as error:
        return number, error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return number, error
    except (OSError, TimeoutError) as error:
        return number, error


async def _close(client: distributed.Client) -> None:
    with suppress(*AWAY):
        await client.close(timeout=1)
