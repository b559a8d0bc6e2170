"""The state of an object: what it holds, made again without running its code, by whatever its class is by then."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntFlag
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import pytest

from emerge_wasm import EmergeFile, EmergeObject
from emerge_wasm.codec import Record, decode, encode, pack_state, unpack_state
from emerge_wasm.errors import CannotShip, Invalid
from emerge_wasm.objects import METADATA


class Grade(Enum):
    GOOD = "g"


class Flags(IntFlag):
    A = 1
    B = 2


class Pair(NamedTuple):
    left: int
    right: Any


@dataclass(frozen=True)
class Frozen:
    x: int
    tags: frozenset[str] = frozenset()


@dataclass(slots=True)
class Slotted:
    a: int = 1
    b: list[int] = field(default_factory=list)


@dataclass
class Item(EmergeFile):
    price: float = 0.0
    tags: list[str] = field(default_factory=list)
    part: Any = None
    kind: ClassVar[str] = "item"

    def __post_init__(self) -> None:
        assert self.price >= 0

    @cached_property
    def double(self) -> float:
        return self.price * 2


CLASSES = {kind.__name__: kind for kind in (Grade, Flags, Pair, Frozen, Slotted, Item)}


def bundle_of(cls: type) -> str:
    return f"bundle-{cls.__name__}"


def class_of(bundle: str, name: str) -> type:
    assert bundle == f"bundle-{name}"
    return CLASSES[name]


def again(obj: Any) -> Any:
    return unpack_state(pack_state(obj, bundle_of), type(obj), class_of)


def test_state_is_fields_and_attributes_without_metadata() -> None:
    item = Item(id="i", name="n", path="/p", owner="me", price=3.0)
    item.extra = {"note": (1,)}  # type: ignore[attr-defined]
    assert item.double == 6.0
    state = decode(pack_state(item, bundle_of))
    assert state == {"id": "i", "data": None, "price": 3.0, "tags": [], "part": None, "extra": {"note": (1,)}}
    assert not set(state) & set(METADATA)
    copy = again(item)
    assert type(copy) is Item and vars(copy)["extra"] == {"note": (1,)}
    assert (copy.name, copy.path, copy.version, copy.kind, copy.double) == ("", "/", 0, "item", 6.0)


def test_no_code_of_the_class_runs() -> None:
    item = Item(id="i")
    item.price = -1.0  # __post_init__ would refuse it
    assert again(item).price == -1.0


@pytest.mark.parametrize(
    "part",
    [
        Frozen(1, frozenset("ab")),
        Slotted(2, [3]),
        Grade.GOOD,
        Flags.A | Flags.B,
        Flags(0),
        Pair(1, Frozen(2)),
        {"k": [(Frozen(3),)]},
    ],
)
def test_nested_values(part: Any) -> None:
    item = Item(id="i", part=part)
    copy = again(item)
    assert copy.part == part and type(copy.part) is type(part)
    undecoded = decode(pack_state(item, bundle_of))
    assert encode(undecoded) == pack_state(item, bundle_of)


def test_an_object_within_an_object_keeps_its_metadata() -> None:
    copy = again(Item(id="i", part=Item(id="j", name="inner", path="/x", version=4)))
    assert (copy.part.name, copy.part.path, copy.part.version) == ("inner", "/x", 4)


def test_old_state_meets_a_new_class() -> None:
    data = encode({"id": "i", "gone": 7, "part": Record("Frozen", "bundle-Frozen", {"x": 1})})
    item = unpack_state(data, Item, class_of)
    assert (item.price, item.tags, item.part, item.gone) == (0.0, [], Frozen(1), 7)
    assert decode(pack_state(item, bundle_of))["gone"] == 7
    item.tags.append("own")
    assert unpack_state(data, Item, class_of).tags == []


def test_a_new_field_without_default_is_asked_for() -> None:
    with pytest.raises(Invalid, match="the state has no x, which the class Frozen requires"):
        unpack_state(encode({}), Frozen, class_of)


def test_metadata_in_a_state_is_ignored() -> None:
    item = unpack_state(encode({"owner": "root", "perms": "rwxrwxrwx", "__class__": 1, "id": "i"}), Item, class_of)
    assert (item.owner, item.perms, type(item)) == ("", EmergeObject().perms, Item)


def test_the_field_that_cannot_be_written_is_named() -> None:
    with pytest.raises(CannotShip, match=r"field 'part\.b\[1\]' holds a object"):
        pack_state(Item(part=Slotted(b=[1, object()])), bundle_of)  # type: ignore[list-item]
    with pytest.raises(Invalid, match=r"field 'id'.*surrogate"):
        pack_state(Item(id="\ud800"), bundle_of)
    assert again(Item(id="i", price=2**80)).price == 2**80


@pytest.mark.parametrize(
    "value",
    [
        [1],
        {"part": Record("Grade", "bundle-Grade", {"name": "BAD"})},
        {"part": Record("Grade", "bundle-Grade", {})},
        {"part": Record("Pair", "bundle-Pair", {"left": 1})},
    ],
)
def test_a_state_that_does_not_fit(value: Any) -> None:
    with pytest.raises(Invalid):
        unpack_state(encode(value), Item, class_of)


def test_a_changed_record_keeps_its_class() -> None:
    record = decode(pack_state(Item(part=Frozen(1)), bundle_of))["part"]
    assert record == Record("Frozen", "bundle-Frozen", {"x": 1, "tags": frozenset()})
    edited = encode({"part": Record(record.class_name, record.bundle, {**record.fields, "x": 5})})
    assert unpack_state(edited, Item, class_of).part == Frozen(5)
    assert len({record, decode(encode(record))}) == 1
