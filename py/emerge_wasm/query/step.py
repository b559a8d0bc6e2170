"""What a node of an expression is compiled to. Data only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .row import Row

Read = Callable[[Row], Any]
KEPT = 4096
"""Length of a value that is worked out once and kept."""


@dataclass(slots=True)
class Step:
    """`read` gives the value on a row; `fixed`: it is `value` on all; `field`: it is only that attribute."""

    read: Read
    fixed: bool = False
    value: Any = None
    field: str = ""


def fixed(value: Any) -> Step:
    """A step that is the same on every row."""
    return Step(lambda row: value, fixed=True, value=value)
