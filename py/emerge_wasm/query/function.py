"""The functions and constructors that an expression may call outside a sandbox. Each of them is bounded."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Iterable, Sized
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from .bound import BINARY, BITS, HASHED, shown, walked
from .local_time import LocalTime
from .method import refuse_nested
from .nested import NeedsCode, Nested

T = TypeVar("T")
Function = Callable[..., object]
TYPES: dict[str, type] = {
    name: getattr(builtins, name)
    for name in ("str", "int", "float", "bool", "bytes", "complex", "list", "tuple", "dict", "set", "frozenset")
} | {
    "datetime.date": date,
    "datetime.datetime": datetime,
    "datetime.time": time,
    "datetime.timedelta": timedelta,
    "decimal.Decimal": Decimal,
    "uuid.UUID": UUID,
}
"""The types that isinstance may ask for."""

VALUES: dict[str, object] = {
    "datetime.UTC": UTC,
    "datetime.timezone.utc": UTC,
    "datetime.datetime.max": datetime.max,
    "datetime.datetime.min": datetime.min,
    "datetime.date.max": date.max,
    "datetime.date.min": date.min,
    "math.pi": math.pi,
    "math.e": math.e,
    "math.tau": math.tau,
    "math.inf": math.inf,
    "math.nan": math.nan,
}
_ADDED = frozenset({int, float, bool, Decimal, complex, timedelta})
_DIGITS = 1000
_SPAN = frozenset({"days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"})
_DATETIME = frozenset({"year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo", "fold"})


def _refuse(what: str) -> NeedsCode:
    return NeedsCode(f"{what} could take long")


def _sum(items: Iterable[Any], start: Any = 0) -> object:
    found = list(walked(items))
    if not _ADDED.issuperset({type(start), *map(type, found)}):
        raise _refuse("sum of what are not numbers")
    return sum(found, start)


def _least(items: Any, *more: Any, **named: Any) -> object:
    return min(items, *more, **named) if more else min(walked(items), **named)


def _most(items: Any, *more: Any, **named: Any) -> object:
    return max(items, *more, **named) if more else max(walked(items), **named)


def _walking(function: Function) -> Function:
    def call(items: object, **named: object) -> object:
        return function(walked(items), **named)

    return call


def _making(kind: Function) -> Function:
    def call(*items: object) -> object:
        return kind(*map(walked, items))

    return call


def _hashing(kind: Function) -> Function:
    def call(*items: object) -> object:
        for each in items:
            if isinstance(each, Sized) and len(walked(each)) > HASHED:
                raise _refuse("a set of so many")
        return kind(*items)

    return call


def _number(value: T) -> T:
    """Return a value that is about to be made a number. Raises NeedsCode for one of too many digits."""
    long_text = isinstance(value, str | bytes) and len(value) > _DIGITS
    long_number = isinstance(value, int) and value.bit_length() > BITS
    if long_text or long_number or (isinstance(value, Decimal) and abs(value.adjusted()) > _DIGITS):
        raise _refuse("a number of so many digits")
    return value


def _of_number(function: Function) -> Function:
    def call(*args: object, **named: object) -> object:
        return function(*map(_number, args), **named)

    return call


def _round(value: Any, ndigits: Any = None) -> object:
    if isinstance(ndigits, int) and abs(ndigits) > _DIGITS:
        raise _refuse("rounding to so many digits")
    return round(_number(value), ndigits)


def _text(value: object = "") -> str:
    return str(shown(value))


def _of_float(function: Function) -> Function:
    """Make a function of math that takes only types on which it runs no code."""

    def call(*args: object) -> object:
        if not {int, float, bool}.issuperset(map(type, args)):
            raise NeedsCode("math of what are not numbers")
        return function(*map(_number, args))

    return call


_MATH = (
    "floor ceil trunc sqrt fabs isnan isinf isfinite hypot log log2 log10 exp sin cos tan atan atan2 radians degrees"
)
_PLAIN: dict[str, Function] = {
    "len": len,
    "abs": abs,
    "bool": bool,
    "min": _least,
    "max": _most,
    "sum": _sum,
    "round": _round,
    "any": _walking(any),
    "all": _walking(all),
    "sorted": _walking(sorted),
    "list": _making(list),
    "tuple": _making(tuple),
    "set": _hashing(set),
    "frozenset": _hashing(frozenset),
    "str": _text,
    "int": _of_number(int),
    "float": _of_number(float),
    "range": range,
    "ord": ord,
    "chr": chr,
    "pow": BINARY["Pow"],
    "datetime.date": date,
    "datetime.datetime": datetime,
    "datetime.time": time,
    "datetime.timedelta": timedelta,
    "datetime.date.fromisoformat": date.fromisoformat,
    "datetime.datetime.fromisoformat": datetime.fromisoformat,
    "datetime.time.fromisoformat": time.fromisoformat,
    "decimal.Decimal": _of_number(Decimal),
    "uuid.UUID": UUID,
}
FUNCTIONS = _PLAIN | {f"math.{name}": _of_float(getattr(math, name)) for name in _MATH.split()}

CLOCK: dict[str, Callable[..., object]] = {
    "datetime.date.today": lambda local: local.today(date),
    "datetime.date.fromtimestamp": lambda local, seconds: local.date_of(date, seconds),
    "datetime.datetime.today": lambda local: local.today(datetime),
    "datetime.datetime.now": lambda local, tz=None: local.now(datetime, tz),
    "datetime.datetime.utcnow": lambda local: local.utcnow(datetime),
    "datetime.datetime.fromtimestamp": lambda local, timestamp, tz=None: local.datetime_of(datetime, timestamp, tz),
    "time.time": LocalTime.time,
    "time.time_ns": LocalTime.time_ns,
}
"""Functions of the caller's clock: each takes the LocalTime first."""

KEYWORDS: dict[str, frozenset[str]] = {
    "min": frozenset({"default"}),
    "max": frozenset({"default"}),
    "sum": frozenset({"start"}),
    "round": frozenset({"ndigits"}),
    "sorted": frozenset({"reverse"}),
    "int": frozenset({"base"}),
    "datetime.date": frozenset({"year", "month", "day"}),
    "datetime.datetime": _DATETIME,
    "datetime.time": _DATETIME,
    "datetime.timedelta": _SPAN,
    "datetime.datetime.now": frozenset({"tz"}),
    "datetime.datetime.fromtimestamp": frozenset({"timestamp", "tz"}),
}
"""The keyword arguments that a function may be given; a function that is not listed takes none."""
_MOST_ARGUMENTS = {"str": 1, "uuid.UUID": 1, "decimal.Decimal": 1}


def is_known(name: str, positional: int, named: list[str]) -> bool:
    """Tell whether this function can be called with these arguments outside a sandbox."""
    allowed = KEYWORDS.get(name, frozenset())
    return (
        (name in FUNCTIONS or name in CLOCK)
        and positional <= _MOST_ARGUMENTS.get(name, 100)
        and allowed.issuperset(named)
    )


TAKES_ANY = frozenset({"len", "bool", "any", "all", "min", "max", "sorted", "list", "tuple", "set", "frozenset"})
"""Functions that take an instance too: they call its methods, which refuse where they must."""


def call_function(name: str, function: Function, args: list[object], named: dict[str, object]) -> object:
    """Call one of FUNCTIONS."""
    if name not in TAKES_ANY:
        refuse_nested([*args, *named.values()])
    return function(*args, **named)


def is_instance(value: object, kinds: tuple[type, ...]) -> bool:
    """Return isinstance(value, kinds). Raises NeedsCode for an instance whose class may derive from one of them."""
    if isinstance(value, Nested):
        raise NeedsCode(f"what {value.class_name} is derived from is up to it")
    return isinstance(value, kinds)
