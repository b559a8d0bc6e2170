"""Durable flows: a class whose `run` calls steps, each of which is done once and remembered.

Pure: what remembers the steps is a `Journal` (see `replay.py`), which a runner sets for the thread that it runs a
flow in. Without one, a step is a method as any.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar, cast, overload

from ..errors import ExecutionFailed, Invalid
from ..objects import EmergeFile

StepFunction = Callable[..., object]
F = TypeVar("F", bound=StepFunction)

READY, RUNNING, WAITING, DONE, FAILED, CANCELLED = "ready", "running", "waiting", "done", "failed", "cancelled"
ENDED = frozenset({DONE, FAILED, CANCELLED})


class StepFailed(ExecutionFailed):
    """A step failed as often as it may. `run` can catch it, and goes on the same way when it is run again."""


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How a step is done: see `step`."""

    retries: int = 3
    backoff: float = 1.0
    longest: float = 300.0
    timeout: int = 600
    transaction: bool = True

    def pause(self, attempts: int) -> float:
        """Return the seconds to wait after so many attempts."""
        return min(self.backoff * 2.0 ** min(attempts - 1, 60), self.longest)


class Journal(Protocol):
    """Remembers the steps of one flow while it runs."""

    flow: Flow

    def do(
        self, function: StepFunction, options: StepOptions, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> object:
        """Return the result of the next step, which is done now unless it was done before."""
        ...

    def wait_until(self, moment: datetime | timedelta) -> None:
        """Return when it is that moment, counted from when the flow first came here."""
        ...


JOURNAL: ContextVar[Journal | None] = ContextVar("emerge flow", default=None)


@dataclass(kw_only=True)
class Flow(EmergeFile):
    """A flow: derive from it, and write `run(self)`, which calls methods marked `@step`.

    `run` is run again from its beginning after each interruption; steps that were done give their recorded results. So
    between two steps it must depend on their results only, and change nothing: steps change the flow's fields, and
    other objects through their parameter `fs`.
    """

    status: str = READY
    result: object = None
    error: str = ""
    wake: str = ""
    """When it is to go on, if it waits: ISO 8601, UTC."""

    def run(self) -> object:
        """Do the flow's work, in steps."""
        raise NotImplementedError(f"{type(self).__name__} has no method run")

    def sleep(self, seconds: float) -> None:
        """Wait, through restarts of everybody, for so many seconds."""
        self._wait(timedelta(seconds=seconds))

    def sleep_until(self, moment: datetime) -> None:
        """Wait, through restarts of everybody, until a moment, which has a timezone."""
        if moment.utcoffset() is None:
            raise Invalid(f"{moment.isoformat()} does not say of which timezone it is", remedy="datetime.now(UTC)")
        self._wait(moment)

    def _wait(self, moment: datetime | timedelta) -> None:
        journal = JOURNAL.get()
        if journal is None or journal.flow is not self:
            raise Invalid("a flow sleeps only while it is run", remedy="start it: emerge_wasm.flows.start")
        journal.wait_until(moment)


@overload
def step(function: F, /) -> F: ...
@overload
def step(
    *,
    retries: int = 3,
    backoff: float = 1.0,
    longest: float = 300.0,
    timeout: int = 600,
    transaction: bool = True,
) -> Callable[[F], F]: ...
def step(
    function: F | None = None,
    /,
    *,
    retries: int = 3,
    backoff: float = 1.0,
    longest: float = 300.0,
    timeout: int = 600,
    transaction: bool = True,
) -> F | Callable[[F], F]:
    """Mark a method of a Flow as a step: `@step`, or `@step(retries=10)`.

    One that raises is done again after `backoff` seconds, then twice as many and so on up to `longest`, `retries`
    times; then it fails. A step is one transaction, of at most `timeout` seconds: what it changes through `fs` and in
    the flow itself, and that it was done, is committed at once. Its objects must be where the flow is. With
    `transaction=False` they may be anywhere in the cluster: each change is made by itself, once, under an id.
    """
    options = StepOptions(retries, backoff, longest, timeout, transaction)

    def mark(function: F) -> F:
        @functools.wraps(function)
        def call(self: Flow, *args: object, **kwargs: object) -> object:
            journal = JOURNAL.get()
            if journal is None or journal.flow is not self:
                return function(self, *args, **kwargs)
            return journal.do(function, options, args, kwargs)

        return cast(F, call)

    return mark if function is None else mark(function)
