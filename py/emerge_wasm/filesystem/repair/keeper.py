"""Keep the raid levels of files in the background: what a holder had that is gone for too long is made again on others.

It looks when nodes come or go, when somebody has been away for as long as is waited for, when a block was missed by who
wanted to read it, and now and then. Only what lacks is made, at the rate of a scrub. What of copies too many cannot be
decided, or told to who has them, is tried again soon.
"""

from __future__ import annotations

import asyncio
import logging

from ...errors import EmergeError
from ..core import Core
from ..files.holders import MISSED, holders_of
from .absence import Absences
from .scrub import Pace, ScrubPass, check_levels
from .surplus import give_up_surplus, hand_back

log = logging.getLogger("emerge.filesystem")

LOOK_SECONDS = 5.0
"""Between looks who is here."""

EVERY_SECONDS = 600.0
"""Between looks at all blocks when nobody came or went: files that were moved here lie here whole until then."""


MISSED_SECONDS = 30.0
"""Between such looks because somebody missed a block."""


class LevelKeeper:
    """Keeps the levels of the files of one filesystem, if it has others around it and owns something."""

    def __init__(self, core: Core, pace: Pace) -> None:
        self.absences = Absences(core)
        self.look_seconds = LOOK_SECONDS
        self._core = core
        self._pace = pace
        self._here: frozenset[str] | None = None
        self._due = self._soonest = 0.0
        self._undecided: set[bytes] = set()
        self._again = self._pause = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self, rebuild_after: float) -> None:
        """Keep them from now on; what one has that is away is made again after so many seconds."""
        self.absences.patience = rebuild_after
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self.look_seconds)
            try:
                await self._look()
            except EmergeError as error:
                log.info("the raid levels of files are not looked after now: %s", error)
            except Exception:
                log.exception("the raid levels of files are not looked after now")

    async def _look(self) -> None:
        around, loop = holders_of(self._core), asyncio.get_running_loop()
        if around.alone() or not around.leads():
            return
        here, now = frozenset(each.filesystem for each in await around.others()), loop.time()
        missed = MISSED.of(self._core)
        if here != self._here or now >= self._due or (missed.is_set() and now >= self._soonest):
            missed.clear()
            self._soonest = now + MISSED_SECONDS
            self._undecided = await check_levels(self._core, ScrubPass(), self.absences, self._pace)
            self._here, self._pause = here, self.look_seconds
            self._due = loop.time() + (self.absences.patience if self.absences.any() else EVERY_SECONDS)
        elif now >= self._again:
            self._undecided = (await give_up_surplus(self._core, self._undecided)).undecided
            await hand_back(self._core)
            self._pause *= 2
        else:
            return
        self._again = loop.time() + self._pause
