"""A node's Runner (see `filesystem.runner`): runs shipped code in confined worker processes.

Runs in the node's event loop and never imports shipped code there.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from typing import Any, Self

from ..codec import decode, encode
from ..codec.msgpack_engine import engine
from ..context import queue_of
from ..errors import EmergeError, ExecutionFailed, Invalid, LimitExceeded, Unavailable
from ..filesystem.runner import EvaluateCall, EvaluateOutcome, Host, RunCall, RunOutcome
from ..filesystem.runs.capacity import Capacity, Seat
from ..filesystem.runs.inside.execute import RunLimits
from ..wire.event import SentArguments, Unopened
from .call import GRACE, DeadlineWatch, WorkerCall
from .forkserver import ForkServer
from .host_session import HostSession
from .interpreter import Interpreter, own_interpreter
from .package_check import PackageCheck
from .probe.target import AttackTarget
from .process import WorkerProcess
from .python_check import check_pythons
from .reply import read_probe, read_run, read_values
from .settings import BASIC, LAYERS, WorkerSettings
from .worker_pool import WorkerKey, WorkerLifetime, WorkerPool, describe_missing

LIFE = 3600
"""Seconds of processor time after which the kernel kills a worker, independently of its node."""
PREDICATE_WALL, PREDICATE_PROCESSOR = 10.0, 5.0
"""Seconds, of wall and of processor time, that an expression has for a page of objects (500 at most): on one it takes
milliseconds. What computes in C, such as `10**10**8`, can only be ended with its worker."""
SLACK = 1 << 20  # bytes of a frame beside result, state and output

_KNOWN = 10_000
"""Bundles that are remembered as fitting."""

_TWO, _TEN = b"\x92", b"\x9a"  # how arrays of two and of ten begin in msgpack


class Pool:
    """Runs up to `size` calls at once, not counting nested ones; `waiting` more of each principal may queue.

    A call may use `memory` bytes and `processor` seconds of processor time (None: bounded by its wall time); a state
    has at most `state_limit` bytes. Shipped code may import the packages of `preload` and the standard library's.
    `unsafe`: workers are separate processes without confinement. `layers` confine them; only tests leave some out.
    Code runs under `interpreter`, by default the node's own.
    """

    def __init__(
        self,
        size: int = 2,
        *,
        preload: tuple[str, ...] = (),
        unsafe: bool = False,
        limits: RunLimits | None = None,
        memory: int = 1 << 30,
        processor: float | None = None,
        state_limit: int = 64 << 20,
        waiting: int = 1024,
        lifetime: WorkerLifetime | None = None,
        layers: tuple[str, ...] = LAYERS,
        interpreter: Interpreter | None = None,
    ) -> None:
        self.size = size
        self.interpreter = interpreter or own_interpreter()
        self.unsafe = unsafe
        self.limits = limits or RunLimits()
        self.memory = memory
        self.processor = processor
        self.refusal = "" if unsafe else _no_sandbox()
        """Why no code runs here; "" if it does."""
        settings = WorkerSettings(frozenset(BASIC if unsafe else layers), self.limits, memory, LIFE)
        frame_limit = self.limits.result + state_limit + 4 * self.limits.output + SLACK
        self.forkserver = ForkServer(settings, preload, frame_limit, self.interpreter)
        self.workers = WorkerPool(self.forkserver, lifetime or WorkerLifetime(), confined=not unsafe)
        self._places = Capacity(waiting)
        self._last_places = Capacity(waiting)  # for calls that make no nested calls and so are certain to end
        self._watch = DeadlineWatch()
        self._fitting: set[str] = set()
        """Hashes of bundles that this Python and its packages can run."""
        self.closed = False
        self._packages = PackageCheck(self.interpreter)

    @property
    def kind(self) -> str:
        """How code runs: "sandbox" or "unsafe"; "" if it does not (see `refusal`)."""
        return "" if self.refusal else "unsafe" if self.unsafe else "sandbox"

    @property
    def packages(self) -> dict[str, str]:
        """The packages that code may import here beside the standard library, by module, with their versions."""
        return {name: version for name, version in self.forkserver.packages.items() if not name.startswith("_")}

    @property
    def hint(self) -> str:
        """What the operator can do to have code run here, if anything."""
        possible = not self.unsafe and sys.platform != "win32"
        return "start it with --unsafe-run where that does no harm, or " if possible else ""

    async def start(self) -> Self:
        """Start the zygote and check a worker's confinement; set `refusal` if a layer is missing.

        Raises:
            Unavailable: the zygote or the worker does not start.
        """
        if sys.platform == "win32":
            self.refusal = "processes cannot be forked on Windows: use Emerge in WSL"
        if not self.refusal:
            missing = await self.missing()
            if missing and not self.unsafe:
                self.refusal = f"its sandbox is not closed: {describe_missing(missing)}"
        return self

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End every worker; calls under way fail with Unavailable."""
        self.closed = True
        await self.workers.close()
        await self.forkserver.close()

    # --- the Runner
    async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
        """Run a call in a worker. Raises as `Runner.run` does; cancelling it ends the call."""
        self.check(call.bundles, call.path)
        work = self._call(call.title, call.path, call.timeout)
        session = HostSession(host, self.limits.output)
        if call.nested:
            return await self._run(call, work, session)
        async with self._place(call, self._last_places if host is None else self._places):
            return await self._run(call, work, session)

    async def _run(self, call: RunCall, work: WorkerCall, session: HostSession) -> RunOutcome:
        async with _WorkerLoan(self, (call.principal, str(call.pointer.get("bundle", ""))), work) as process:
            new = _unknown(process, call.bundles)
            done = await work.run(process, "run", sent_call(call, new, work), session, read_run)
            process.known.update(new)
        digest = sha256(done.result).hexdigest()
        return RunOutcome(_decode(done.result, call), done.state, session.output, done.milliseconds, digest)

    async def evaluate(self, call: EvaluateCall) -> EvaluateOutcome:
        """Evaluate an expression on rows, in PREDICATE_WALL and PREDICATE_PROCESSOR seconds at most. Raises as
        `Runner.run` does."""
        try:
            return await self._evaluate(call)
        except LimitExceeded as error:
            if error.details.get("limit") in ("wall time", "processor time"):
                error.remedy = error.remedy or "compute what is slow in a method, keep it in a field, and search that"
            raise

    async def _evaluate(self, call: EvaluateCall) -> EvaluateOutcome:
        self.check(call.bundles, None)
        work = self._call("the expression", None, min(call.timeout, PREDICATE_WALL))
        work.processor = min(work.processor, PREDICATE_PROCESSOR)
        session = HostSession(None, self.limits.output)
        code = [call.expression, sorted(call.bundles)]  # other classes need another worker
        key = (call.principal, "expression " + sha256(encode(code)).hexdigest())
        async with self._place(call, self._last_places), _WorkerLoan(self, key, work) as process:
            new = _unknown(process, call.bundles)
            rows = [list(row) for row in call.rows]
            args = [call.expression, rows, new, list(call.bundles), work.wall, work.processor]
            args.append(call.clock.wire() if call.clock is not None else None)
            values = decode(await work.run(process, "evaluate", args, session, read_values))
            process.known.update(new)
        match values:
            case [list() as values, list() as errors] if len(values) == len(call.rows) and _are_errors(errors):
                return EvaluateOutcome(values, dict(errors))
        raise ExecutionFailed("the expression: it answered something else")

    # --- for the probe
    async def missing(self) -> dict[str, str]:
        """Return the layers that workers lack, with reasons. Raises Unavailable when no worker starts."""
        return dict((await self.workers.warm()).missing)

    async def probe(self, names: list[str], target: AttackTarget, seconds: float) -> dict[str, tuple[str, str]]:
        """Make these attacks (see `probe/attacks.py`) in a fresh worker: return (what each got, what stopped it).

        Raises:
            ExecutionFailed: an attack ended the worker.
            LimitExceeded: an attack did not end in time.
        """
        process = await self.workers.hire()
        try:
            work = self._call(", ".join(names), None, seconds)
            return await work.run(process, "probe", [names, target], HostSession(None, self.limits.output), read_probe)
        finally:
            self.workers.dismiss(process)

    def check(self, bundles: dict[str, bytes], path: str | None) -> None:
        """Raise Unavailable, with the reason, for what cannot run here."""
        if self.refusal:
            raise Unavailable(
                f"this node runs no code: {self.refusal}",
                path=path,
                remedy=f"{self.hint}get the object and run its method there",
            )
        if bundles.keys() <= self._fitting:
            return
        check_pythons(bundles, path, self.interpreter.grammar)
        if self.unsafe or self.forkserver.packages:
            if not self.unsafe:
                self._packages.check(bundles, self.forkserver.packages, path)
            if len(self._fitting) > _KNOWN:
                self._fitting.clear()
            self._fitting.update(bundles)

    # --- internals
    def _call(self, what: str, path: str | None, wall: float) -> WorkerCall:
        return WorkerCall(what, path, wall, wall + GRACE if self.processor is None else self.processor, self._watch)

    def _place(self, call: RunCall | EvaluateCall, places: Capacity) -> Seat:
        """Return one of `size` places. A nested call needs none: it would deadlock with the call that waits for it."""
        return Seat(places, self.size, queue_of(call.principal))


class _WorkerLoan:
    """A worker for one call of this code and principal; dismissed afterwards if the call may have left traces in it."""

    __slots__ = ("_key", "_pool", "_process", "_work")

    def __init__(self, pool: Pool, key: WorkerKey, work: WorkerCall) -> None:
        self._pool = pool
        self._key = key
        self._work = work

    async def __aenter__(self) -> WorkerProcess:
        if self._pool.closed:
            raise Unavailable("the sandbox is closed", path=self._work.path)
        process = self._process = await self._pool.workers.take(self._key)
        self._work.peak = process.base  # until the worker reports on this call
        return process

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.workers.give_back(self._key, self._process, self._work.peak)
        if self._pool.closed and kind is not None and issubclass(kind, ExecutionFailed):
            raise Unavailable(f"{self._work.what}: the sandbox was closed", path=self._work.path) from None


def sent_call(call: RunCall, new: dict[str, bytes], work: WorkerCall) -> SentArguments:
    """Return the arguments of a worker's `run`; those of the method go on as they are encoded already, if they are."""
    known = [call.path, call.pointer, call.state, new, list(call.bundles), call.method, work.wall, work.processor]
    if call.encoded[:1] == _TWO:
        try:
            return Unopened(_TEN + engine.packb(known)[1:] + call.encoded[1:])
        except (OverflowError, TypeError, UnicodeEncodeError):  # the codec knows how
            pass
    return [*known, list(call.args), call.kwargs]


def _unknown(process: WorkerProcess, bundles: dict[str, bytes]) -> dict[str, bytes]:
    """Return the bundles that this worker has not been sent."""
    return {name: data for name, data in bundles.items() if name not in process.known}


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
