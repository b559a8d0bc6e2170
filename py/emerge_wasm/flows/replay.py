"""Run a flow from its beginning to where it ends, or has to wait. Each step is one commit, with the flow itself.

A flow at `/flows/x` is a directory: `flow` is the object, and `0001 pay`, `0002 sleep`… are its steps, as maps in plain
files. Two who run the same flow at once do no harm: each commit of one is a conflict for the other, who begins anew and
finds the step done. Steps run with the rights of whoever runs the flow.
"""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypedDict

from ..clients.sync import SyncClient
from ..errors import CannotShip, Conflict, EmergeError, Invalid, LimitExceeded, NotFound
from ..filesystem.runs.inside.method import fill_in
from ..objects import EmergeFile
from .flow import DONE, ENDED, FAILED, JOURNAL, RUNNING, WAITING, Flow, StepFailed, StepFunction, StepOptions

FLOW = "flow"
"""The name of the flow's object in its directory."""

CONFLICTS = 20
"""Times in a row that a step is done anew because others changed what it read; then that is a failure of the step."""

Now = Callable[[], datetime]


class StepState(TypedDict):
    """What is remembered of a step. Moments are ISO 8601, UTC; `wake`: when it is tried again, or a sleep ends."""

    step: str
    number: int
    status: str
    attempts: int
    result: object
    error: str
    traceback: str
    began: str
    ended: str
    wake: str


def utc_now() -> datetime:
    return datetime.now(UTC)


class _Leave(BaseException):
    """Leaves `run`, whose own `except Exception` does not concern it."""


class _Again(_Leave):
    """Begin from what is stored now: a step failed, or somebody else changed the flow."""


class _Overtaken(_Again):
    """Others changed what a step read."""


class _Wait(_Leave):
    """The flow goes on at a later moment."""


class _Broken(_Leave):
    """The filesystem failed, not the flow."""

    def __init__(self, error: EmergeError) -> None:
        super().__init__(error)
        self.error = error


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Have what is wrong with the object of a flow name the flow, as its user knows it."""
    try:
        yield
    except (NotFound, Invalid) as error:
        if error.path is None or not f"{path}/{FLOW}/".startswith(error.path.rstrip("/") + "/"):
            raise
        raise type(error)(f"there is no flow at {path}", path=path, remedy="see emerge flow list") from None


def replay(fs: SyncClient, path: str, now: Now = utc_now) -> Flow:
    """Run the flow in a directory on until it ends or waits; return it as it is stored then.

    Raises:
        NotFound: there is no flow.
        Invalid: it is no flow, or its `run` takes another way than before.
        Unavailable: the filesystem is out of reach; nothing is lost.
    """
    conflicts = 0
    while True:
        with naming(path):
            flow = fs.getobject(f"{path}/{FLOW}")
        if not isinstance(flow, Flow):
            raise Invalid(f"{path} is no flow", path=path, remedy="start one: emerge_wasm.flows.start")
        if flow.status in ENDED or (flow.wake and datetime.fromisoformat(flow.wake) > now()):
            return flow
        run = _Replay(fs, path, flow, now, last=conflicts >= CONFLICTS)
        token = JOURNAL.set(run)
        try:
            run.finish()
        except _Overtaken:
            time.sleep(random.uniform(0, 0.01 * 2 ** min(conflicts, 6)))
            conflicts += 1
        except _Broken as broken:
            raise broken.error from None
        except _Leave:
            conflicts = 0
        finally:
            JOURNAL.reset(token)


class _Replay:
    """One pass of a flow's `run`: the Journal of its steps. `last`: a conflict counts as a failure of the step."""

    def __init__(self, fs: SyncClient, path: str, flow: Flow, now: Now, *, last: bool) -> None:
        self.flow = flow
        self._fs = fs
        self._path = path
        self._now = now
        self._last = last
        self._number = 0
        self._inside = False
        self._over: list[StepState] = []  # sleeps that ended, to be stored with the next step
        self._steps = {data["number"]: data for data in steps_of(fs, path)}

    def finish(self) -> None:
        """Run to the end, and store what came of it."""
        flow = self.flow
        try:
            flow.result = flow.run()
            flow.status = DONE
        except Exception as error:
            flow.status = FAILED
            flow.error = _told(error)
        flow.wake = ""
        self._keep(None)

    # --- steps
    def do(
        self, function: StepFunction, options: StepOptions, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> object:
        if self._inside:  # a step that calls another one does it as a part of itself
            return function(self.flow, *args, **kwargs)
        entry = self._next(function.__name__)
        if entry["status"] == DONE:
            return entry["result"]
        if entry["status"] == FAILED:
            raise StepFailed(f"{function.__name__} failed: {entry['error']}", traceback=entry["traceback"])
        entry["attempts"] += 1
        try:
            return self._attempt(function, options, args, kwargs, entry)
        except _Raised as raised:
            self._fail(options, entry, raised.error)
        raise _Again

    def wait_until(self, moment: datetime | timedelta) -> None:
        if self._inside:
            raise Invalid("a step cannot sleep", remedy="sleep between two steps, or let the step fail and be retried")
        entry = self._next("sleep")
        if entry["status"] == RUNNING:
            wake = self._now() + moment if isinstance(moment, timedelta) else moment.astimezone(UTC)
            self._update({**entry, "status": WAITING, "wake": wake.isoformat()}, status=WAITING, wake=wake.isoformat())
            raise _Wait
        if datetime.fromisoformat(entry["wake"]) > self._now():
            raise _Wait
        if entry["status"] == WAITING:
            self._over.append({**entry, "status": DONE, "ended": self._now().isoformat()})

    def _next(self, name: str) -> StepState:
        """Return what is known of the next step."""
        self._number += 1
        entry = self._steps.get(self._number)
        if entry is None:
            began = self._now().isoformat()
            return StepState(
                step=name,
                number=self._number,
                status=RUNNING,
                attempts=0,
                result=None,
                error="",
                traceback="",
                began=began,
                ended="",
                wake="",
            )
        if entry["step"] == name:
            return {**entry}
        raise _Broken(
            Invalid(
                f"{self._path}: step {self._number} was {entry['step']} and is {name} now",
                path=self._path,
                remedy="let run() depend on what its steps return, and on nothing else",
            )
        )

    def _attempt(
        self,
        function: StepFunction,
        options: StepOptions,
        args: tuple[object, ...],
        kwargs: dict[str, object],
        entry: StepState,
    ) -> object:
        """Do a step, and remember it in the same commit.

        Raises:
            _Raised: it failed.
        """
        if not options.transaction:
            once = self._fs.numbered(f"{self.flow.uuid} {entry['number']}")
            result = self._call(function, once, args, kwargs)
            self._keep(self._done(entry, result))
            return result
        with self._commit(options.timeout) as tx:
            result = self._call(function, tx, args, kwargs)
            self._put(tx, self._done(entry, result))
        self._over.clear()
        return result

    def _call(
        self, function: StepFunction, fs: SyncClient, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> object:
        target = partial(function, self.flow)
        filled, named = fill_in(target, list(args), kwargs, {"fs": lambda: fs})
        self._inside = True
        try:
            return target(*filled, **named)
        except Exception as error:
            if isinstance(error, Conflict) and not self._last:
                raise _Overtaken from error
            raise _Raised(error) from error
        finally:
            self._inside = False

    def _done(self, entry: StepState, result: object) -> StepState:
        self.flow.status, self.flow.wake = RUNNING, ""
        return {**entry, "status": DONE, "result": result, "error": "", "ended": self._now().isoformat()}

    def _fail(self, options: StepOptions, entry: StepState, error: Exception) -> None:
        """Remember that a step failed, and when it is done again, if it is."""
        text = "".join(traceback.format_exception(error, limit=-20))
        entry = {**entry, "error": _told(error), "traceback": text}
        if entry["attempts"] > options.retries:
            self._update({**entry, "status": FAILED, "ended": self._now().isoformat()}, status=RUNNING, wake="")
            return
        wake = (self._now() + timedelta(seconds=options.pause(entry["attempts"]))).isoformat()
        self._update({**entry, "status": WAITING, "wake": wake}, status=WAITING, wake=wake)

    # --- commits
    def _keep(self, entry: StepState | None) -> None:
        """Commit the flow as it is here, with the record of a step."""
        with self._commit() as tx:
            self._put(tx, entry)
        self._over.clear()

    def _put(self, tx: SyncClient, entry: StepState | None) -> None:
        try:
            tx.storeall(self._file(each) for each in [*self._over, *([entry] if entry else [])])
            tx.store(self.flow)
        except (CannotShip, LimitExceeded) as error:
            if entry is not None:
                raise _Raised(error) from error
            self.flow.result, self.flow.status, self.flow.error = None, FAILED, str(error)
            tx.store(self.flow)

    def _update(self, entry: StepState, **changes: object) -> None:
        """Commit the record of a step, and these fields of the flow; others are as they were stored."""
        with self._commit() as tx:
            tx.store(self._file(entry))
            tx.update(f"{self._path}/{FLOW}", **changes)

    def _file(self, entry: StepState) -> EmergeFile:
        return EmergeFile(name=f"{entry['number']:04} {entry['step']}", path=self._path, data=entry)

    @contextmanager
    def _commit(self, seconds: int = 60) -> Iterator[SyncClient]:
        """A transaction on the condition that the flow is as it was read."""
        try:
            with self._fs.transaction(seconds=seconds) as tx:
                if tx.get(f"{self._path}/{FLOW}").version != self.flow.version:
                    raise _Again
                yield tx
        except Conflict as error:
            raise _Overtaken from error
        except EmergeError as error:
            raise _Broken(error) from error


class _Raised(_Leave):
    """A step raised an error of its own."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def _told(error: Exception) -> str:
    message = error.message if isinstance(error, EmergeError) else str(error)
    return f"{type(error).__name__}: {message}"


def steps_of(fs: SyncClient, path: str) -> list[StepState]:
    """Return what is remembered of a flow's steps, in their order."""
    found = [each.data for each in fs.objects(path) if each.name != FLOW]
    return sorted(found, key=lambda data: int(data["number"]))
