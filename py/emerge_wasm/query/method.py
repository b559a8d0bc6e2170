"""The attributes and methods of plain values that an expression may use: they change nothing, and are bounded.

No other attribute of a value is ever read.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from ..codec import Reference
from .bound import LENGTH, TEXT, WORK, walked
from .nested import NeedsCode, Nested

_DATE = frozenset({"year", "month", "day"})
_TIME = frozenset({"hour", "minute", "second", "microsecond", "fold"})
_NUMBER = frozenset({"real", "imag"})
ATTRIBUTES: dict[type, frozenset[str]] = {
    date: _DATE,
    datetime: _DATE | _TIME,
    time: _TIME,
    timedelta: frozenset({"days", "seconds", "microseconds"}),
    int: _NUMBER,
    float: _NUMBER,
    bool: _NUMBER,
    complex: _NUMBER,
    UUID: frozenset({"hex", "int", "version", "variant", "bytes", "urn"}),
    Reference: frozenset({"uuid"}),
    range: frozenset({"start", "stop", "step"}),
}

_TEXT = frozenset(
    (
        "upper lower title capitalize swapcase strip lstrip rstrip startswith endswith find rfind index rindex count"
        " split rsplit splitlines partition rpartition replace removeprefix removesuffix join ljust rjust center zfill"
        " isalnum isalpha isascii isdigit islower isspace istitle isupper"
    ).split()
)
_OF_DATE = frozenset({"isoformat", "weekday", "isoweekday", "toordinal", "replace"})
_SET = frozenset("issubset issuperset isdisjoint union intersection difference symmetric_difference".split())
METHODS: dict[type, frozenset[str]] = {
    str: _TEXT | {"casefold", "isdecimal", "isnumeric", "isidentifier", "isprintable"},
    bytes: _TEXT | {"hex"},
    list: frozenset({"index", "count"}),
    tuple: frozenset({"index", "count"}),
    dict: frozenset({"get", "keys", "values", "items"}),
    set: _SET,
    frozenset: _SET,
    date: _OF_DATE,
    datetime: _OF_DATE | {"date", "time", "timetz", "timestamp", "utcoffset", "astimezone"},
    time: frozenset({"isoformat", "replace", "utcoffset"}),
    timedelta: frozenset({"total_seconds"}),
    int: frozenset({"bit_length", "bit_count", "conjugate", "is_integer"}),
    float: frozenset({"is_integer", "conjugate"}),
    complex: frozenset({"conjugate"}),
    Decimal: frozenset({"is_nan", "is_infinite", "is_finite", "is_zero", "is_signed"}),
}
_WALKED = frozenset({list, tuple, set, frozenset})
_WIDE = frozenset({"ljust", "rjust", "center", "zfill"})


def attribute(value: object, name: str) -> object:
    """Return the attribute of a plain value, as Python would."""
    kind = type(value)
    if isinstance(value, Nested):
        return value.read(name)
    if name in ATTRIBUTES.get(kind, ()) or not hasattr(kind, name):
        found: object = getattr(value, name)  # where there is none, Python's own error
        return found
    raise NeedsCode(f"{kind.__name__}.{name} is not used outside a sandbox")


def find_method(value: object, name: str) -> Callable[..., object]:
    """Return the bound method of a plain value."""
    kind = type(value)
    if isinstance(value, Nested):
        raise NeedsCode(f"{name} is a method of {value.class_name}")
    if name not in METHODS.get(kind, ()) and hasattr(kind, name):
        raise NeedsCode(f"{kind.__name__}.{name} is not used outside a sandbox")
    method: Callable[..., object] = getattr(value, name)
    return method


def call_method(
    value: object, bound: Callable[..., object], name: str, args: list[object], named: dict[str, object]
) -> object:
    """Call a bound method. Raises NeedsCode when that could take long."""
    given = [*args, *named.values()]
    if isinstance(value, str | bytes):
        for item in given if name == "join" else ():
            walked(item)
        _check_text(value, name, given)
    elif type(value) in _WALKED:
        for item in (value, *given):
            walked(item)
    refuse_nested(given)
    return bound(*args, **named)


def is_short(name: str, given: list[object]) -> bool:
    """Tell whether a method of a short text, with these arguments, makes only short results."""
    plain = name in METHODS[str] and name not in _WIDE and name not in ("join", "replace")
    return plain and all(type(item) is int or (type(item) is str and len(item) < 64) for item in given)


def refuse_nested(values: list[object]) -> None:
    """Raise NeedsCode for an instance: a built-in function depends on its class, which may be text, or a number."""
    for value in values:
        inner = value if isinstance(value, list | tuple) else ()
        if type(value) is Nested or any(type(item) is Nested for item in inner):
            raise NeedsCode("what an instance is for a function is up to its class")


def _check_text(value: str | bytes, name: str, given: list[object]) -> None:
    texts = [item for item in given if isinstance(item, str | bytes)]
    longest = max(map(len, texts), default=0)
    numbers = [item for item in given if isinstance(item, int)]
    made = longest * (len(value) + 1) if name == "replace" else 0
    if name == "join":
        items = [item for items in given if isinstance(items, list | tuple | set | frozenset | dict) for item in items]
        made = sum(len(value) + (len(item) if isinstance(item, str | bytes) else 0) for item in items)
    if name in _WIDE:
        made = max([0, *numbers])
    if made > LENGTH or len(value) > TEXT or len(value) * longest > WORK:
        raise NeedsCode(f"{name} could make more than is made outside a sandbox")
