"""Scrub the blocks of a filesystem in the background, at a bounded rate, now and then. How far it is, is stored."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from ...context import Context
from ...errors import Conflict, EmergeError
from ...results import ScrubInfo, ScrubReport, ScrubSummary
from ...store import Batch
from ..blocks.blocks import now_micros
from ..blocks.row import SCRUB, key_of
from ..core import Core, Part
from ..layout.record import date_of
from ..tree.find import find
from .schedule import ScrubSchedule
from .scrub import ScrubPass, pack_passes, run_pass, unpack_passes
from .surplus import GIVEN_UP

log = logging.getLogger("emerge.filesystem")

SAVE_SECONDS = 10.0
FIRST_SECONDS = 600.0
"""From the opening of a store that was never scrubbed to its first pass."""

RETRY_SECONDS = 60.0
TAKEOVER_SECONDS = 300.0
"""After which one who scrubs the same store, and has saved nothing, is taken for dead."""

LEAST = 4096
"""Bytes that a block counts as at least: small ones cost a read, too."""

_DAY = 86_400 * 1_000_000


class Scrubber:
    """Scrubs one filesystem: by its schedule, if it has one, and when it is asked to."""

    def __init__(self, core: Core) -> None:
        self.schedule: ScrubSchedule | None = None
        self._core = core
        self._own = core.node
        self._row: bytes | None = None
        self._now: ScrubPass | None = None
        self.last: ScrubPass | None = None
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._debt = 0.0
        self._saved = 0.0
        self._opened = 0.0
        SCRUBBER.set(core, self)

    def start(self, schedule: ScrubSchedule | None) -> None:
        """Scrub by a schedule from now on; by none when it has no rate."""
        self._opened = asyncio.get_running_loop().time()
        self.schedule = schedule if schedule is not None and schedule.rate > 0 else None
        if self.schedule is not None:
            self._begin()

    def ask(self) -> None:
        """Begin a pass at once, unless one is under way."""
        self._asked.set()
        self._begin()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def report(self) -> ScrubReport:
        await self._load()
        schedule = self.schedule or ScrubSchedule(days=0.0)
        return {
            "rate": schedule.rate,
            "days": schedule.days,
            "now": None if self._now is None else _info(self._now),
            "last": None if self.last is None else _info(self.last),
            "given_up": GIVEN_UP.of(self._core)["copies"],
        }

    # --- in the background
    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self.schedule is not None or self._asked.is_set():
            wait = RETRY_SECONDS
            try:
                if self._asked.is_set() or (wait := await self._due()) <= 0:
                    self._asked.clear()
                    await self._pass()
                    continue
            except Conflict:
                log.info("another node scrubs these blocks")
            except EmergeError as error:
                log.warning("blocks are not scrubbed now: %s", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._asked.wait()

    async def _due(self) -> float:
        """Return in how many seconds there is something to do."""
        await self._load()
        if self._now is not None:
            return 0.0
        if self.last is None or self.schedule is None:
            return self._opened + FIRST_SECONDS - asyncio.get_running_loop().time()
        return (self.last.begun + self.schedule.days * _DAY - now_micros()) / 1_000_000

    async def _pass(self) -> None:
        """Run a pass, or go on with the one that was interrupted.

        Raises:
            Conflict: another node does.
        """
        by, at = await self._load()
        if self._now is not None and by != self._own and now_micros() - at < TAKEOVER_SECONDS * 1_000_000:
            raise Conflict("another node scrubs this store", remedy="see what it reports")
        done = self._now = self._now or ScrubPass(begun=now_micros())
        await self._save()
        await run_pass(self._core, done, self.pace, self._save_sometimes)
        done.ended = now_micros()
        self._now, self.last = None, done
        await self._save()
        log.log(
            logging.ERROR if done.losses else logging.INFO,
            "all %d blocks are scrubbed (%d bytes): %d made again, %d lost, %d not read",
            *(done.blocks, done.size, done.mended, done.losses, done.unread),
        )

    async def pace(self, size: int) -> None:
        """Wait as long as reading so many bytes is to take."""
        self._debt += max(size, LEAST) / (self.schedule or ScrubSchedule()).rate
        if self._debt > 0.05:
            debt, self._debt = self._debt, 0.0
            await asyncio.sleep(debt)

    async def _save_sometimes(self) -> None:
        if asyncio.get_running_loop().time() - self._saved > SAVE_SECONDS:
            await self._save()

    async def _load(self) -> tuple[str, int]:
        """Read who scrubs, and when that one saved last; what this one does, it knows itself."""
        (raw,) = await self._core.blocks.store.get([key_of(SCRUB, b"")])
        if raw is None:
            return self._own, 0
        passes, by, at = unpack_passes(raw)
        if raw != self._row:
            self._row, (self._now, self.last) = raw, passes
        return by, at

    async def _save(self) -> None:
        """Raises Conflict if another one has saved meanwhile."""
        raw = pack_passes((self._now, self.last), self._own, now_micros())
        batch = Batch(puts=[(*key_of(SCRUB, b""), raw)])
        batch.expect(*key_of(SCRUB, b""), self._row)
        await self._core.blocks.store.commit(batch)
        self._row, self._saved = raw, asyncio.get_running_loop().time()


SCRUBBER: Part[Scrubber | None] = Part(lambda: None)


async def scrub(core: Core, context: Context, path: str, start: bool) -> ScrubReport:
    await find(core, context, path, "r", 0, "")
    scrubber = SCRUBBER.of(core)
    assert scrubber is not None
    if start:
        scrubber.ask()
        await asyncio.sleep(0)
    return await scrubber.report()


def summary(core: Core) -> ScrubSummary:
    """When all blocks were read last, as far as this process knows, and how many could not be made again."""
    scrubber = SCRUBBER.of(core)
    last = scrubber.last if scrubber is not None else None
    return {"scrubbed": date_of(last.ended) if last else "", "lost": last.losses if last else 0}


def _info(done: ScrubPass) -> ScrubInfo:
    return {
        "begun": date_of(done.begun),
        "ended": date_of(done.ended) if done.ended else "",
        "blocks": done.blocks,
        "size": done.size,
        "mended": done.mended,
        "unread": done.unread,
        "losses": done.losses,
        "given_up": done.given_up,
        "lost": done.lost,
    }
