"""Parse and format moments, and issue dates that never run backwards. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from ...errors import Invalid

_TICK = timedelta(microseconds=1)


def format_date(moment: datetime) -> str:
    """Format a moment as entries hold it: ISO 8601 in UTC with microseconds, so that dates sort as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def utc_now() -> str:
    """Return the moment as `format_date` does."""
    second, nanos = divmod(time.time_ns(), 1_000_000_000)
    return f"{_format_second(second)}{nanos // 1000:06}+00:00"


@lru_cache(maxsize=8)
def _format_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat(timespec="seconds")[:19] + "."


def after(date: str) -> str:
    """Return the date one microsecond later."""
    return format_date(datetime.fromisoformat(date) + _TICK)


def before(date: str) -> str:
    """Return the date one microsecond earlier."""
    return format_date(datetime.fromisoformat(date) - _TICK)


class Dates:
    """Issues the dates of commits, each later than every one before it in this process."""

    def __init__(self, clock: Callable[[], str] = utc_now) -> None:
        self.clock = clock
        self._last = ""

    def next(self) -> str:
        date = self.clock()
        self._last = date if date > self._last else after(self._last)
        return self._last

    def many(self, count: int) -> list[str]:
        """Issue so many at once, a microsecond apart."""
        dates = [self.next()]
        second, micros, zone = dates[0][:20], int(dates[0][20:26]), dates[0][26:]
        if micros + count <= 1_000_000:
            dates += [f"{second}{micros + more:06}{zone}" for more in range(1, count)]
        while len(dates) < count:
            dates.append(after(dates[-1]))
        self._last = dates[-1]
        return dates


def read_moment(as_of: str) -> str:
    """Parse `as_of` into a date as entries hold it ("" stays ""); it is in UTC unless it names an offset.

    Raises:
        Invalid: it is not a moment in ISO 8601.
    """
    if not as_of:
        return ""
    try:
        moment = datetime.fromisoformat(as_of)
        return format_date(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise Invalid(
            f"{as_of[:40]!r} is not a moment", remedy="write it in ISO 8601, such as 2026-11-23T09:30:00+00:00"
        ) from None
