"""Run one method of one object in its turn, and store what it changed with its receipt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from ...codec import encode
from ...context import asker, payer
from ...errors import Conflict, EmergeError, Invalid, LimitExceeded, NotFound, Unavailable
from ...operations import Context
from ...results import PointerRow, RunReceipt, RunResult
from ...store import Batch
from ..change import Change
from ..commit import commit_batch
from ..core import Core, Part
from ..execution import EXECUTION
from ..layout.record import Entry
from ..objects.write import save_run
from ..quota import USAGE
from ..runner import KEEP, READ, RunCall, Runner, RunOutcome
from ..transactions.call_record import CALL_LOCKS, Call, Recorded, prune
from ..tree.find import Found, find
from .at_hand import AT_HAND
from .capacity import Capacity, Seat
from .host import Caller, explain_rights, inside
from .inside.parts import Give
from .object_lock import ObjectLocks
from .receipt import make_receipt, write_receipt

OBJECT_LOCKS = Part(ObjectLocks)
CAPACITY = Part(Capacity)

_NO_ARGUMENTS = encode([[], {}])

_UNTOLD = cast("RunReceipt", {})
"""In place of a receipt that nobody wants to see."""

ATTEMPTS = 5
"""Times that a method is run, each on the newest version, when others change the same fields meanwhile."""


@dataclass(slots=True)
class RunRequest:
    """A method call to run. `operation` is that of the version it makes; a `query` keeps its results. `give` takes what
    is read of the object in parts. `encoded` is [args, kwargs] as the codec writes it. `receipt`: who asks
    wants to see it."""

    method: str
    args: list[object]
    kwargs: dict[str, object]
    encoded: bytes
    operation: str = "run"
    give: Give | None = None
    receipt: bool = True

    @property
    def call(self) -> str:
        """The method as a RunCall names it."""
        if self.give is not None:
            return READ + self.method
        return KEEP + self.method if self.operation == "query" else self.method


def make_request(
    path: str, method: str, args: list[object], kwargs: dict[str, object], operation: str = "run"
) -> RunRequest:
    """Make the request of a method call; raise NotFound for what is no method's name."""
    if not method.isidentifier():
        raise NotFound(f"no method is called {method[:80]!r}", path=path, remedy="see methods(path)")
    return RunRequest(method, args, kwargs, encode([args, kwargs]) if args or kwargs else _NO_ARGUMENTS, operation)


def runner_of(core: Core, path: str) -> Runner:
    runner = EXECUTION.of(core).runner
    if runner is None:
        raise Unavailable("this filesystem runs no code", path=path, remedy="get the object and run its method there")
    return runner


def seat_of(core: Core, context: Context, runner: Runner) -> Seat:
    """Return the seat of a run, which its caller pays for.

    Raises:
        LimitExceeded: their methods have run for as long as they may in this minute.
    """
    usage = USAGE.of(core)
    usage.check_running(context)
    ran = partial(usage.ran, context)
    return Seat(CAPACITY.of(core), runner.size, payer(context), len(context.runs), ran)


async def invoke_once(
    core: Core, context: Context, path: str, ask: RunRequest, tell: Callable[[str], None] | None = None
) -> RunResult:
    """Run a method, once if the call has an id: a run of that id is waited for, and answered by what is recorded of it.

    The record is in the commit of the receipt. What the method changes through `fs` is not part of that, other than in
    a call of `run` with an id, which is a transaction; so others see it while the method runs.

    Raises:
        LimitExceeded: it was run before, and its result was too large to be recorded.
    """
    if not context.call_id:
        return await invoke(core, context, path, ask, tell)
    call = Call.of(context, "runstream", f"{path} {ask.method}")
    async with CALL_LOCKS.of(core).hold(call.digest):
        known = await call.read(core)
        if known is None:
            try:
                return await invoke(core, replace(context, call_id="", call_note=b""), path, ask, tell, call=call)
            except Conflict:
                known = await call.read(core)  # another process of this store may have been first
                if known is None:
                    raise
    await core.acknowledge(core.position)
    return _recorded(path, ask, known)


def _recorded(path: str, ask: RunRequest, known: Recorded) -> RunResult:
    done = cast("RunResult", known.result)
    if "result" not in done:
        raise LimitExceeded(
            f"{ask.method} of {path} was run, and its result was too large to be kept for who asks again",
            path=path,
            remedy=f"see its receipt {done['receipt']['id']}: receipts(path)",
            limit="recorded result",
        )
    return done


async def _record(core: Core, context: Context, batch: Batch, call: Call, done: RunResult) -> None:
    """Add the record of a run's call to the batch that has its receipt."""
    if await call.read(core) is not None:
        raise Conflict(f"the call {call.id!r} was made by another process meanwhile", remedy="ask for it again")
    if not context.transaction:
        await prune(core, batch, call.digest)
    try:
        call.put(core, batch, done)
    except LimitExceeded:
        call.put(core, batch, {"pointer": done["pointer"], "receipt": done["receipt"]})


async def invoke(
    core: Core,
    context: Context,
    path: str,
    ask: RunRequest,
    tell: Callable[[str], None] | None = None,
    found: Found | None = None,
    call: Call | None = None,
) -> RunResult:
    """Run a method of the object at a path, and store what it changed.

    `tell` is called with what it prints. `found` is the object, if the caller has already found it. `call` is recorded
    with it.
    """
    if found is None:
        found = await find(core, context, path, "x")
        runner_of(core, path)
    if found.entry.is_directory:
        raise Invalid(f"{found.path} is a directory", path=found.path, remedy="name an object in it")
    async with OBJECT_LOCKS.of(core).take(found.uuid.hex(), context.runs, found.path) as waited:
        for left in reversed(range(ATTEMPTS)):
            if waited or left < ATTEMPTS - 1:
                found = await _find_again(core, context, path, found)
            try:
                return await _attempt(core, context, found, ask, tell, call)
            except Conflict as error:
                if not left or ask.give is not None or not _may_repeat(error, found):
                    raise
    raise AssertionError  # the last attempt returned or raised


async def _find_again(core: Core, context: Context, path: str, before: Found) -> Found:
    found = await find(core, context, path, "x")
    if found.uuid != before.uuid:
        raise Conflict(f"{path} is another object now", path=path, remedy="run it again, if it is the one you mean")
    return found


def _may_repeat(error: Conflict, found: Found) -> bool:
    """Whether the error is of a save whose object has a newer version, from which the run can begin again."""
    return error.path == found.path and isinstance(error.details.get("theirs"), bytes) and "fields" in error.details


async def _attempt(
    core: Core,
    context: Context,
    found: Found,
    ask: RunRequest,
    tell: Callable[[str], None] | None,
    call: Call | None,
) -> RunResult:
    entry = found.entry
    acting = context.of_run(
        entry.owner, entry.group, entry.owner != context.principal and core.is_superuser(entry.owner)
    )
    outcome = await _run(core, context, acting, found, ask, tell)
    date = core.dates.clock()
    make = partial(make_receipt, core, context, acting, entry, ask.method, ask.encoded, outcome, date)
    if not ask.receipt and outcome.state is None and call is None:
        await write_receipt(core, context, make)
        return RunResult(
            result=outcome.result,
            output=outcome.output,
            milliseconds=outcome.milliseconds,
            pointer=None,
            receipt=_UNTOLD,
        )
    receipt = make()

    def done(pointer: PointerRow | None) -> RunResult:
        return {
            "result": outcome.result,
            "output": outcome.output,
            "milliseconds": outcome.milliseconds,
            "pointer": pointer,
            "receipt": receipt.made(0 if pointer is None else pointer["version"]),
        }

    async def add(change: Change, made: Entry) -> None:
        receipt.put(change, made.version)
        await receipt.prune(core, context, change)
        if call is not None:
            await _record(core, context, change, call, done(made.wire(found.directory, core.node)))

    if outcome.state is not None:
        names = found.place.names
        return done(await save_run(core, context, names, entry, outcome.state, ask.operation, add))
    if call is None:
        await write_receipt(core, context, lambda: receipt)
    else:
        batch = Batch()
        receipt.put(batch, 0)
        await _record(core, context, batch, call, done(None))
        await commit_batch(core, batch)
    return done(None)


async def _run(
    core: Core,
    context: Context,
    acting: Context,
    found: Found,
    ask: RunRequest,
    tell: Callable[[str], None] | None,
) -> RunOutcome:
    """Run a method, which calls the filesystem with the rights of `acting`."""
    entry, path = found.entry, found.path
    execution = EXECUTION.of(core)
    state, bundles = await AT_HAND.of(core).load(core, found)
    call = RunCall(
        path,
        entry.wire(found.directory, core.node),
        state,
        bundles,
        ask.call,
        list(ask.args),
        dict(ask.kwargs),
        execution.timeout,
        asker(acting),
        True,
        ask.encoded,
    )
    assert core.dispatch is not None
    runner = runner_of(core, path)
    seat = seat_of(core, context, runner)
    host = Caller(core.dispatch, partial(inside, acting, entry.uuid.hex()), path, seat, tell, ask.give)
    try:
        outcome = await execution.run(runner, call, host, acting, seat)
    except EmergeError as error:
        raise explain_rights(host.meaning(error), context, acting, host.denied) from None
    finally:
        await host.close()
    host.check()
    return outcome
