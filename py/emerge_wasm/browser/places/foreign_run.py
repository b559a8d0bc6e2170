"""The Host of a run in this browser whose object lives elsewhere: it has the limits of a run there and its rights,
which are those that the user and the owner of the object both have."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from ...context import Context
from ...errors import Invalid, LimitExceeded, Unavailable
from ...filesystem.runs.host import CALLS
from ...operations import Values, Wire, find_operation
from ...results import PointerRow
from .attempt import ATTEMPT, Attempt, attempt
from .place import TabPlace


class PlaceHost:
    """Makes a run's calls to a place, until the run is over. `pointer` is the object's; `as_me`: with all that the user
    may do."""

    def __init__(
        self, place: TabPlace, path: str, pointer: PointerRow, write: Callable[[str], None], *, as_me: bool = False
    ) -> None:
        self._place = place
        whole = as_me or place.is_mine({**pointer})
        self._owners = [] if whole else [[pointer["owner"], pointer["group"]]]
        self._path = path
        self._write = write
        self._left = CALLS
        made = ATTEMPT.get()  # whichever task makes its calls; apart from what the deed itself stores
        self._made = made and Attempt(f"{made.id} inside", made.again)
        self._over = False

    async def call(self, name: str, args: Values, context: Wire | None = None) -> Any:
        self._check(name, streams=False, context=context)
        context = self._bounded(context)
        with attempt(self._made):
            return await self._place.call(name, args, context)

    async def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncGenerator[Any, None]:
        self._check(name, streams=True, context=context)
        context = self._bounded(context)
        async with aclosing(self._place.stream(name, args, context)) as items:
            async for item in items:
                yield item

    def write(self, text: str) -> None:
        if not self._over:
            self._write(text)

    def close(self) -> None:
        """Refuse all later calls."""
        self._over = True

    def _bounded(self, context: Wire | None) -> Wire | None:
        """What a call asks for, with who must be allowed it, too."""
        asked = context or {}
        return {**asked, "owners": [*self._owners, *asked.get("owners", [])]} if self._owners else context

    def _check(self, name: str, *, streams: bool, context: Wire | None) -> None:
        if self._over:
            raise Unavailable("the run that this filesystem was for is over", path=self._path)
        if find_operation(name).streams is not streams:
            raise Invalid(f"{name} gives {'no' if streams else 'a'} stream", path=self._path)
        Context().narrowed(context)  # refuses a context with other rights
        self._left -= 1
        if self._left < 0:
            raise LimitExceeded(
                f"it called the filesystem more than {CALLS} times", path=self._path, limit="filesystem calls"
            )
