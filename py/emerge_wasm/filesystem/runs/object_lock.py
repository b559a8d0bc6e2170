"""Serialise the runs of each object, and detect runs that would deadlock.

A run inside a run of the same object (it calls `fs`, which runs another method of it) does not wait. Locks
and names, nothing else; works for one process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from ...errors import Conflict, LimitExceeded
from ..keyed_lock import KeyedLock

DEPTH = 16
"""Runs that may be nested."""


class ObjectLocks:
    """Locks of objects by uuid. `len` counts the objects that run or wait to run."""

    def __init__(self) -> None:
        self._locks = KeyedLock[str]()
        self._calls: dict[str, list[str]] = {}  # a running object -> those whose methods it called, and waits for

    def __len__(self) -> int:
        return len(self._locks)

    @property
    def is_idle(self) -> bool:
        """Whether no object runs and none waits for another."""
        return not (self._locks or self._calls)

    def take(self, uuid: str, runs: tuple[str, ...], path: str) -> AbstractAsyncContextManager[bool]:
        """Return a context that holds an object for one run nested in `runs`, and gives whether another run had it.

        Raises:
            LimitExceeded: DEPTH runs are nested already.
            Conflict: the run that has the object waits, directly or not, for one of `runs`.
        """
        if len(runs) >= DEPTH:
            raise LimitExceeded(
                f"{path}: {DEPTH} runs inside one another are as many as may be",
                path=path,
                remedy="does a method call itself without end?",
                limit="depth",
            )
        if uuid in runs:
            return nullcontext(False)
        return self._hold_inside(uuid, runs, path) if runs else self._locks.hold(uuid)

    @asynccontextmanager
    async def _hold_inside(self, uuid: str, runs: tuple[str, ...], path: str) -> AsyncIterator[bool]:
        """Hold an object for a run inside of others, which so wait for it."""
        self._check_circle(uuid, runs, path)
        self._calls.setdefault(runs[-1], []).append(uuid)
        try:
            async with self._locks.hold(uuid) as waited:
                yield waited
        finally:
            self._leave(runs[-1], uuid)

    def _leave(self, caller: str, uuid: str) -> None:
        self._calls[caller].remove(uuid)
        if not self._calls[caller]:
            del self._calls[caller]

    def _check_circle(self, uuid: str, runs: tuple[str, ...], path: str) -> None:
        seen: set[str] = set()
        ahead = [uuid]
        while ahead:
            each = ahead.pop()
            if each in runs:
                raise Conflict(f"{path} is running, and waits for what waits for it", path=path, remedy="try again")
            if each not in seen:
                seen.add(each)
                ahead += self._calls.get(each, ())
