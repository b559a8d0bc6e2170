"""Aggregate functions over a stream of values: exact, in any order. Pure.

Integers stay integers and decimals stay decimals. Floats are summed without rounding until the end; with decimals among
them, the sum is a decimal. A value that a figure cannot take raises TypeError.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction
from typing import Any, Protocol

from ...codec import encode
from ...errors import Invalid
from ...query.order import order_key

_EXACT = Context(prec=2000, Emax=MAX_EMAX, Emin=MIN_EMIN)
_ROUNDED = Context(prec=28, Emax=MAX_EMAX, Emin=MIN_EMIN)
_BITS = 1074  # after the binary point of the smallest float


class Figure(Protocol):
    """One figure of one group. `held`: how many values it keeps in memory."""

    held: int

    def add(self, value: object) -> None: ...

    def result(self) -> object: ...


@dataclass(slots=True)
class Count:
    held: int = 0
    total: int = 0

    def add(self, value: object) -> None:
        self.total += 1

    def result(self) -> int:
        return self.total


@dataclass(slots=True)
class Sum:
    """The sum of numbers, or of time spans."""

    held: int = 0
    count: int = 0
    _ints: int = 0
    _floats: int = 0  # their sum, times 2 to the power of _BITS
    _odd: float | None = None  # the sum of infinities and NaN
    _kinds: set[type] = field(default_factory=set)
    _decimals: Decimal = Decimal(0)
    _span: timedelta = timedelta(0)

    def add(self, value: object) -> None:
        kind = bool_as_int(type(value))
        if kind not in (int, float, Decimal, timedelta):
            raise TypeError(f"a {kind.__name__} is no number")
        if self._kinds and (kind is timedelta) is not (timedelta in self._kinds):
            raise TypeError("numbers and time spans cannot be added")
        self._kinds.add(kind)
        self.count += 1
        if isinstance(value, int):
            self._ints += value
        elif isinstance(value, float):
            self._add_float(value)
        elif isinstance(value, Decimal):
            self._decimals = _EXACT.add(self._decimals, value)
        elif isinstance(value, timedelta):
            self._span += value

    def _add_float(self, value: float) -> None:
        if math.isfinite(value):
            above, below = value.as_integer_ratio()
            self._floats += above << _BITS + 1 - below.bit_length()
        else:
            self._odd = value if self._odd is None else self._odd + value

    def result(self) -> object:
        if timedelta in self._kinds:
            return self._span
        if Decimal in self._kinds:
            return self._decimal()
        if float not in self._kinds:
            return self._ints
        return self._odd if self._odd is not None else nearest_float(self._fraction())

    def mean(self) -> object:
        if not self.count:
            return None
        if timedelta in self._kinds:
            return self._span / self.count
        if Decimal in self._kinds:
            return _ROUNDED.divide(self._decimal(), Decimal(self.count))
        return self._odd if self._odd is not None else nearest_float(self._fraction() / self.count)

    def _fraction(self) -> Fraction:
        return Fraction(self._floats, 1 << _BITS) + self._ints

    def _decimal(self) -> Decimal:
        total = _EXACT.add(self._decimals, Decimal(self._ints))
        if self._odd is not None:
            return _EXACT.add(total, Decimal(self._odd))
        floats = _EXACT.divide(Decimal(self._floats), Decimal(1 << _BITS)) if self._floats else Decimal(0)
        return _EXACT.add(total, floats)


@dataclass(slots=True)
class Mean(Sum):
    def result(self) -> object:
        return self.mean()


@dataclass(slots=True)
class Extreme:
    """The least or greatest value in the order of `order_key`, so that values of several families compare."""

    greatest: bool
    held: int = 1
    _found: tuple[bytes, Any] | None = None

    def add(self, value: object) -> None:
        key = order_key(value)
        if key is None:
            raise TypeError(f"a {type(value).__name__} has no place in an order")
        if self._found is None or self._is_beyond(key, value):
            self._found = key, value

    def _is_beyond(self, key: bytes, value: Any) -> bool:
        assert self._found is not None
        held, other = self._found
        if key != held:
            return (key > held) is self.greatest
        return bool(value > other if self.greatest else value < other)

    def result(self) -> object:
        return None if self._found is None else self._found[1]


@dataclass(slots=True)
class Distinct:
    """The number of different values."""

    held: int = 0
    _seen: set[Hashable] = field(default_factory=set)

    def add(self, value: object) -> None:
        self._seen.add(identity(value))
        self.held = len(self._seen)

    def result(self) -> int:
        return len(self._seen)


@dataclass(slots=True)
class Sample:
    """A function of all values in order, computed at the end."""

    measure: Callable[[list[Any]], object]
    held: int = 0
    _values: list[Any] = field(default_factory=list)
    _decimal: bool = False

    def add(self, value: object) -> None:
        if bool_as_int(type(value)) not in (int, float, Decimal):
            raise TypeError(f"a {type(value).__name__} is no number")
        self._decimal = self._decimal or type(value) is Decimal
        self._values.append(value)
        self.held += 1

    def result(self) -> object:
        values = [Decimal(value) for value in self._values] if self._decimal else self._values
        if not values:
            return None
        if any(math.isnan(value) for value in values):
            return math.nan
        return self.measure(sorted(values))


def deviation(values: list[Any]) -> object:
    """Return the standard deviation of a sample (n - 1); None for a single value."""
    if len(values) < 2:
        return None
    return statistics.stdev(values) if all(map(math.isfinite, values)) else math.nan


def percentile(values: list[Any], percent: float) -> object:
    """Interpolate linearly between the two nearest values, as numpy does by default."""
    place = Fraction(percent) * (len(values) - 1) / 100
    low = math.floor(place)
    part = place - low
    if not part:
        return values[low]
    first, second = values[low], values[low + 1]
    if isinstance(first, Decimal):
        return _ROUNDED.add(first, _ROUNDED.multiply(second - first, Decimal(float(part))))
    if not (math.isfinite(first) and math.isfinite(second)):
        return first + (second - first) * float(part)
    return nearest_float(Fraction(first) + (Fraction(second) - Fraction(first)) * part)


def make_figure(name: str, arguments: Sequence[object]) -> Callable[[], Figure]:
    """Return the factory of a function's figures.

    Raises:
        Invalid: the function is unknown or its arguments are wrong.
    """
    if name == "percentile":
        percent = arguments[0] if len(arguments) == 1 else None
        if isinstance(percent, bool) or not isinstance(percent, (int, float)) or not 0 <= percent <= 100:
            raise Invalid("percentile wants a field and a number from 0 to 100", remedy='["percentile", "price", 95]')
        return lambda: Sample(lambda values: percentile(values, percent))
    make = _MAKERS.get(name)
    if make is None or arguments:
        raise Invalid(f"there is no figure {[name, *arguments]!r:.80}", remedy=f"one of: {', '.join(FUNCTIONS)}")
    return make


_MAKERS: dict[str, Callable[[], Figure]] = {
    "count": Count,
    "sum": Sum,
    "mean": Mean,
    "min": lambda: Extreme(False),
    "max": lambda: Extreme(True),
    "std": lambda: Sample(deviation),
    "median": lambda: Sample(lambda values: percentile(values, 50)),
    "distinct": Distinct,
}
FUNCTIONS = (*_MAKERS, "percentile")


def bool_as_int(kind: type) -> type:
    return int if kind is bool else kind


def nearest_float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


_OWN = frozenset({str, bytes, bool, type(None)})
_NUMBERS = frozenset({int, float, Decimal})


def identity(value: object) -> Hashable:
    """Return the same for equal numbers (but not for True and 1), and for equal values of one type."""
    kind = type(value)
    if kind in _OWN:
        return kind.__name__, value
    if kind in _NUMBERS and isinstance(value, (int, float, Decimal)) and not math.isnan(value):
        return "number", value
    return kind.__name__, encode(value)
