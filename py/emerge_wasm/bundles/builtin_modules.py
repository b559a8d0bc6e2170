"""The modules that every expression may name without shipping anything, and what of them is known by which name.

An expression writes `datetime.date(2024, 5, 1)` however its author imported it. Standard library only.
"""

from __future__ import annotations

import datetime
import decimal
import math
import re
import uuid
from types import ModuleType
from typing import Any

GIVEN: dict[str, ModuleType] = {"datetime": datetime, "decimal": decimal, "math": math, "re": re, "uuid": uuid}


def _names() -> dict[int, tuple[str, Any]]:
    """By identity, the functions and classes of the given modules (held, so that an identity stays theirs)."""
    found: dict[int, tuple[str, Any]] = {id(module): (name, module) for name, module in GIVEN.items()}
    for name, module in GIVEN.items():
        for key, value in vars(module).items():
            public = callable(value) and not key.startswith("_")
            if public and getattr(value, "__module__", "").lstrip("_") in (name, "pydatetime", "pydecimal"):
                found.setdefault(id(value), (f"{name}.{key}", value))
    found[id(datetime.UTC)] = ("datetime.UTC", datetime.UTC)
    return found


_BY_IDENTITY = _names()


def given_name(value: Any) -> str:
    """What an expression calls this module, class or function: `datetime.date`; "" for what is not given."""
    return _BY_IDENTITY.get(id(value), ("", None))[0]
