"""An instance that could not be read again is refused when it is written, by the name of what it lacks."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from emerge_wasm import CannotShip, EmergeFile
from emerge_wasm.codec import pack_state, unpack_state


@dataclass
class Whole(EmergeFile):
    x: int
    y: int = 1
    z: list[int] = field(default_factory=list)
    made: int = field(init=False)


@dataclass(slots=True)
class Slotted(EmergeFile):
    x: int


def no_bundle(cls: type) -> str:
    return ""


def no_class(bundle: str, name: str) -> type:
    raise AssertionError


@pytest.mark.parametrize("cls", [Whole, Slotted])
def test_a_deleted_field_is_named(cls: type[Whole]) -> None:
    obj = cls(x=1, name="o")
    del obj.x
    with pytest.raises(CannotShip, match=f"{cls.__name__} has no x") as caught:
        pack_state(obj, no_bundle)
    assert caught.value.details["field"] == "x"


def test_what_takes_its_default_may_be_deleted() -> None:
    obj = Whole(x=1, name="o")
    del obj.y, obj.z  # `made` was never set
    again = unpack_state(pack_state(obj, no_bundle), Whole, no_class)
    assert (again.x, again.y, again.z) == (1, 1, [])
