"""Dates as entries hold them: written and read the short way, they are what the standard library says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.filesystem.layout.moment import format_date, utc_now
from emerge_wasm.filesystem.layout.record import date_of, micros_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
    lambda span: timezone(timedelta(minutes=span // timedelta(minutes=1)))
)
MOMENTS = st.datetimes(datetime(1902, 1, 1), datetime(9000, 1, 1), timezones=ZONES | st.just(UTC))


@given(MOMENTS, st.sampled_from(["auto", "microseconds", "milliseconds", "seconds"]))
def test_microseconds_of_any_moment(moment: datetime, precision: str) -> None:
    text = moment.isoformat(timespec=precision)
    assert micros_of(text) == (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)
    assert date_of(micros_of(format_date(moment))) == format_date(moment)


@given(st.integers(0, 200_000_000_000 * 10**9))
def test_now_is_what_the_clock_says(nanos: int) -> None:
    with patch("time.time_ns", return_value=nanos):
        assert utc_now() == date_of(nanos // 1000)
