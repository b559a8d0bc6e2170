"""Filters and orders by the members of Enums and Flags."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag, IntEnum, StrEnum, auto
from typing import Any

import pytest

from emerge_wasm import EmergeFile

from .conftest import Place


class Status(Enum):
    OPEN = "open"
    DONE = "done"
    LATE = "late"
    SHUT = DONE

    @property
    def label(self) -> str:
        return str(self.value).title()


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Colour(str, Enum):  # noqa: UP042 - as people write it
    RED = "red"
    BLUE = "blue"


class Kind(StrEnum):
    A = auto()
    B = auto()


class Right(Flag):
    READ = auto()
    WRITE = auto()
    RUN = auto()
    ALL = READ | WRITE | RUN


Size = Enum("Size", "SMALL LARGE")
Shape = StrEnum("Shape", ["ROUND", "FLAT"])
Grade = IntEnum("Grade", {"POOR": 1, "GOOD": 2})
Wing = Flag("Wing", [("LEFT", 1), ("RIGHT", 2), ("BOTH", 3)])


@dataclass
class Job(EmergeFile):
    status: Status = Status.OPEN
    level: Level = Level.LOW
    colour: Colour | None = None
    kind: Kind = Kind.A
    rights: Right = Right.READ
    number: int = 0
    bulk: Size = Size.SMALL
    shape: Shape = Shape.ROUND
    grade: Grade = Grade.POOR
    wing: Wing = Wing.LEFT


def make_jobs() -> list[Job]:
    return [
        Job(
            name=f"j{n}",
            path="/jobs",
            status=[Status.OPEN, Status.DONE, Status.LATE][n % 3],
            level=Level.HIGH if n > 5 else Level.LOW,
            colour=[None, Colour.RED, Colour.BLUE][n % 3],
            kind=Kind.B if n % 2 else Kind.A,
            rights=[Right.READ, Right.READ | Right.WRITE, Right.ALL, Right(0)][n % 4],
            number=n,
            bulk=Size.LARGE if n % 2 else Size.SMALL,
            shape=Shape.FLAT if n > 4 else Shape.ROUND,
            grade=Grade.GOOD if n < 3 else Grade.POOR,
            wing=Wing.BOTH if n % 5 == 0 else Wing.RIGHT,
        )
        for n in range(12)
    ]


FILTERS: list[tuple[str, Any]] = [
    ("{status: {eq: DONE}}", lambda o: o.status is Status.DONE),
    ('{status: {eq: "DONE"}}', lambda o: o.status is Status.DONE),
    ("{status: {eq: SHUT}}", lambda o: o.status is Status.DONE),
    ("{status: {ne: DONE}}", lambda o: o.status is not Status.DONE),
    ("{status: {in: [OPEN, LATE]}}", lambda o: o.status in (Status.OPEN, Status.LATE)),
    ("{not: {status: {in: [OPEN, LATE]}}}", lambda o: o.status is Status.DONE),
    ("{or: [{status: {eq: OPEN}}, {level: {eq: HIGH}}]}", lambda o: o.status is Status.OPEN or o.level == 2),
    ("{level: {eq: HIGH}, status: {eq: OPEN}}", lambda o: o.status is Status.OPEN and o.level == 2),
    ("{colour: {eq: RED}}", lambda o: o.colour is Colour.RED),
    ("{colour: {ne: RED}}", lambda o: o.colour is not Colour.RED),
    ("{colour: {eq: null}}", lambda o: o.colour is None),
    ("{colour: {ne: null}}", lambda o: o.colour is not None),
    ("{colour: {in: [null, BLUE]}}", lambda o: o.colour in (None, Colour.BLUE)),
    ("{colour: {in: []}}", lambda o: False),
    ("{kind: {eq: B}}", lambda o: o.kind is Kind.B),
    ("{rights: {eq: READ}}", lambda o: o.rights == Right.READ),
    ("{rights: {eq: [READ, WRITE]}}", lambda o: o.rights == Right.READ | Right.WRITE),
    ("{rights: {eq: []}}", lambda o: o.rights == Right(0)),
    ("{rights: {contains: WRITE}}", lambda o: Right.WRITE in o.rights),
    ("{rights: {contains: [READ, RUN]}}", lambda o: Right.READ | Right.RUN in o.rights),
    ("{bulk: {eq: LARGE}}", lambda o: o.bulk is Size.LARGE),
    ("{shape: {ne: FLAT}}", lambda o: o.shape is Shape.ROUND),
    ("{grade: {in: [GOOD]}}", lambda o: o.grade is Grade.GOOD),
    ("{wing: {contains: LEFT}}", lambda o: Wing.LEFT in o.wing),
    ("{rights: {ne: ALL}}", lambda o: o.rights != Right.ALL),
    ("{rights: {in: [[READ], [ALL]]}}", lambda o: o.rights in (Right.READ, Right.ALL)),
]


async def test_filters_find_what_python_does(place: Place) -> None:
    await place.client.storeall(make_jobs())
    for filter, fits in FILTERS:
        data = await place.data(
            f"{{ jobs(filter: {filter}, orderBy: number) {{ objects {{ name }} count }} }}", "/jobs"
        )
        expected = [job.name for job in make_jobs() if fits(job)]
        assert [each["name"] for each in data["jobs"]["objects"]] == expected, filter
        assert data["jobs"]["count"] == len(expected), filter


async def test_members_as_variables_and_as_an_order(place: Place) -> None:
    await place.client.storeall(make_jobs())
    ask = "query($s: StatusMember) { jobs(filter: {status: {eq: $s}}) { count } }"
    assert (await place.data(ask, "/jobs", s="LATE"))["jobs"]["count"] == 4
    order = "{ jobs(orderBy: status) { objects { status } } }"
    names = [each["status"] for each in (await place.data(order, "/jobs"))["jobs"]["objects"]]
    assert names == sorted(names) and len(names) == 12


@pytest.mark.parametrize("wrong", ["GONE", '"done"', "1"])
async def test_a_wrong_member_is_refused_with_the_right_ones(place: Place, wrong: str) -> None:
    await place.client.storeall(make_jobs()[:1])
    answer = await place.ask(f"{{ jobs(filter: {{status: {{eq: {wrong}}}}}) {{ count }} }}", "/jobs")
    assert "OPEN, DONE, LATE" in answer["errors"][0]["message"]


async def test_the_schema_shows_the_members(place: Place) -> None:
    await place.client.storeall(make_jobs()[:1])
    data = await place.data('{ __type(name: "StatusMember") { kind enumValues { name } } }', "/jobs")
    assert data["__type"]["kind"] == "ENUM"
    assert [each["name"] for each in data["__type"]["enumValues"]] == ["OPEN", "DONE", "LATE", "SHUT"]
