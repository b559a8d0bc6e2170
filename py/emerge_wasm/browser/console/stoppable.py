"""Code that can be stopped between two of its steps, where nothing of it runs that an interrupt could reach."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import TypeVar

T = TypeVar("T")


@coroutine
def stoppable(work: Coroutine[object, None, T], stopped: Callable[[], bool]) -> Generator[object, None, T]:
    """Await work; before each of its steps, KeyboardInterrupt is raised where it waits if `stopped()`."""
    raised: BaseException | None = None
    while True:
        if stopped():
            raised = KeyboardInterrupt()
        try:
            waited = work.send(None) if raised is None else work.throw(raised)
        except StopIteration as done:
            result: T = done.value
            return result
        raised = None
        try:
            yield waited
        except BaseException as error:  # a cancellation: it is the work's
            raised = error
