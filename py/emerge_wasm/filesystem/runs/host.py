"""Give a running method the filesystem with its caller's rights and a limited number of calls.

Uses the dispatch that it is given, so that on a node a method sees the whole cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from ...context import Context
from ...errors import EmergeError, ExecutionFailed, Invalid, LimitExceeded, PermissionDenied, Unavailable
from ...operations import Dispatch, Values, Wire, find_operation
from .capacity import Seat
from .inside.parts import Give

CALLS = 10_000
"""Calls of the filesystem that one run may make; a stream counts as one."""


AS_ME = (
    "if you trust the method with all that you may do: emerge call --as-me, fs.with_own_rights(), or As me in the page"
)
"""What to do where a run needs more rights."""


class Caller:
    """The Host of one run, on behalf of its caller; it ends with the run. `context` gives that of its calls."""

    def __init__(
        self,
        dispatch: Dispatch,
        context: Callable[[], Context],
        path: str,
        seat: Seat,
        tell: Callable[[str], None] | None = None,
        give: Give | None = None,
        limit: int = CALLS,
    ) -> None:
        self._dispatch = dispatch
        self._make_context = context
        self._context: Context | None = None  # most runs make no calls
        self._path = path
        self._seat = seat
        self._tell = tell
        self._give = give
        self._left = limit
        self._limit = limit
        self._limited: LimitExceeded | None = None  # the last limit that a call met
        self._under_way: dict[asyncio.Task[object], int] = {}
        self.denied = ""
        """What the last call that was not allowed was told."""
        self._over = False

    async def call(self, name: str, args: Values, context: Wire | None = None) -> Any:
        if find_operation(name).streams:
            raise Invalid(f"{name} gives a stream", path=self._path)
        async with self._noted():
            try:
                return await self._begin(name, args, context)
            except LimitExceeded as error:
                self._limited = error
                raise
            except PermissionDenied as error:
                self.denied = error.message
                raise

    async def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncGenerator[Any, None]:
        if not find_operation(name).streams:
            raise Invalid(f"{name} gives no stream", path=self._path)
        async with aclosing(self._begin(name, args, context)) as items:
            while True:
                async with self._noted():
                    try:
                        item = await anext(items)
                    except StopAsyncIteration:
                        return
                    except PermissionDenied as error:
                        self.denied = error.message
                        raise
                yield item

    def write(self, text: str) -> None:
        if self._tell is not None and not self._over:
            self._tell(text)

    async def give(self, part: bytes) -> None:
        if self._give is None:
            raise Invalid("nobody reads this object", path=self._path)
        async with self._noted():
            await self._give(part)

    def _begin(self, name: str, args: Values, wanted: Wire | None) -> Any:
        self._left -= 1
        if self._left < 0:
            self._limited = LimitExceeded(
                f"it called the filesystem more than {self._limit} times",
                path=self._path,
                remedy="read and store many objects at once: objects, storeall, search",
                limit="filesystem calls",
            )
            raise self._limited
        if self._context is None:
            self._context = self._make_context()
        return self._dispatch(name, args, self._context.narrowed(wanted))

    def _is_over(self) -> Unavailable:
        return Unavailable("the run that this filesystem was for is over", path=self._path)

    @asynccontextmanager
    async def _noted(self) -> AsyncIterator[None]:
        """Note the current task, so that `close` cancels it, and lend the seat of the run while it waits.

        A task may do so again within itself: a method that runs in this loop shares its caller's task.
        """
        if self._over:
            raise self._is_over()
        task = asyncio.current_task()
        assert task is not None
        self._under_way[task] = self._under_way.get(task, 0) + 1
        try:
            async with self._seat.lent():
                yield
        finally:
            self._under_way[task] -= 1
            if not self._under_way[task]:
                del self._under_way[task]

    # --- the end
    async def close(self) -> None:
        """Refuse later calls, cancel those under way, and wait until they have ended."""
        self._over = True
        tasks = [task for task in self._under_way if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def check(self) -> None:
        """Raise LimitExceeded for a run that made too many calls, even when its code caught the error."""
        if self._left < 0 and self._limited is not None:
            raise self._limited

    def meaning(self, error: EmergeError) -> EmergeError:
        """Return the limit error that caused a method's failure, or the failure itself."""
        if self._left < 0:
            self.check()
        limited = self._limited
        if limited is None or not isinstance(error, ExecutionFailed) or limited.message not in error.message:
            return error
        details = {**error.details, **limited.details}
        return LimitExceeded(limited.message, path=limited.path, remedy=limited.remedy, **details)


def explain_rights(error: EmergeError, context: Context, acting: Context, denied: str) -> EmergeError:
    """Add to a run's error whose rights it had, and how it gets more, if it failed for want of rights that its caller
    may have. `denied` is what it was told then."""
    if not (isinstance(error, ExecutionFailed) and denied and denied in error.message):
        return error
    if acting.superuser != context.superuser:
        had = f"the rights of {acting.principal or 'a guest'}, the object's owner"
    elif acting.owners != context.owners and not denied.startswith(f"{context.principal or 'a guest'} may not"):
        had = f"the rights that {context.principal or 'a guest'} and {acting.maker or 'a guest'}, its owner, both have"
    else:
        return error
    error.remedy = f"it ran with {had}; {AS_ME}" + (f"; {error.remedy}" if error.remedy else "")
    return error


def inside(context: Context, uuid: str) -> Context:
    """Return the context of what a run of this object calls: the caller's, with the run and its transaction added."""
    held = (*context.held, context.transaction) if context.transaction else context.held
    return replace(context, runs=(*context.runs, uuid), held=held, via="run", call_id="", call_note=b"")
