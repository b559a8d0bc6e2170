"""Make the clock functions of this process tell a caller's moment and time zone while a search's code runs.

Code names them in too many ways (`import datetime as dt`, a default argument, another package) to be given stand-ins,
and a stand-in for a class would be another type. So the functions themselves are replaced, in `time` and in the two
classes, for the duration of a block. The replacements ask which context calls: in any other they do as ever.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, tzinfo
from typing import Any

from ....bundles.registry import CLASSES
from ....context import Clock
from ....query.local_time import LocalTime

_local: ContextVar[LocalTime | None] = ContextVar("local_time", default=None)
_guard = threading.Lock()  # guards _depth and what is replaced
_depth = 0

Functions = dict[str, Any]


@contextmanager
def caller_clock(clock: Clock | None, bundles: Iterable[str]) -> Iterator[Callable[[type], None]]:
    """Have the clock functions tell this clock in this context; None changes nothing.

    In the modules of these bundles' classes, names that were bound to functions of `time` before (`from time import
    time`) are replaced too. Yields a function to call with each class that was not loaded then.
    """
    if clock is None:
        yield lambda cls: None
        return
    covered: dict[str, Functions] = {}

    def cover(cls: type) -> None:
        if cls.__module__ not in covered and cls.__module__ in sys.modules:
            names = covered[cls.__module__] = vars(sys.modules[cls.__module__])
            _swap(names, _REPLACED)

    def cover_all() -> None:
        for hash in bundles:
            if hash in CLASSES:
                cover(CLASSES[hash])

    cover_all()
    token = _local.set(LocalTime(clock))
    _enter()
    try:
        yield cover
    finally:
        _local.reset(token)
        cover_all()
        for names in covered.values():
            _swap(names, _RESTORED)
        _leave()


def _enter() -> None:
    global _depth
    with _guard:
        _depth += 1
        if _depth == 1:
            vars(time).update(_TIME)
            for cls, functions in _METHODS.items():
                _replace(cls, functions)


def _leave() -> None:
    global _depth
    with _guard:
        _depth -= 1
        if _depth == 0:
            vars(time).update(_TIME_BEFORE)
            for cls, functions in _METHODS_BEFORE.items():
                _replace(cls, functions)


def _replace(cls: type, functions: Functions) -> None:
    """Replace methods of a class that Python does not let one assign to."""
    import ctypes  # only here: a page's memory snapshot should not hold it

    gc.get_referents(cls.__dict__)[0].update(functions)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(cls))  # compiled code remembers what it found


def _swap(names: Functions, others: dict[int, object]) -> None:
    for name, value in list(names.items()):
        if id(value) in others:
            names[name] = others[id(value)]


def _by(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of `time` that asks the context."""
    told = getattr(LocalTime, name)

    def function(*args: Any) -> Any:
        local = _local.get()
        return real(*args) if local is None else told(local, *args)

    function.__name__ = function.__qualname__ = name
    function.__module__, function.__doc__ = "time", real.__doc__
    return function


_TIME_BEFORE: Functions = {
    name: getattr(time, name)
    for name in ("time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "mktime", "strftime")
}
_TIME: Functions = {name: _by(name, real) for name, real in _TIME_BEFORE.items()}
_REPLACED: dict[int, object] = {id(real): _TIME[name] for name, real in _TIME_BEFORE.items()}
_RESTORED: dict[int, object] = {id(_TIME[name]): real for name, real in _TIME_BEFORE.items()}


def _real(cls: type, name: str) -> Callable[[Any], Callable[..., Any]]:
    """Return what binds a method of a class, as it was, to an instance or a class."""
    found = cls.__dict__[name]
    return lambda owner: found.__get__(None, owner) if isinstance(owner, type) else found.__get__(owner)


_today, _date_from = _real(date, "today"), _real(date, "fromtimestamp")
_now, _utcnow = _real(datetime, "now"), _real(datetime, "utcnow")
_datetime_from = _real(datetime, "fromtimestamp")
_timestamp, _as_timezone = _real(datetime, "timestamp"), _real(datetime, "astimezone")


def today(cls: type[date]) -> date:
    local = _local.get()
    return _today(cls)() if local is None else local.today(cls)


def date_from(cls: type[date], timestamp: float, /) -> date:
    local = _local.get()
    return _date_from(cls)(timestamp) if local is None else local.date_of(cls, timestamp)


def now(cls: type[datetime], tz: tzinfo | None = None) -> datetime:
    local = _local.get()
    return _now(cls)(tz) if local is None else local.now(cls, tz)


def utcnow(cls: type[datetime]) -> datetime:
    local = _local.get()
    return _utcnow(cls)() if local is None else local.utcnow(cls)


def datetime_from(cls: type[datetime], timestamp: float, tz: tzinfo | None = None) -> datetime:
    local = _local.get()
    return _datetime_from(cls)(timestamp, tz) if local is None else local.datetime_of(cls, timestamp, tz)


def timestamp(self: datetime) -> float:
    local = _local.get()
    return _timestamp(self)() if local is None else local.timestamp(self)


def astimezone(self: datetime, tz: tzinfo | None = None) -> datetime:
    local = _local.get()
    return _as_timezone(self)(tz) if local is None else local.as_timezone(self, tz)


_METHODS: dict[type, Functions] = {
    date: {"today": classmethod(today), "fromtimestamp": classmethod(date_from)},
    datetime: {
        "now": classmethod(now),
        "utcnow": classmethod(utcnow),
        "fromtimestamp": classmethod(datetime_from),
        "timestamp": timestamp,
        "astimezone": astimezone,
    },
}
_METHODS_BEFORE: dict[type, Functions] = {
    cls: {name: cls.__dict__[name] for name in functions} for cls, functions in _METHODS.items()
}
