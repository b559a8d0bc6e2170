"""Time zones and moments in them, as the codec writes and reads them. Imports nothing but the standard library."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone, tzinfo
from typing import TypeVar
from zoneinfo import ZoneInfo

Moment = TypeVar("Moment", datetime, time)


class MissingZone(tzinfo):
    """A zone whose data is not here: it keeps the key, and the offset that its moment was written with.

    What is computed with it (another day's offset) is right only where that offset holds.
    """

    def __init__(self, key: str, offset: timedelta | None) -> None:
        self.key, self.offset = key, offset

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return self.offset

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str:
        return self.key

    def __repr__(self) -> str:
        return f"MissingZone({self.key!r}, {self.offset!r})"


def key_of(zone: tzinfo | None) -> str | None:
    """Return the key of a zone that is written by its key; None for any other."""
    return zone.key if type(zone) is ZoneInfo or type(zone) is MissingZone else None


def named_zone(key: str, offset: timedelta | None = None) -> tzinfo:
    """Return the zone of a key; a MissingZone where its data is not here."""
    try:
        return ZoneInfo(key)
    except (OSError, ValueError, LookupError, ImportError):  # absent, unreadable, or no key at all
        return MissingZone(key, offset)


def moment_zone(value: datetime | time) -> tuple[tzinfo | None, bool]:
    """Return the zone to write for a moment, and whether its text with an offset would lose something.

    Zones of classes other than ZoneInfo and timezone are written as their offset at that moment.
    """
    zone, offset = value.tzinfo, value.utcoffset()
    if key_of(zone) is not None:
        return zone, True
    if zone is None or (type(zone) is timezone and offset is not None):
        named = type(zone) is timezone and zone.tzname(None) != timezone(zone.utcoffset(None)).tzname(None)
        return zone, named or value.fold == 1
    return None if offset is None else timezone(offset), False


def is_ambiguous(value: datetime) -> bool:
    """Tell whether the clock of a zone shows the time of this moment twice, or never (or its data is not here).

    Python compares such moments within one zone by what the clock shows, and finds them equal to none elsewhere.
    """
    zone = value.tzinfo
    if type(zone) is MissingZone:
        return True
    return type(zone) is ZoneInfo and value.utcoffset() != value.replace(fold=1 - value.fold).utcoffset()
