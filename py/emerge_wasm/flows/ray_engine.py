"""Ray as an engine: `ray://auto` is the cluster of this machine (`ray start`), `ray://host:6379` that of a head node.

A worker that is lost is Ray's to replace: it does the task again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import cast

import ray
from ray import exceptions

from ..clients.engine import LostWorker, WorkerFunction
from ..errors import Unavailable
from .worker_call import WorkOutcome, call_work, result_of

RETRIES = 2
"""Times that Ray does a task again whose worker was lost."""


class RayEngine:
    """The workers of a Ray cluster, to which this process belongs from then on."""

    def __init__(self, address: str) -> None:
        self._address = address.partition("://")[2]

    async def width(self) -> int:
        await self._connect()
        return max(1, int(ray.cluster_resources().get("CPU", 1)))

    async def each(self, work: WorkerFunction, items: Sequence[object]) -> AsyncGenerator[tuple[int, object], None]:
        await self._connect()
        remote = ray.remote(max_retries=RETRIES)(call_work)
        references = [remote.remote(work, item) for item in items]
        waiting = [asyncio.ensure_future(_wait(*each)) for each in enumerate(references)]
        try:
            for done in asyncio.as_completed(waiting):
                number, outcome = await done
                yield number, outcome if isinstance(outcome, LostWorker) else result_of(outcome)
        finally:
            for task, reference in zip(waiting, references, strict=True):
                if not task.done():
                    ray.cancel(reference)
                    task.cancel()

    async def _connect(self) -> None:
        """Join the cluster.

        Raises:
            Unavailable: none answers.
        """
        if ray.is_initialized():
            return
        try:
            await asyncio.to_thread(ray.init, address=self._address, log_to_driver=False, configure_logging=False)
        except ConnectionError as error:
            raise Unavailable(
                f"no Ray cluster answers at {self._address}: {error}", remedy="start one: ray start --head"
            ) from None


async def _wait(number: int, reference: ray.ObjectRef) -> tuple[int, WorkOutcome | LostWorker]:
    try:
        return number, cast(WorkOutcome, await reference)
    except exceptions.WorkerCrashedError as error:
        return number, LostWorker(str(error))
    except exceptions.RayError as error:
        raise Unavailable(f"Ray failed: {error}", remedy="see its logs, and do it again") from None
