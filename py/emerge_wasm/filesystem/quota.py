"""What each principal may have in one filesystem: objects, bytes, and seconds of running methods a minute.

An operator sets quotas; without them nothing is counted. They hold for who is no superuser, and what is stored is
counted for its owner. The counts are in memory: made by one reading of the store, followed with each commit here, and
made again before somebody is refused, as others may have removed something since. What a transaction adds is counted at
once, what it frees when it is committed.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..context import Context, payer
from ..errors import Invalid, LimitExceeded
from ..store import Store
from .change import Change
from .core import Part
from .layout.locality import PAGE_ROWS
from .layout.record import Entry, VersionRecord
from .time_slice import TimeSlice

MINUTE = 60.0

RARELY = 20
"""How much longer than a reading of the store took it is until the next one may begin."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """The quotas of each principal; 0: there is none. `objects` counts directories too, `bytes` every version that is
    kept, `running` is in seconds of methods in a minute."""

    objects: int = 0
    bytes: int = 0
    running: float = 0.0


UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def read_quotas(texts: Iterable[str]) -> Quotas:
    """Read quotas as the command line takes them: NAME=AMOUNT, where the amount of bytes may end with K, M, G or T.

    Raises:
        Invalid: a text is not like that.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, _, amount = text.partition("=")
        unit = UNITS.get(amount[-1:].upper(), 1) if name == "bytes" else 1
        try:
            found[name] = _AMOUNTS[name](amount.rstrip("KMGTkmgt") if unit > 1 else amount) * unit
        except (KeyError, ValueError):
            raise Invalid(
                f"{text[:80]!r} is no quota", remedy="such as objects=10000, bytes=2G, or running=20 (seconds a minute)"
            ) from None
        if not 0 < found[name] < 1 << 60:
            raise Invalid(f"a quota of {text[:80]} makes no sense", remedy="leave it out for none")
    return Quotas(**found)  # type: ignore[arg-type]  # each as its maker made it


_AMOUNTS: dict[str, Callable[[str], float]] = {"objects": int, "bytes": int, "running": float}


@dataclass(slots=True)
class Stored:
    """What owners have stored, by owner."""

    objects: Counter[str]
    bytes: Counter[str]

    def add(self, more: Stored, sign: int = 1) -> None:
        for has, counts in ((self.objects, more.objects), (self.bytes, more.bytes)):
            for owner, count in counts.items():
                has[owner] += sign * count


class Admitted(NamedTuple):
    """A change that may be committed: what it adds, which is counted in `stored`, and what it frees (below zero).

    When the store was read again meanwhile, `stored` is no longer what counts, and the reading has seen it.
    """

    stored: Stored
    added: Stored
    freed: Stored

    def undo(self) -> None:
        """Count no more what was not committed."""
        self.stored.add(self.added, -1)

    def settle(self) -> None:
        """Count what it has freed."""
        self.stored.add(self.freed)


class Usage:
    """What the principals of one filesystem have of their quotas. `clock` is in seconds, monotonic.

    `store` is the filesystem's, which is read to count; without one there are no quotas of what is stored.
    """

    def __init__(
        self, quotas: Quotas | None = None, store: Store | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.quotas = quotas or Quotas()
        self._store = store
        self._clock = clock
        self._stored: Stored | None = None
        self._next = 0.0  # when it may be counted again
        self._counting = asyncio.Lock()
        self._minutes: dict[str, tuple[float, float]] = {}  # by principal: when their minute ends, seconds of it

    # --- what is stored
    @property
    def counts(self) -> bool:
        """Whether what is stored is counted."""
        return self._store is not None and bool(self.quotas.objects or self.quotas.bytes)

    async def admit(self, change: Change) -> Admitted:
        """Count what a change that is about to be committed adds.

        Raises:
            LimitExceeded: it is more than the quota of an owner.
        """
        net = _net(change)
        if self._stored is None:
            await self._count()
        if not change.context.superuser and self._over(net) is not None:
            await self._count()
            if (error := self._over(net)) is not None:
                raise error
        assert self._stored is not None
        added = Stored(+net.objects, +net.bytes)
        self._stored.add(added)
        return Admitted(self._stored, added, Stored(_below_zero(net.objects), _below_zero(net.bytes)))

    def _over(self, added: Stored) -> LimitExceeded | None:
        """The error of the first owner who would have more than a quota."""
        assert self._stored is not None
        for name, most in (("objects", self.quotas.objects), ("bytes", self.quotas.bytes)):
            has: Counter[str] = getattr(self._stored, name)
            for owner, more in getattr(added, name).items() if most else ():
                if more > 0 and has[owner] + more > most:
                    return _over_quota(name, owner, has[owner], more, most)
        return None

    async def _count(self) -> None:
        """Read the whole store, unless that was done just now."""
        assert self._store is not None
        async with self._counting:
            if self._stored is not None and self._clock() < self._next:
                return
            began, stored, time_slice = self._clock(), Stored(Counter(), Counter()), TimeSlice()
            for space in ("entries", "versions"):
                start = b""
                while rows := await self._store.scan(space, start, limit=PAGE_ROWS):
                    for _, raw in rows:
                        if space == "entries":
                            stored.objects[Entry.unpack(raw).owner] += 1
                        else:
                            _count_version(stored.bytes, raw)
                        await time_slice.share()
                    start = rows[-1][0] + b"\0"
            self._stored = stored
            self._next = self._clock() + RARELY * (self._clock() - began)

    # --- what runs
    def check_running(self, context: Context) -> None:
        """Raise LimitExceeded for who has run methods long enough in this minute."""
        if not self.quotas.running or context.superuser:
            return
        ends, used = self._minutes.get(payer(context), (0.0, 0.0))
        if (left := ends - self._clock()) > 0 and used >= self.quotas.running:
            raise LimitExceeded(
                f"methods of {context.principal or 'guests'} ran for {used:.1f} s of the {self.quotas.running:g} s that"
                " each principal has in a minute",
                remedy=f"call again in {left:.0f} s",
                limit="running time",
                reset=round(left, 1),
            )

    def ran(self, context: Context, seconds: float) -> None:
        """Count the seconds of a run that ended."""
        if not self.quotas.running or context.superuser:
            return
        now, who = self._clock(), payer(context)
        ends, used = self._minutes.get(who, (0.0, 0.0))
        if now >= ends:
            self._minutes = {name: minute for name, minute in self._minutes.items() if minute[0] > now}
            ends, used = now + MINUTE, 0.0
        self._minutes[who] = ends, used + seconds


USAGE = Part(Usage)


def _below_zero(counts: Counter[str]) -> Counter[str]:
    return Counter({owner: count for owner, count in counts.items() if count < 0})


def _net(change: Change) -> Stored:
    """What the owners of what a change touches have more after it, or less."""
    added = Stored(Counter(), Counter())
    for touched in change.touched.values():
        if touched.old is not None:
            added.objects[Entry.unpack(touched.old[0]).owner] -= 1
        if touched.new is not None:
            added.objects[Entry.unpack(touched.new[0]).owner] += 1
    for space, _, raw in change.puts:
        if space == "versions":
            _count_version(added.bytes, raw)
    added.bytes.subtract(change.freed)
    return added


def _count_version(sizes: Counter[str], raw: bytes) -> None:
    entry = VersionRecord.unpack(raw).entry
    if entry.has_own_state:
        sizes[entry.owner] += entry.size


def _over_quota(name: str, owner: str, has: int, more: int, most: int) -> LimitExceeded:
    make_room = {
        "objects": "remove some: what is removed makes room at once",
        "bytes": "what can be restored counts: purge what was removed (emerge purge PATH), keep fewer versions"
        " (emerge retain PATH 1), or ask for more",
    }
    return LimitExceeded(
        f"{owner or 'a guest'} has {has:,} {name}, and {more:,} more would be above the quota of {most:,}",
        remedy=make_room[name],
        limit=name,
    )
