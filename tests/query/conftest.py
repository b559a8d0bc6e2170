"""Objects whose state is what a search reads, beside the instances that a lambda would get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from functools import cached_property
from typing import Any

from emerge_wasm import EmergeFile
from emerge_wasm.bundles import capture
from emerge_wasm.bundles.expression import capture_expression
from emerge_wasm.codec import encode, pack_state, unpack_state
from emerge_wasm.objects import METADATA
from emerge_wasm.operations import Wire
from emerge_wasm.query.predicate import Predicate, read_predicate
from emerge_wasm.query.row import Row
from emerge_wasm.query.shape import shape_of


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 0
    HIGH = 3


@dataclass
class Address:
    city: str = ""
    zip: str = "0"
    lines: list[str] = field(default_factory=list)

    def label(self) -> str:
        return f"{self.zip} {self.city}"


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0


@dataclass
class Item(EmergeFile):
    price: Any = 0.0
    count: Any = 1
    title: Any = ""
    tags: list[Any] = field(default_factory=list)
    address: Address | None = None
    color: Color = Color.RED
    level: Level = Level.LOW
    point: Point | None = None
    kind = "plain"

    def total(self) -> Any:
        return self.price * self.count

    @property
    def half(self) -> Any:
        return self.count / 2

    @cached_property
    def twice(self) -> Any:
        return self.count * 2


def bundle_of(cls: type) -> str:
    return capture(cls)[-1].hash


def bundles_of(*classes: type) -> dict[str, bytes]:
    return {bundle.hash: bundle.data for cls in classes for bundle in capture(cls)}


def pointer_of(obj: Any) -> Wire:
    return {name: getattr(obj, name) for name in METADATA}


def row_of(obj: Any) -> Row:
    """The row that a search makes of a stored object."""
    bundles = bundles_of(type(obj))
    return Row(pointer_of(obj), pack_state(obj, bundle_of), shape_of(bundle_of(type(obj)), bundles.get))


def again(obj: Any) -> Any:
    """The object as a runner makes it of its state."""
    made = unpack_state(pack_state(obj, bundle_of), type(obj), lambda bundle, name: _class_of(name))
    for name in METADATA:
        setattr(made, name, getattr(obj, name))
    return made


def _class_of(name: str) -> type:
    return {cls.__name__: cls for cls in (Color, Level, Address, Point, Item)}[name]


def predicate(function: Callable[[Any], Any]) -> Predicate:
    expression = capture_expression(function)
    return read_predicate(expression.to_wire(), expression.bundles)


def from_text(text: str, **values: Any) -> Predicate:
    return read_predicate({"text": text, "values": encode(values), "bundle": ""})
