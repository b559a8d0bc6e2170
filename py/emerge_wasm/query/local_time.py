"""What Python's clock functions tell a caller elsewhere: at the caller's moment, in the caller's time zone.

Each function does what the one of its name does in the caller's own process. Pure, but for the zone files that are read
for a zone that is not this process's own.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from time import struct_time
from typing import TypeVar

from ..context import Clock
from .zone import own_zone, zone_of

D = TypeVar("D", bound=date)
T = TypeVar("T", bound=datetime)

SECOND = 10**9
"""In nanoseconds, as moments are."""
_DATE, _DATETIME = date.__dict__, datetime.__dict__
# Held as they are now, since `runs/inside/caller_clock.py` replaces them while shipped code runs.
_date_from, _datetime_from = _DATE["fromtimestamp"], _DATETIME["fromtimestamp"]
_timestamp, _as_timezone = _DATETIME["timestamp"], _DATETIME["astimezone"]
_time_ns, _localtime, _gmtime, _mktime = time.time_ns, time.localtime, time.gmtime, time.mktime
_strftime, _asctime = time.strftime, time.asctime


def clock_here() -> Clock:
    """Return this process's moment and zone: what a search takes once."""
    return Clock(_time_ns(), own_zone())


class LocalTime:
    """The clock functions by one Clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known = False
        self._zone: tzinfo | None = None

    @property
    def zone(self) -> tzinfo | None:
        """The caller's zone; None where it is this process's own, whose functions are used then.

        Raises:
            Invalid: it is not known here.
        """
        if not self._known:
            self._zone = None if self._clock.zone in ("", own_zone()) else zone_of(self._clock.zone)
            self._known = True
        return self._zone

    def check(self) -> None:
        """Raise Invalid for a zone that is not known here."""
        _ = self.zone

    # --- time
    def time_ns(self) -> int:
        return self._clock.moment

    def time(self) -> float:
        return self._clock.moment / SECOND

    def localtime(self, seconds: float | None = None) -> struct_time:
        moment = self.time() if seconds is None else seconds
        if self.zone is None:
            return _localtime(moment)
        there = self.datetime_of(datetime, int(moment // 1), self.zone)
        offset, shift = there.utcoffset(), there.dst()
        items = (*there.timetuple()[:8], int(bool(shift)))
        return struct_time(items, {"tm_zone": there.tzname(), "tm_gmtoff": int((offset or _ZERO).total_seconds())})

    def gmtime(self, seconds: float | None = None) -> struct_time:
        return _gmtime(self.time() if seconds is None else seconds)

    def mktime(self, parts: struct_time | tuple[int, ...]) -> float:
        if self.zone is None:
            return _mktime(parts)  # type: ignore[arg-type]  # it checks the parts itself
        year, month, day, hour, minute, second, _, _, summer = parts
        months = year * 12 + month - 1
        first = datetime(months // 12, months % 12 + 1, 1, tzinfo=None)
        there = first + timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second)
        early, late = (there.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
        return _timestamp(late if summer == 0 and early.dst() else early)  # type: ignore[no-any-return]

    def strftime(self, form: str, parts: struct_time | tuple[int, ...] | None = None) -> str:
        return _strftime(form, self.localtime() if parts is None else parts)  # type: ignore[arg-type]

    def asctime(self, parts: struct_time | tuple[int, ...] | None = None) -> str:
        return _asctime(self.localtime() if parts is None else parts)  # type: ignore[arg-type]

    def ctime(self, seconds: float | None = None) -> str:
        return _asctime(self.localtime(seconds))

    # --- datetime
    def today(self, cls: type[D]) -> D:
        return self.now(cls) if issubclass(cls, datetime) else self.date_of(cls, self.time())

    def now(self, cls: type[T], tz: tzinfo | None = None) -> T:
        seconds, rest = divmod(self._clock.moment, SECOND)
        return self.datetime_of(cls, seconds, tz).replace(microsecond=rest // 1000)

    def utcnow(self, cls: type[T]) -> T:
        return self.now(cls, UTC).replace(tzinfo=None)

    def date_of(self, cls: type[D], seconds: float) -> D:
        """`date.fromtimestamp`."""
        if self.zone is None:
            return _date_from.__get__(None, cls)(seconds)  # type: ignore[no-any-return]
        there = self.datetime_of(datetime, seconds, self.zone)
        return cls(there.year, there.month, there.day)

    def datetime_of(self, cls: type[T], seconds: float, tz: tzinfo | None = None) -> T:
        """`datetime.fromtimestamp`."""
        make = _datetime_from.__get__(None, cls)
        if tz is not None or self.zone is None:
            return make(seconds, tz)  # type: ignore[no-any-return]
        return make(seconds, self.zone).replace(tzinfo=None)  # type: ignore[no-any-return]

    def timestamp(self, moment: datetime) -> float:
        return _timestamp(self._aware(moment))  # type: ignore[no-any-return]

    def as_timezone(self, moment: T, tz: tzinfo | None = None) -> T:
        """`datetime.astimezone`."""
        if self.zone is not None and moment.utcoffset() is None:  # where the clock was put on: the offset after that
            offset = self.datetime_of(datetime, self.timestamp(moment), self.zone).utcoffset()
            moment = moment.replace(tzinfo=timezone(offset or _ZERO))
        if tz is not None or self.zone is None:
            return _as_timezone(moment, tz)  # type: ignore[no-any-return]
        there = _as_timezone(moment, self.zone)
        return there.replace(tzinfo=timezone(there.utcoffset(), there.tzname()), fold=0)  # type: ignore[no-any-return]

    def _aware(self, moment: T) -> T:
        if self.zone is None or moment.utcoffset() is not None:
            return moment
        return moment.replace(tzinfo=self.zone)


_ZERO = timedelta()
