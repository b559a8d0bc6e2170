"""What time it is in a search: the caller's moment, in the caller's zone, wherever and by whatever it is answered."""

from __future__ import annotations

import datetime as dt
import time as clock
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import date as Day
from datetime import datetime as D
from time import localtime, time_ns
from time import time as seconds
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.errors import EmergeError, Invalid
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runner import Runner
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.query.local_time import SECOND
from emerge_wasm.sandbox import Pool
from emerge_wasm.stores import open_store

ZONES = ["America/New_York", "Australia/Lord_Howe", "<+0545>-05:45:00"]


def hour_ago() -> D:
    return D.now() - dt.timedelta(hours=1)


def is_kind(value: object) -> str:
    return "day" if type(value) is date else "moment" if type(value) is datetime else "other"


@dataclass
class Task(EmergeFile):
    due: datetime | None = None
    day: date | None = None
    at: float = 0.0

    @property
    def is_late(self) -> bool:
        return self.due is not None and self.due < hour_ago()

    @property
    def is_today(self) -> bool:
        import datetime  # within the function

        return self.day == datetime.date.today() == Day.today() == dt.datetime.today().date()

    @property
    def now(self) -> str:
        return f"{time_ns()} {seconds()} {D.now().isoformat()} {D.utcnow().isoformat()} {clock.time()}"

    def hours(self) -> float:
        return (self.due - D.fromtimestamp(clock.time())).total_seconds() / 3600 if self.due else 0.0

    def is_this_hour(self) -> bool:
        return self.due is not None and localtime()[:4] == self.due.timetuple()[:4]


Asked = Callable[[Any], object]
SEARCHES: dict[str, tuple[Asked, Callable[[Task, datetime, Any], object]]] = {
    "now": (lambda o: o.due < D.now(), lambda o, now, zone: o.due < _naive(now)),
    "now and a span": (
        lambda o: o.due > dt.datetime.now() - timedelta(days=1),
        lambda o, now, zone: o.due > _naive(now) - timedelta(days=1),
    ),
    "now in a zone": (lambda o: o.due.replace(tzinfo=UTC) < D.now(UTC), lambda o, now, zone: _utc(o.due) < now),
    "utcnow": (lambda o: o.due < datetime.utcnow(), lambda o, now, zone: o.due < _naive(now.astimezone(UTC))),
    "today": (lambda o: o.day == date.today(), lambda o, now, zone: o.day == now.date()),
    "day of datetime": (lambda o: o.day >= dt.datetime.today().date(), lambda o, now, zone: o.day >= now.date()),
    "time": (lambda o: o.at < clock.time(), lambda o, now, zone: o.at < now.timestamp()),
    "time_ns": (lambda o: o.at * SECOND < time_ns(), lambda o, now, zone: o.at < now.timestamp()),
    "fromtimestamp": (
        lambda o: o.due < D.fromtimestamp(o.at),
        lambda o, now, zone: o.due < _naive(datetime.fromtimestamp(o.at, zone)),
    ),
    "date.fromtimestamp": (
        lambda o: Day.fromtimestamp(o.at) == o.day,
        lambda o, now, zone: datetime.fromtimestamp(o.at, zone).date() == o.day,
    ),
    "timestamp": (lambda o: o.due.timestamp() < o.at, lambda o, now, zone: _aware(o.due, zone).timestamp() < o.at),
    "astimezone": (
        lambda o: o.due.astimezone() < D.now(UTC) and o.due.astimezone(UTC).hour < 12,
        lambda o, now, zone: _there(o.due, zone) < now and _there(o.due, zone).astimezone(UTC).hour < 12,
    ),
    "localtime": (
        lambda o: clock.localtime(o.at).tm_hour < 12,
        lambda o, now, zone: datetime.fromtimestamp(o.at, zone).hour < 12,
    ),
    "strftime": (
        lambda o: o.day.isoformat() <= clock.strftime("%Y-%m-%d"),
        lambda o, now, zone: o.day <= now.date(),
    ),
    "gmtime": (
        lambda o: o.due.hour >= clock.gmtime().tm_hour,
        lambda o, now, zone: o.due.hour >= now.astimezone(UTC).hour,
    ),
    "a function": (lambda o: o.due < hour_ago(), lambda o, now, zone: o.due < _naive(now) - timedelta(hours=1)),
    "a property": (lambda o: o.is_late, lambda o, now, zone: o.due < _naive(now) - timedelta(hours=1)),
    "a property of today": (lambda o: o.is_today, lambda o, now, zone: o.day == now.date()),
    "a method": (lambda o: o.hours() < 5, lambda o, now, zone: (o.due - _naive(now)).total_seconds() < 5 * 3600),
    "another method": (lambda o: o.is_this_hour(), lambda o, now, zone: o.due.timetuple()[:4] == now.timetuple()[:4]),
    "kinds stay": (
        lambda o: is_kind(D.now()) == "moment" and is_kind(Day.today()) == "day" and is_kind(o.day) == "day",
        lambda o, now, zone: True,
    ),
}


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


def _aware(moment: datetime, zone: Any) -> datetime:
    return moment.replace(tzinfo=zone)


def _there(moment: datetime, zone: Any) -> datetime:
    """As `astimezone` takes it: where the clock was put on, with the offset after that."""
    after = datetime.fromtimestamp(_aware(moment, zone).timestamp(), zone)
    return moment.replace(tzinfo=dt.timezone(after.utcoffset() or timedelta()))


def zone_of(name: str) -> Any:
    return dt.timezone(timedelta(hours=5, minutes=45)) if name.startswith("<") else ZoneInfo(name)


@asynccontextmanager
async def opened(runner: Any) -> AsyncIterator[Client]:
    filesystem = await Filesystem.open(await open_store("memory:"), node="here", runner=runner)
    try:
        yield Client(LocalTransport(filesystem))
    finally:
        await filesystem.close()


def tasks(there: datetime) -> list[Task]:
    """Tasks around a local time: each side of it, of its hour, of its midnight, a day and half a year away."""
    shifts = [0, 1, 29, 31, 59, 61, 90, 4 * 60, 6 * 60, 12 * 60, 24 * 60 - 1, 24 * 60 + 1, 183 * 24 * 60]
    moments = [there + timedelta(minutes=sign * shift) for shift in shifts for sign in (1, -1)]
    moments += [datetime.combine(there.date(), dt.time.min) + timedelta(minutes=n) for n in (-1, 0, 1)]
    return [
        Task(name=f"t{n}", path="/tasks", due=at, day=at.date(), at=_utc(at).timestamp())
        for n, at in enumerate(moments)
    ]


BORDERS = [
    datetime(2026, 3, 8, 7, tzinfo=UTC),  # New York goes to summer time
    datetime(2026, 4, 4, 15, tzinfo=UTC),  # Lord Howe leaves it, by half an hour
    datetime(2026, 6, 30, 18, 15, tzinfo=UTC),  # midnight in Nepal
]


@pytest.fixture(params=["sandbox", "here"])
def runner(request: pytest.FixtureRequest, pool: Pool) -> Runner:
    return pool if request.param == "sandbox" else Here()


@pytest.mark.asyncio(loop_scope="session")
async def test_every_search_tells_the_callers_time(runner: Runner) -> None:
    async with opened(runner) as client:
        cases = list(zip(BORDERS, ZONES, strict=True))
        for number, (border, zone_name) in enumerate(cases[1:] if isinstance(runner, Here) else cases[:1]):
            zone = zone_of(zone_name)
            now = border.astimezone(zone) + timedelta(microseconds=number)
            stored = tasks(_naive(now))
            await client.storeall(stored)
            asking = client.within(clock=[int(now.timestamp()) * SECOND + number * 1000, zone_name])
            for indexed in (False, True):
                if indexed:
                    await client.index("/tasks", "due"), await client.index("/tasks", "day")
                    await client.index("/tasks", "at")
                for name, (ask, told) in SEARCHES.items():
                    found = sorted(each.name for each in await asking.search(ask, "/tasks"))
                    expected = sorted(each.name for each in stored if told(each, now, zone))
                    assert found == expected, (name, zone_name, str(now), indexed)
                    assert number or await asking.count(ask, "/tasks") == len(expected)
            for field in ("due", "day", "at"):
                await client.index("/tasks", field, drop=True)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_search_has_one_moment(runner: Runner) -> None:
    async with opened(runner) as client:
        before = clock.time_ns()
        await client.storeall([Task(name=f"t{n}", path="/tasks", due=datetime.min) for n in range(40)])
        groups = await client.aggregate("/tasks", by="now", n="count")
        assert [group["n"] for group in groups] == [40]
        moment = int(groups[0]["now"].split()[0])
        assert before < moment < clock.time_ns()
        ordered = await client.search(lambda o: o.is_late, "/tasks", order_by="now", limit=10)
        assert len(ordered) == 10 and ordered.cursor


@pytest.mark.asyncio(loop_scope="session")
async def test_pages_keep_the_moment_of_the_first(pool: Pool) -> None:
    async with opened(pool) as client:
        noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
        await client.storeall(
            [Task(name=f"t{n:02}", path="/tasks", due=_naive(noon) + timedelta(minutes=n)) for n in range(30)]
        )
        moment = int(noon.timestamp() + 20 * 60) * SECOND
        first, later = client.within(clock=[moment, "UTC"]), client.within(clock=[moment + 3600 * SECOND, "Asia/Tokyo"])
        for order_by in ("", "is_late"):
            for ask in (lambda o: o.due < D.now(), lambda o: o.due < hour_ago() + timedelta(hours=1)):
                for indexed in (False, True):
                    if indexed:
                        await client.index("/tasks", "due")
                    names, cursor, asking = [], "", first
                    while True:
                        page = await asking.search(ask, "/tasks", order_by=order_by, limit=11, cursor=cursor)
                        names += [each.name for each in page]
                        cursor, asking = page.cursor, later
                        if not cursor:
                            break
                    assert sorted(names) == [f"t{n:02}" for n in range(20)], (order_by, indexed)
                await client.index("/tasks", "due", drop=True)


async def test_the_clock_of_this_process_is_left_alone() -> None:
    async with opened(Here()) as client:
        await client.store(Task(name="t", path="/tasks", due=datetime(2026, 1, 1)))
        functions = [clock.time, clock.localtime, seconds, localtime]
        methods = [vars(datetime)["now"], vars(datetime)["timestamp"], vars(date)["today"]]
        asking = client.within(clock=[0, "Asia/Tokyo"])
        assert await asking.count(lambda o: o.hours() > 24 and o.now.startswith("0 0.0 1970-01-01T09:00")) == 1
        assert functions == [clock.time, clock.localtime, seconds, localtime]
        assert methods == [vars(datetime)["now"], vars(datetime)["timestamp"], vars(date)["today"]]
        assert abs(D.now().timestamp() - clock.time()) < 5 and clock.time() > 10**9


@pytest.mark.parametrize("wrong", [[0], [0, "UTC", 1], ["0", "UTC"], [1 << 63, "UTC"], [0, "x" * 101], 5, {"a": 1}])
async def test_a_clock_that_is_none_is_refused(wrong: Any) -> None:
    async with opened(None) as client:
        with pytest.raises(Invalid, match="clock"):
            await client.within(clock=wrong).count(lambda o: True)


async def test_an_unknown_zone_is_refused_where_it_matters() -> None:
    async with opened(Here()) as client:
        await client.store(Task(name="t", path="/tasks", due=datetime(2026, 1, 1)))
        asking = client.within(clock=[0, "Nowhere/At_All"])
        assert await asking.count(lambda o: o.name == "t") == 1
        with pytest.raises(Invalid, match=r"Nowhere/At_All.*not known here"):
            await asking.count(lambda o: o.due < D.now())
        errors = (await asking.search(lambda o: o.is_late)).errors
        assert errors["count"] == 1 and "Nowhere/At_All" in errors["first"][0]["error"]


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=60) | st.from_regex(r"~?[A-Za-z0-9_=-]{0,20}@[A-Za-z0-9_=-]{0,60}", fullmatch=True))
def test_a_forged_clock_in_a_cursor_is_refused(text: str) -> None:
    async def work() -> None:
        async with opened(None) as client:
            try:
                await client.search(lambda o: True, limit=1, cursor=text)
            except EmergeError as error:
                assert isinstance(error, Invalid)

    import asyncio

    asyncio.run(work())
