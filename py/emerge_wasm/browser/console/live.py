"""`live(f)` in cells: shows what a function gives, and again whenever the objects that it read change.

The page watches them, and asks for the next run.
"""

from __future__ import annotations

import inspect
import itertools
import secrets
from collections.abc import Awaitable, Callable

from ...errors import Invalid, NotFound
from ..protocol.event import LiveEvent
from ..protocol.view import TraceView
from .display import DisplayHandle, display, update_display
from .trace import Trace, traced

LiveFunction = Callable[[], object]


class LiveValue:
    """One function that is shown live, in the cell of this number."""

    def __init__(self, number: int, cell: int, function: LiveFunction) -> None:
        self.number = number
        self.cell = cell
        self._function = function
        self._handle = DisplayHandle(f"live-{secrets.token_hex(6)}")  # no display of an earlier Python has it
        self._shown = False

    def show(self, value: object) -> None:
        if self._shown:
            update_display(value, display_id=self._handle.display_id)
        else:
            display(value, display_id=self._handle.display_id)
        self._shown = True

    def call(self) -> object:
        """Call the function: its value, or what is to be awaited for it."""
        return self._function()


class LiveValues:
    """What is live in this kernel. `send` tells the page what to watch."""

    def __init__(self, send: Callable[[LiveEvent], object], cell: Callable[[], int]) -> None:
        self._send = send
        self._cell = cell
        self._numbers = itertools.count(1)
        self._known: dict[int, LiveValue] = {}

    def live(self, function: LiveFunction) -> Awaitable[None] | None:
        """Show what this function gives, now and whenever the objects that it reads change; `await live(…)` one that is
        awaited. It stops when its cell is run again, changed or removed, or Python is restarted."""
        if not callable(function):
            raise Invalid(
                "live takes a function", remedy="write live(lambda: …), or %live as the first line of the cell"
            )
        made = LiveValue(next(self._numbers), self._cell(), function)
        self._known[made.number] = made
        with traced() as trace:
            value = made.call()
        if inspect.isawaitable(value):
            return self._later(made, value, trace)
        made.show(value)
        self._tell(made, trace)
        return None

    async def _later(self, made: LiveValue, value: Awaitable[object], trace: Trace) -> None:
        with traced() as more:
            made.show(await value)
        trace.reads |= more.reads
        self._tell(made, trace)

    def _tell(self, made: LiveValue, trace: Trace) -> None:
        self._send({"event": "live", "cell": made.cell, "live": made.number, "trace": trace.view()})

    def find(self, number: int) -> LiveValue:
        """Return a live value by its number. Raises NotFound for one that Python does not know any more."""
        if number not in self._known:
            raise NotFound("this live value ended with its Python", remedy="run its cell again")
        return self._known[number]

    async def again(self, number: int) -> TraceView:
        """Show what a function gives now; what it read."""
        made = self.find(number)
        with traced() as trace:
            value = made.call()
            made.show(await value if inspect.isawaitable(value) else value)
        return trace.view()
