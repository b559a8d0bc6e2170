"""The classes of the objects that the tests ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

from emerge_wasm import EmergeFile
from emerge_wasm.codec import Reference


class Colour(Enum):
    RED = 1
    BLUE = 2


@dataclass
class Line:
    """A line of an order."""

    text: str
    amount: int = 1
    part: Reference | None = None


@dataclass
class Thing(EmergeFile):
    """Whatever has a price."""

    unit_price: float | None = 0.0

    def total(self, count: int = 1) -> float:
        return (self.unit_price or 0.0) * count

    def lower(self, by: float) -> None:
        self.unit_price = (self.unit_price or 0.0) - by


@dataclass
class Widget(Thing):
    """A widget."""

    quantity: int = 0
    title: str = ""
    tags: list[str] = field(default_factory=list)
    supplier: Reference | None = None


@dataclass
class Supplier(EmergeFile):
    city: str = ""


@dataclass
class Everything(EmergeFile):
    """A field of each kind."""

    number: int = 0
    flag: bool = False
    raw: bytes = b""
    moment: datetime | None = None
    day: date | None = None
    span: timedelta | None = None
    price: Decimal = Decimal("0")
    mark: UUID | None = None
    words: set[str] = field(default_factory=set)
    pair: tuple[int, int] = (0, 0)
    choice: Literal["a", "b"] = "a"
    free: dict[str, Any] = field(default_factory=dict)
    either: int | str = 0
    colour: Colour | None = None
    line: Line | None = None
    lines: list[Line] = field(default_factory=list)
    parts: list[Reference] = field(default_factory=list)
    size: int = 7
    größe: int = 0
