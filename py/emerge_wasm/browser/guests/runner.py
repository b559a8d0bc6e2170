"""Where a call runs in a tab: code of the user's own here, that of others closed in; asked for before the first time.

The Runner of this browser's own filesystem, and of *Run here* on any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...clients.transports.host import give_filesystem
from ...filesystem.runner import EvaluateCall, EvaluateOutcome, Host, RunCall, RunOutcome
from ...filesystem.runs.inside.execute import Here
from .consent import CLOSED, HERE, Consent
from .pool import Closed

Mine = Callable[[dict[str, Any]], bool]
"""Whether the object with this pointer is the user's own."""


class TabRunner:
    """Code that is called by code of others is closed in too, whosever it is."""

    kind = "browser"

    def __init__(self, where: str, consent: Consent, closed: Closed, mine: Mine) -> None:
        self.size = closed.size
        self._where = where
        self._consent = consent
        self._closed = closed
        self._here = Here(given=give_filesystem)
        self._mine = mine

    def place(self, pointer: dict[str, Any], nested: bool = False) -> str:
        """Where the code of this object runs."""
        return HERE if self._mine(pointer) and not (nested and self._closed.busy) else CLOSED

    async def run(self, call: RunCall, host: Host | None = None) -> RunOutcome:
        place = self.place(call.pointer, call.nested)
        await self._consent.ask(call.pointer, call.bundles, place, self._where)
        return await (self._here if place == HERE else self._closed).run(call, host)

    async def evaluate(self, call: EvaluateCall) -> EvaluateOutcome:
        """An expression over objects of others is closed in with them."""
        foreign = self._closed.busy or not all(self._mine(pointer) for pointer, _ in call.rows)
        place = CLOSED if foreign else HERE
        about = next((pointer for pointer, _ in call.rows if pointer.get("bundle")), {})
        await self._consent.ask(about, call.bundles, place, self._where)
        return await (self._closed if foreign else self._here).evaluate(call)
