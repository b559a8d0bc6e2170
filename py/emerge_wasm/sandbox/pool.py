"""Where a node runs shipped code: a Runner (see `filesystem.runs.run`) over worker processes that are closed in.

Runs in the node's event loop and never imports shipped code there.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, Self

from ..codec import decode, encode
from ..errors import EmergeError, ExecutionFailed, Invalid, LimitExceeded, Unavailable
from ..filesystem.runner import EvaluateCall, EvaluateOutcome, Host, RunCall, RunOutcome
from ..filesystem.runs.inside.execute import Limits
from .call import Errand
from .deadline import GRACE
from .forkserver import Nursery
from .frame import LONGEST
from .host_session import Conversation
from .message import Done, Kind, Probed, Values
from .process import Process
from .setting import BASIC, LAYERS, Setting
from .worker.need import Needs
from .worker_pool import Keeping, Key, Staff, told

LIFE = 3600
"""Seconds of processor time after which the kernel ends a worker, whatever its node does."""
SLACK = 1 << 20  # bytes of a frame that are not result, state or output


class Pool:
    """`size` calls run at once, and those that they call; `waiting` more may queue.

    A call may have `memory` bytes and `processor` seconds of processor time (None: no more than its wall time allows);
    a state `state_limit` bytes. Shipped code may import what is in `preload` beside the standard library. `unsafe`:
    workers are processes of their own, but closed in by nothing. `layers` close them in: all of them, but for tests.
    """

    def __init__(
        self,
        size: int = 2,
        *,
        preload: tuple[str, ...] = (),
        unsafe: bool = False,
        limits: Limits | None = None,
        memory: int = 1 << 30,
        processor: float | None = None,
        state_limit: int = 64 << 20,
        waiting: int = 1024,
        keeping: Keeping | None = None,
        layers: tuple[str, ...] = LAYERS,
    ) -> None:
        self.size = size
        self.unsafe = unsafe
        self.limits = limits or Limits()
        self.memory = memory
        self.processor = processor
        self.waiting = waiting
        self.refusal = "" if unsafe else _no_sandbox()
        """Why nothing runs here; "" when it does."""
        setting = Setting(frozenset(BASIC if unsafe else layers), self.limits, memory, LIFE)
        frame_limit = self.limits.result + state_limit + 4 * self.limits.output + SLACK
        self.nursery = Nursery(setting, preload, frame_limit)
        self.staff = Staff(self.nursery, keeping or Keeping(), confined=not unsafe)
        self._turn = asyncio.Semaphore(size)
        self._last_turn = asyncio.Semaphore(size)  # of calls that call nothing, so that they end for certain
        self._queued = 0
        self._closed = False
        self._needs = Needs()

    @property
    def kind(self) -> str:
        """How code runs: "sandbox" or "unsafe"; "" when it does not, see `refusal`."""
        return "" if self.refusal else "unsafe" if self.unsafe else "sandbox"

    @property
    def hint(self) -> str:
        """What would make it run code, if anything does."""
        possible = not self.unsafe and sys.platform != "win32"
        return "start it with --unsafe-run where that does no harm, or " if possible else ""

    async def start(self) -> Self:
        """Start the zygote and look at a worker: one that is not closed in is a `refusal`. Unavailable when they do not
        come up."""
        if sys.platform == "win32":
            self.refusal = "processes cannot be forked on Windows: use Emerge in WSL"
        if not self.refusal:
            missing = await self.missing()
            if missing and not self.unsafe:
                self.refusal = f"its sandbox is not closed: {told(missing)}"
        return self

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End every worker; calls under way fail with Unavailable."""
        self._closed = True
        await self.staff.close()
        await self.nursery.close()

    # --- what a filesystem asks for
    async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
        """Run a call in a worker. Raises what `Runner.run` may raise; cancelling it ends the call."""
        self._check(call.bundles, call.path)
        errand = self._errand(call.title, call.path, call.timeout)
        first = [call.path, call.pointer, call.state]
        more = [call.method, call.args, call.kwargs, errand.wall, errand.processor]
        async with (
            self._place(call.path, self._last_turn if host is None else self._turn, nested=call.nested),
            self._worker((call.principal, str(call.pointer.get("bundle", ""))), errand) as process,
        ):
            request = _pack(Kind.RUN, process, first, call.bundles, more)
            talk = Conversation(process, host, self.limits.output)
            done = await errand.run(process, talk, request, Done)
        digest = sha256(done.result).hexdigest()
        return RunOutcome(_decode(done.result, call), done.state, talk.output, done.milliseconds, digest)

    async def evaluate(self, call: EvaluateCall) -> EvaluateOutcome:
        """An expression over rows. Raises what `Runner.run` may raise."""
        self._check(call.bundles, None)
        errand = self._errand("the expression", None, call.timeout)
        code = [call.expression, sorted(call.bundles)]  # other classes run elsewhere
        key = (call.principal, "expression " + sha256(encode(code)).hexdigest())
        first = [call.expression, [list(row) for row in call.rows]]
        async with self._place(None, self._last_turn), self._worker(key, errand) as process:
            request = _pack(Kind.EVALUATE, process, first, call.bundles, [errand.wall, errand.processor])
            done = await errand.run(process, Conversation(process, None, self.limits.output), request, Values)
        match decode(done.data):
            case [list() as values, list() as errors] if len(values) == len(call.rows) and _are_errors(errors):
                return EvaluateOutcome(values, dict(errors))
        raise ExecutionFailed("the expression: it answered something else")

    # --- what the probe asks for
    async def missing(self) -> dict[str, str]:
        """The layers that workers are not closed in by: why. Unavailable when there are none."""
        return dict((await self.staff.warm()).missing)

    async def probe(self, names: list[str], target: dict[str, Any], seconds: float) -> dict[str, list[str]]:
        """What these attacks (see `attack`) came to in a fresh worker: [what they got, what stopped them].
        ExecutionFailed when it dies of them, LimitExceeded when it does not end."""
        process = await self.staff.hire()
        try:
            request = encode([Kind.PROBE, names, target])
            errand = self._errand(", ".join(names), None, seconds)
            talk = Conversation(process, None, self.limits.output)
            return (await errand.run(process, talk, request, Probed)).outcomes
        finally:
            self.staff.dismiss(process)

    # --- how it is done
    def _check(self, bundles: dict[str, bytes], path: str | None) -> None:
        """Refuse what cannot run here: Unavailable saying why."""
        if self.refusal:
            raise Unavailable(
                f"this node runs no code: {self.refusal}",
                path=path,
                remedy=f"{self.hint}get the object and run its method there",
            )
        if not self.unsafe and self.nursery.packages:
            self._needs.check(bundles, self.nursery.packages, path)

    def _errand(self, what: str, path: str | None, wall: float) -> Errand:
        return Errand(what, path, wall, wall + GRACE if self.processor is None else self.processor)

    @asynccontextmanager
    async def _place(self, path: str | None, turn: asyncio.Semaphore, *, nested: bool = False) -> AsyncIterator[None]:
        """One of `size` places; a call that a running one waits for needs none, or they would wait for each other."""
        if nested:
            yield
            return
        if self._queued >= self.size + self.waiting:
            raise LimitExceeded(f"{self._queued} calls are waiting to run", path=path, limit="waiting calls")
        self._queued += 1
        try:
            async with turn:
                yield
        finally:
            self._queued -= 1

    @asynccontextmanager
    async def _worker(self, key: Key, errand: Errand) -> AsyncIterator[Process]:
        """A worker for this code of this principal; put away afterwards when it may have left something behind."""
        if self._closed:
            raise Unavailable("the sandbox is closed", path=errand.path)
        process = await self.staff.take(key)
        errand.peak = process.base  # until it hears of the call
        try:
            yield process
        except ExecutionFailed:
            if self._closed:
                raise Unavailable(f"{errand.what}: the sandbox was closed", path=errand.path) from None
            raise
        finally:
            self.staff.give_back(key, process, errand.peak)


def _pack(kind: int, process: Process, first: list[Any], bundles: dict[str, bytes], more: list[Any]) -> bytes:
    """A call without the bundles that this worker has seen already."""
    new = {name: data for name, data in bundles.items() if name not in process.known}
    data = encode([kind, *first, new, list(bundles), *more], limit=LONGEST)
    process.known.update(new)
    return data


def _decode(result: bytes, call: RunCall) -> Any:
    try:
        return decode(result)
    except EmergeError as error:
        raise Invalid(f"the result of {call.title} cannot be read: {error.message}", path=call.path) from None


def _are_errors(errors: list[Any]) -> bool:
    return all(isinstance(each, list) and len(each) == 2 and list(map(type, each)) == [int, str] for each in errors)


def _no_sandbox() -> str:
    names = {"linux": "", "darwin": "there is no sandbox on macOS"}
    return names.get(sys.platform, f"there is no sandbox on {sys.platform}")
