"""Values of the standard library beyond the basic types: written, read, shown, typed, and made JSON data."""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import KW_ONLY, InitVar, dataclass, field
from datetime import datetime, time, timedelta, timezone, tzinfo
from enum import IntEnum, StrEnum
from fractions import Fraction
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any, Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm import EmergeFile
from emerge_wasm.codec import decode, encode, pack_state, plain, read_literal, show, unpack_state
from emerge_wasm.errors import CannotShip, Invalid

ROME = ZoneInfo("Europe/Rome")
HOUR = timedelta(hours=1)
VALUES: list[Any] = [
    *(deque([1, [2]], maxlen=4), deque(), Counter("abca"), OrderedDict(b=1, a=[2]), defaultdict(None, {})),
    *(defaultdict(list, {1: [2]}), defaultdict(Counter), Fraction(-1, 3), range(3, 9, 2), slice(1, None), ...),
    *(bytearray(b"\0x"), array("d", [1.5]), array("h", [-3, 4]), SimpleNamespace(a=1, b=[2])),
    *(PurePosixPath("/a/b"), PureWindowsPath("c:/x"), Path("b/c"), Path()),
    *(ip_address("10.0.0.1"), ip_address("::1"), ip_network("10.0.0.0/8"), ip_interface("::1/64")),
    *(timezone.utc, timezone(HOUR), timezone(HOUR, "CET"), ROME),  # noqa: UP017  # the object, as it is called
    *(datetime(2024, 10, 27, 2, 30, fold=fold, tzinfo=zone) for fold in (0, 1) for zone in (ROME, None)),
    *(datetime(2024, 1, 1, tzinfo=timezone(HOUR, "CET")), time(1, 2, tzinfo=ROME), time(1, 2, 3, 4, fold=1)),
]


@pytest.mark.parametrize("value", VALUES, ids=show)
def test_a_value_comes_back(engine: str, value: Any) -> None:
    data = encode([value])
    for again in (decode(data)[0], read_literal(show(value))):
        assert again == value and type(again) is type(value) and repr(again) == repr(value)
        assert getattr(again, "fold", 0) == getattr(value, "fold", 0)
    assert encode(decode(data)) == data
    json.loads(json.dumps(plain(value), allow_nan=False))


KEYS = st.sampled_from(["Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"])


@given(st.datetimes(min_value=datetime(1900, 1, 1)), KEYS, st.sampled_from([0, 1]))
def test_moments_keep_zone_fold_and_instant(naive: datetime, key: str, fold: int) -> None:
    moment = naive.replace(tzinfo=ZoneInfo(key), fold=fold)
    again = decode(encode(moment))
    assert (again.tzinfo, again.fold, again.utcoffset()) == (moment.tzinfo, fold, moment.utcoffset())
    assert again == moment and again + HOUR == moment + HOUR


def test_a_zone_without_data_keeps_the_instant_and_is_written_back() -> None:
    moment = datetime(2024, 7, 1, 12, tzinfo=ROME)
    gone = encode([moment, ROME]).replace(b"Europe/Rome", b"Europe/Gone")
    read, zone = decode(gone)
    assert (read.utcoffset(), read.tzname()) == (timedelta(hours=2), "Europe/Gone")
    assert read == moment and zone.tzname(None) == "Europe/Gone"
    assert encode([read, zone]) == gone and show(read).endswith("tzinfo=ZoneInfo('Europe/Gone'))")


class Solar(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(minutes=77)

    dst = tzname = lambda self, moment: None  # type: ignore[assignment]


def test_another_kind_of_zone_becomes_its_offset() -> None:
    moment = datetime(2024, 7, 1, 12, tzinfo=Solar())
    assert decode(encode(moment)) == moment and decode(encode(moment)).tzinfo == timezone(timedelta(minutes=77))


class Rank(IntEnum):
    LOW = 1


class Tint(StrEnum):
    RED = "red"


class Spot(NamedTuple):
    x: int
    y: int = 7


T = TypeVar("T")


@dataclass
class Box(Generic[T]):
    item: T


@dataclass
class Start:
    """Its second argument is no field."""

    first: int
    more: InitVar[int] = 5
    _: KW_ONLY
    last: int = 0

    def __post_init__(self, more: int) -> None:
        self.last = self.first + more


@dataclass(frozen=True, slots=True, kw_only=True)
class Small:
    first: Any
    second: dict[Any, Any] = field(default_factory=dict)


@dataclass
class Hidden:
    __slots__ = ("__secret",)
    __secret: int


@dataclass
class Holder(EmergeFile):
    held: Any = None


CLASSES = {kind.__name__: kind for kind in (Rank, Tint, Spot, Box, Start, Small, Hidden)}


@pytest.mark.parametrize(
    "value",
    [
        {Rank.LOW: Tint.RED, Tint.RED: 1},
        Spot(1),
        Box[int](3),
        Start(1, 2),
        Small(first={1}, second={(1, 2): Box("x")}),
        Hidden(3),
        re.compile("a+", re.IGNORECASE),
        re.compile(b"a"),
        Counter({Spot(1): 2}),
        deque([Box(1)], maxlen=2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_classes_of_many_forms(value: Any) -> None:
    data = pack_state(Holder(held=value), lambda cls: cls.__name__)
    again = unpack_state(data, Holder, lambda bundle, name: CLASSES[name]).held
    assert again == value and type(again) is type(value)
    assert encode(decode(data)) == data


def test_a_default_factory_of_ones_own_is_refused() -> None:
    with pytest.raises(CannotShip, match=r"field 'a' holds a defaultdict whose factory 'Box'"):
        encode({"a": defaultdict(Box)})


@pytest.mark.parametrize(
    "text",
    [
        *("bytearray(9)", "Fraction('1e9')", "set(range(9))", "deque(range(9))", "Counter(range(4))"),
        *("array('q', range(9))", "defaultdict(open, {})", "defaultdict(lambda: 1, {})", "ZoneInfo(3)"),
        *("PurePosixPath(1)", "range('a')"),
    ],
)
def test_constructors_take_plain_arguments_only(text: str) -> None:
    with pytest.raises(Invalid):
        read_literal(text)
