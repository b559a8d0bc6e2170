"""Warm workers, some of them spare: what a Filesystem gets as its runner.

Runs in the node's event loop and never imports shipped code there.
"""

from __future__ import annotations

import asyncio
from typing import Any, Self

from ..codec import decode, encode
from ..errors import EmergeError, ExecutionFailed, Invalid, LimitExceeded, Unavailable
from ..filesystem.execute import Encoded, Limits
from ..filesystem.run import RunCall, RunOutcome
from .frame import BadFrame
from .process import Gone, Process

GRACE = 0.25  # seconds between the alarm inside a worker and its being killed
LATE = "it did not end in time"
SLACK = 1 << 20  # bytes of a frame that are not result, state or output


class Pool:
    """`size` calls run at once, `spare` more workers stand ready for when one has to be replaced.

    `memory` bytes of address space each; a state may have `state_limit` bytes; `waiting` calls may queue.
    """

    def __init__(
        self,
        size: int = 2,
        *,
        spare: int = 1,
        memory: int = 2 << 30,
        limits: Limits | None = None,
        state_limit: int = 64 << 20,
        waiting: int = 1024,
    ) -> None:
        self.size = size
        self.target = size + spare
        self.memory = memory
        self.limits = limits or Limits()
        self.state_limit = state_limit
        self.waiting = waiting
        self._turn = asyncio.Semaphore(size)
        self._queued = 0
        self._idle: list[Process] = []
        self._live: set[Process] = set()
        self._starting: set[asyncio.Future[Any]] = set()
        self._ending: set[asyncio.Future[Any]] = set()
        self._closed = False
        self._fault: Unavailable | None = None

    async def start(self) -> Self:
        """Start every worker and wait until they are warm. Unavailable when they do not come up."""
        self._refill()
        await asyncio.gather(*self._starting)
        if self._fault:
            raise self._fault
        return self

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End every worker; calls under way fail with Unavailable."""
        self._closed = True
        for process in list(self._live):
            process.kill("the pool was closed")
        for task in list(self._starting):
            task.cancel()
        self._refill()  # puts away the idle ones; those at work are put away by their calls
        await asyncio.gather(*(process.close() for process in list(self._live)))
        while self._starting or self._ending:
            await asyncio.wait(self._starting | self._ending)

    async def run(self, call: RunCall) -> RunOutcome:
        """Run a call in a worker. Raises what the RunCall's runner may raise; cancelling it ends the call."""
        if self._queued >= self.size + self.waiting:
            raise LimitExceeded(f"{self._queued} calls are waiting to run", path=call.path, limit="waiting calls")
        self._queued += 1
        try:
            async with self._turn:
                answer = await self._run_in(await self._take(call), call)
        finally:
            self._queued -= 1
        if isinstance(answer, EmergeError):
            raise answer
        return RunOutcome(self._decode(answer, call), answer.state, answer.output, answer.milliseconds)

    def _decode(self, answer: Encoded, call: RunCall) -> Any:
        try:
            return decode(answer.result)
        except EmergeError as error:
            raise Invalid(f"the result of {call.method} cannot be read: {error.message}", path=call.path) from None

    async def _run_in(self, process: Process, call: RunCall) -> Encoded | EmergeError:
        answer: Encoded | EmergeError | None = None
        deadline = asyncio.get_running_loop().call_later(call.timeout + GRACE, process.kill, LATE)
        try:
            answer = await process.ask(_pack(process, call))
        except BadFrame as fault:
            process.kill(str(fault))
            raise await _death(process, call) from None
        except Gone:
            raise await _death(process, call) from None
        except EmergeError as error:  # the call could not be packed: the worker has not heard of it
            answer = error
        finally:
            deadline.cancel()
            self._give_back(process, keep=answer is not None and not isinstance(answer, LimitExceeded))
        return answer

    async def _take(self, call: RunCall) -> Process:
        """An idle worker, if possible one that has the call's class loaded."""
        self._refill()
        while not (self._idle or self._closed) and self._starting:
            await asyncio.wait(self._starting, return_when=asyncio.FIRST_COMPLETED)
        if self._closed:
            raise Unavailable("the sandbox is closed", path=call.path)
        if not self._idle:
            raise self._fault or Unavailable("no sandbox worker is there", path=call.path)
        wanted = call.pointer.get("bundle")
        at = next((i for i, process in enumerate(self._idle) if wanted in process.known), len(self._idle) - 1)
        return self._idle.pop(at)

    def _give_back(self, process: Process, *, keep: bool) -> None:
        if keep and process.alive and not self._closed:
            self._idle.append(process)
        else:
            self._discard(process)
            self._refill()

    def _discard(self, process: Process) -> None:
        process.kill()
        self._live.discard(process)
        _keep(asyncio.ensure_future(process.close()), self._ending)

    def _refill(self) -> None:
        for process in [process for process in self._idle if not process.alive]:
            self._idle.remove(process)
            self._discard(process)
        while not self._closed and len(self._live) + len(self._starting) < self.target:
            _keep(asyncio.ensure_future(self._start_one()), self._starting)

    async def _start_one(self) -> None:
        limit = self.limits.result + self.state_limit + 4 * self.limits.output + SLACK
        try:
            process = await Process.start(self.limits, self.memory, limit)
        except Unavailable as error:
            self._fault = error
            return
        self._fault = None
        self._live.add(process)
        self._idle.append(process)


def _keep(task: asyncio.Future[Any], tasks: set[asyncio.Future[Any]]) -> None:
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def _pack(process: Process, call: RunCall) -> bytes:
    """The call without the bundles that this worker has seen already."""
    new = {name: data for name, data in call.bundles.items() if name not in process.known}
    hashes = list(call.bundles)
    fields = [call.path, call.pointer, call.state, new, hashes, call.method, call.args, call.kwargs, call.timeout]
    data: bytes = encode(fields)
    process.known.update(new)
    return data


async def _death(process: Process, call: RunCall) -> EmergeError:
    """The error to tell when a worker ended in the middle of a call."""
    how = await process.epitaph()
    if how == LATE:
        message = f"{call.method}: it took longer than {call.timeout:g} s"
        return LimitExceeded(message, path=call.path, limit="wall time", output="", traceback="")
    return ExecutionFailed(
        f"{call.method}: its process died: {how}",
        path=call.path,
        remedy="other calls are not affected",
        output="",
        traceback="",
    )
