"""The modules that every expression may name without shipping anything, and the names of their functions and classes.

An expression writes `datetime.date(2024, 5, 1)` however its author imported it. Standard library only.
"""

from __future__ import annotations

import datetime
import decimal
import math
import re
import time
import uuid
from types import ModuleType

BUILTIN_MODULES: dict[str, ModuleType] = {
    "datetime": datetime,
    "decimal": decimal,
    "math": math,
    "re": re,
    "time": time,
    "uuid": uuid,
}


def _names() -> dict[int, tuple[str, object]]:
    """Name the functions and classes of these modules by identity (held, so that an identity stays theirs)."""
    found: dict[int, tuple[str, object]] = {id(module): (name, module) for name, module in BUILTIN_MODULES.items()}
    for name, module in BUILTIN_MODULES.items():
        for key, value in vars(module).items():
            public = callable(value) and not key.startswith("_")
            if public and getattr(value, "__module__", "").lstrip("_") in (name, "pydatetime", "pydecimal"):
                found.setdefault(id(value), (f"{name}.{key}", value))
    found[id(datetime.UTC)] = ("datetime.UTC", datetime.UTC)
    return found


_BY_IDENTITY = _names()


def builtin_name(value: object) -> str:
    """Return the name of this module, class or function in an expression: `datetime.date`; "" for any other value."""
    return _BY_IDENTITY.get(id(value), ("", None))[0]


def full_names(name: str) -> list[str]:
    """Return what a bare name may stand for, written in full: `Decimal` is `decimal.Decimal`."""
    return sorted(full for full, _ in _BY_IDENTITY.values() if full.endswith(f".{name}"))
