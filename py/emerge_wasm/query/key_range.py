"""Which objects can fit a predicate at all, by ranges of single fields: what indexes are asked. Always a superset.

Data only; `range.py` derives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""The open end of a range."""


@dataclass(frozen=True, slots=True)
class Everything:
    """Any object may fit."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No object fits."""


@dataclass(frozen=True, slots=True)
class Range:
    """Objects whose field is a value from `low` to `high`, both included, either may be ABSENT: values of one family
    (those that can be compared with the ends). Objects whose field has no place in an order may fit as well, but
    none that has no such attribute: the field is read."""

    field: str
    low: Any = ABSENT
    high: Any = ABSENT


@dataclass(frozen=True, slots=True)
class Both:
    """What fits all of the parts."""

    parts: tuple[Want, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """What fits at least one of the parts."""

    parts: tuple[Want, ...]


Want = Everything | Nothing | Range | Both | Either


def both(parts: list[Want]) -> Want:
    """The parts joined by and, as short as they can be said."""
    flat = _distinct([one for part in parts for one in (part.parts if isinstance(part, Both) else (part,))])
    kept = [part for part in flat if not isinstance(part, Everything)]
    if any(isinstance(part, Nothing) for part in kept):
        return Nothing()
    return Everything() if not kept else kept[0] if len(kept) == 1 else Both(tuple(kept))


def either(parts: list[Want]) -> Want:
    """The parts joined by or, as short as they can be said."""
    flat = _distinct([one for part in parts for one in (part.parts if isinstance(part, Either) else (part,))])
    kept = [part for part in flat if not isinstance(part, Nothing)]
    if any(isinstance(part, Everything) for part in kept):
        return Everything()
    return Nothing() if not kept else kept[0] if len(kept) == 1 else Either(tuple(kept))


def _distinct(parts: list[Want]) -> list[Want]:
    return list(dict.fromkeys(parts))
