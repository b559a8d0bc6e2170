"""The objects that can fit a predicate, as ranges of single fields that indexes can answer. Always a superset.

Data only; `derive.py` derives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as option
from typing import Any, Final


class Absent:
    """The type of ABSENT."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()
"""The open end of a range."""


@dataclass(frozen=True, slots=True)
class Everything:
    """Any object may fit."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No object fits."""


@dataclass(frozen=True, slots=True)
class Range:
    """Objects whose field is a value from `low` to `high`, both included, of the same family; either may be ABSENT.

    Objects whose field has no place in an order may fit as well, but none without that attribute: the field is read.

    The other objects do not fit, but reading or comparing the field may raise on them: on those whose value is of
    another family unless it is asked for an `equal` one, and on those without the attribute unless `there` is asked
    first. Without bounds, only that the attribute is there is asked.
    """

    field: str
    low: Any = ABSENT
    high: Any = ABSENT
    equal: bool = option(default=False, compare=False)
    there: bool = option(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Both:
    """Objects that fit all of the parts."""

    parts: tuple[RangeSet, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Objects that fit at least one of the parts."""

    parts: tuple[RangeSet, ...]


RangeSet = Everything | Nothing | Range | Both | Either


def both(parts: list[RangeSet]) -> RangeSet:
    """Join parts by `and`, simplified."""
    flat = _distinct([one for part in parts for one in (part.parts if isinstance(part, Both) else (part,))])
    kept = [part for part in flat if not isinstance(part, Everything)]
    if any(isinstance(part, Nothing) for part in kept):
        return Nothing()
    return Everything() if not kept else kept[0] if len(kept) == 1 else Both(tuple(kept))


def either(parts: list[RangeSet]) -> RangeSet:
    """Join parts by `or`, simplified."""
    flat = _distinct([one for part in parts for one in (part.parts if isinstance(part, Either) else (part,))])
    kept = [part for part in flat if not isinstance(part, Nothing)]
    if any(isinstance(part, Everything) for part in kept):
        return Everything()
    return Nothing() if not kept else kept[0] if len(kept) == 1 else Either(tuple(kept))


def _distinct(parts: list[RangeSet]) -> list[RangeSet]:
    return list(dict.fromkeys(parts))


def ranges_in(want: RangeSet) -> list[Range]:
    """Return all ranges, also those within others."""
    if isinstance(want, Range):
        return [want]
    return [each for part in want.parts for each in ranges_in(part)] if isinstance(want, Both | Either) else []
