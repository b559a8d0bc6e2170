"""Run a coroutine that never suspends, without an event loop. Imports nothing."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


def run_straight(work: Coroutine[object, None, T]) -> T:
    """Run a coroutine that never suspends. Raises RuntimeError when it does."""
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    work.close()
    raise RuntimeError("it waits for something else than the filesystem: use afs, and await it")
