"""Which holders are away, and since when: what they have is made again elsewhere when they are for too long."""

from __future__ import annotations

import asyncio

from ..core import Core
from ..files.holders import holders_of
from ..files.kept import KeptBy
from .schedule import ScrubSchedule


class Absences:
    """What is known of the absences of the holders of one filesystem.

    After `patience` seconds one that is away is not counted on any more; one that has left the cluster is not at once.
    """

    def __init__(self, core: Core, patience: float = ScrubSchedule().rebuild_after) -> None:
        self.patience = patience
        self._core = core
        self._since: dict[str, float] = {}

    def note(self, kept: KeptBy) -> None:
        """Note who answered, and who did not."""
        now = asyncio.get_running_loop().time()
        for whom in kept.values():
            for holder, fault in whom.items():
                if fault == "away":
                    self._since.setdefault(holder, now)
                else:
                    self._since.pop(holder, None)

    def any(self) -> bool:
        """Tell whether somebody is away."""
        return bool(self._since)

    def are_over(self, holder: str) -> bool:
        """Tell whether a holder has been away for so long that it is not counted on."""
        if not holders_of(self._core).named(holder).rpc:  # it has left the cluster
            return True
        since = self._since.get(holder)
        return since is not None and asyncio.get_running_loop().time() - since >= self.patience
