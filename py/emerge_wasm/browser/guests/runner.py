"""Chooses where a call runs in a tab: the user's own code in the tab, other users' code in a guest worker.

Asks for consent before the first run. The Runner of this browser's own filesystem, and of *Run here* on any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...clients.transports.host import give_filesystem
from ...clients.trust import CONFINED
from ...filesystem.runner import EvaluateCall, EvaluateOutcome, Host, RunCall, RunOutcome
from ...filesystem.runs.inside.here import Here
from ..cells import CellsKernel
from ..protocol.option import PlaceName
from .consent import CLOSED, HERE, CodePlace, Consent
from .pool import GuestPool

Owns = Callable[[Mapping[str, object]], bool]
"""Returns whether the object with this pointer is the user's own."""


class TabRunner:
    """Runs code in the tab or in a guest worker. Code called by other users' code always runs in a guest worker."""

    kind = "browser"
    size = 0
    """No bound: the guests have their own. Of those in the cells, which lie over each other while they wait, only the
    last one can go on: it must not wait for a place that another has."""

    def __init__(
        self,
        where: PlaceName,
        consent: Consent,
        guests: GuestPool,
        owns: Owns,
        cells: Callable[[], CellsKernel | None] = lambda: None,
    ) -> None:
        """`cells` gives the tab's second kernel, in which the user's own code runs unless it computes; None: here."""
        self._cells = cells
        self._where: PlaceName = where
        self._consent = consent
        self._guests = guests
        self._here = Here(given=lambda host: give_filesystem(host, CONFINED))  # what runs in the tab was asked for
        self._owns = owns

    def place(self, pointer: Mapping[str, object], nested: bool = False) -> CodePlace:
        """Return where the code of this object runs."""
        return HERE if self._owns(pointer) and not (nested and self._guests.busy) else CLOSED

    async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
        place = self.place(call.pointer, call.nested)
        if place == HERE and (cells := self._cells()) is not None:
            if cells.free:
                return await cells.run(call, host, self._where)
            place = CLOSED
        await self._consent.ask(call.pointer, call.bundles, place, self._where)
        return await (self._here if place == HERE else self._guests).run(call, host)

    async def evaluate(self, call: EvaluateCall) -> EvaluateOutcome:
        """Evaluate an expression; over other users' objects it runs in a guest worker."""
        foreign = self._guests.busy or not all(self._owns(pointer) for pointer, _ in call.rows)
        about: Mapping[str, object] = next((pointer for pointer, _ in call.rows if pointer.get("bundle")), {})
        if not foreign and (cells := self._cells()) is not None:
            if cells.free:
                return await cells.evaluate(call, self._where)
            foreign = True
        await self._consent.ask(about, call.bundles, CLOSED if foreign else HERE, self._where)
        return await (self._guests if foreign else self._here).evaluate(call)
