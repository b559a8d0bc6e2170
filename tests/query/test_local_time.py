"""The clock functions for a caller elsewhere, beside Python's own in a process whose zone is the caller's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.context import Clock
from emerge_wasm.errors import Invalid
from emerge_wasm.query.local_time import SECOND, LocalTime
from emerge_wasm.query.zone import is_zone, own_zone, zone_of

KEYS = ["America/New_York", "Europe/Berlin", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe", "Africa/Casablanca"]
RULES = ["CET-1CEST,M3.5.0,M10.5.0/3", "<+0545>-5:45", "EST5EDT,M3.2.0,M11.1.0", "<-03>3"]


@contextmanager
def process_zone(name: str) -> Iterator[None]:
    """This process in another time zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


def transitions(zone: str) -> list[datetime]:
    """When the offset changes in some years, to the day."""
    days = [datetime(2010, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(800)]
    there = ZoneInfo(zone)
    return [b for a, b in pairwise(days) if a.astimezone(there).utcoffset() != b.astimezone(there).utcoffset()]


BORDERS = [moment for key in KEYS for moment in transitions(key)]
near = st.builds(
    lambda border, shift: border.replace(tzinfo=None) + timedelta(minutes=shift),
    st.sampled_from(BORDERS),
    st.integers(-3000, 3000),
)
moments = (near | st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1))).map(lambda it: it.replace(microsecond=0))

ASKED: dict[str, Callable[[Any, datetime, int], object]] = {
    "timestamp": lambda it, naive, fold: it.timestamp(naive.replace(fold=fold)),
    "astimezone": lambda it, naive, fold: _told(it.as_timezone(naive.replace(fold=fold))),
    "astimezone to": lambda it, naive, fold: it.as_timezone(naive.replace(fold=fold), UTC),
    "astimezone aware": lambda it, naive, fold: _told(it.as_timezone(naive.replace(tzinfo=UTC))),
    "fromtimestamp": lambda it, naive, fold: _told(it.datetime_of(datetime, _seconds(naive) + 0.25)),
    "date.fromtimestamp": lambda it, naive, fold: it.date_of(date, _seconds(naive)),
    "localtime": lambda it, naive, fold: [*it.localtime(_seconds(naive) + 0.5), it.localtime(_seconds(naive)).tm_zone],
    "gmtime": lambda it, naive, fold: it.gmtime(_seconds(naive)),
    "ctime": lambda it, naive, fold: it.ctime(_seconds(naive)),
    "strftime": lambda it, naive, fold: it.strftime("%c %Z", it.localtime(_seconds(naive))),
    "mktime": lambda it, naive, fold: it.mktime(it.localtime(_seconds(naive))),
}


class Python:
    """The same functions, Python's own."""

    timestamp = staticmethod(datetime.timestamp)
    as_timezone = staticmethod(datetime.astimezone)
    localtime, gmtime, ctime = staticmethod(time.localtime), staticmethod(time.gmtime), staticmethod(time.ctime)
    strftime, mktime = staticmethod(time.strftime), staticmethod(time.mktime)

    def datetime_of(self, cls: type[datetime], seconds: float) -> datetime:
        return cls.fromtimestamp(seconds)

    def date_of(self, cls: type[date], seconds: float) -> date:
        return cls.fromtimestamp(seconds)


def _seconds(naive: datetime) -> int:
    return int(naive.replace(tzinfo=UTC).timestamp())


def _told(moment: datetime) -> tuple[object, ...]:
    return moment.isoformat(), moment.fold, str(moment.tzinfo), moment.tzname()


@given(st.sampled_from(KEYS + RULES), moments, st.integers(0, 1))
def test_each_tells_what_pythons_own_does_where_the_caller_is(zone: str, naive: datetime, fold: int) -> None:
    with process_zone(zone):
        theirs = {name: ask(Python(), naive, fold) for name, ask in ASKED.items()}
    with process_zone("Asia/Tokyo"):
        ours = {name: ask(LocalTime(Clock(0, zone)), naive, fold) for name, ask in ASKED.items()}
    assert ours == theirs


@given(st.sampled_from(KEYS + RULES), moments, st.integers(0, SECOND - 1))
def test_now_is_the_callers_moment(zone: str, naive: datetime, rest: int) -> None:
    moment = _seconds(naive) * SECOND + rest
    local = LocalTime(Clock(moment, zone))
    with process_zone(zone):
        there = datetime.fromtimestamp(_seconds(naive)).replace(microsecond=rest // 1000)
    with process_zone("Asia/Tokyo"):
        assert local.now(datetime) == local.today(datetime) == there
        assert local.today(date) == there.date() and type(local.today(date)) is date
        assert local.now(datetime, UTC) == naive.replace(microsecond=rest // 1000, tzinfo=UTC)
        assert local.utcnow(datetime) == naive.replace(microsecond=rest // 1000)
        assert local.time_ns() == moment and local.time() == moment / SECOND


@pytest.mark.parametrize(
    ("given_zone", "name"),
    [
        *((zone, zone) for zone in KEYS + RULES),
        (":Europe/Berlin", "Europe/Berlin"),
        ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
        ("CET-1CEST", "CET-1CEST,M3.2.0,M11.1.0"),
        ("", "UTC"),
        ("Nowhere/At_All", "UTC"),
    ],
)
def test_a_process_names_its_zone(given_zone: str, name: str) -> None:
    with process_zone(given_zone):
        assert own_zone() == name and is_zone(name)
        offset = time.localtime(0).tm_gmtoff
    assert zone_of(name).utcoffset(datetime(1970, 1, 1)) == timedelta(seconds=offset)


def test_a_variable_that_was_not_read_again_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    with process_zone("Asia/Tokyo"):
        monkeypatch.setenv("TZ", "America/New_York")  # without tzset
        assert own_zone() == "<+09>-09:00:00"
        monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert zone_of("<+09>-09:00:00").utcoffset(datetime(2026, 1, 1)) == timedelta(hours=9)


@pytest.mark.parametrize("name", ["Nowhere/At_All", "../../etc/passwd", "/etc/passwd", "", "a" * 100, "é", "M3", "\0"])
def test_a_zone_that_is_not_known_is_refused_by_name(name: str) -> None:
    with pytest.raises(Invalid, match="is not known here"):
        LocalTime(Clock(0, name or "?")).check()
