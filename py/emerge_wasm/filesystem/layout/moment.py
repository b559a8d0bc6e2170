"""Moments: `as_of` on the wire, and dates that never run backwards. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ...errors import Invalid

_TICK = timedelta(microseconds=1)


def format_date(moment: datetime) -> str:
    """As entries hold it: ISO 8601 in UTC with microseconds, so that dates are ordered as their texts are."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def utc_now() -> str:
    return format_date(datetime.now(UTC))


def after(date: str) -> str:
    """The date one microsecond later."""
    return format_date(datetime.fromisoformat(date) + _TICK)


def read_moment(as_of: str) -> str:
    """The moment of `as_of` as dates are written ("" stays ""); in UTC unless it names an offset. Else Invalid."""
    if not as_of:
        return ""
    try:
        moment = datetime.fromisoformat(as_of)
        return format_date(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise Invalid(
            f"{as_of[:40]!r} is not a moment", remedy="write it in ISO 8601, such as 2026-11-23T09:30:00+00:00"
        ) from None
