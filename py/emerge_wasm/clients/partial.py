"""Telling a program that an answer lacks what nodes hold that are away, or comes from a copy of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import InconsistentAnswer, PartialAnswer, StaleAnswer

if TYPE_CHECKING:
    from ..context import Wire


def add_missing(known: list[str], names: Sequence[str]) -> None:
    """Add the names of nodes that are away to those known, and warn of new ones."""
    new = [name for name in names if name not in known]
    if new:
        known += new
        warnings.warn(PartialAnswer(new), stacklevel=2)


def tell_moved(answer: Mapping[str, object]) -> None:
    """Warn of what was moved while a search went on."""
    moved = answer.get("moved")
    if isinstance(moved, list):
        warnings.warn(InconsistentAnswer(moved), stacklevel=2)


STALE = "stale"
"""The key of an answer, or of each row of a stream, that came from a copy: a moment since which it may have changed."""

VALUES = frozenset({"cat"})
"""Operations that answer with a value of any kind, whose maps have keys of their own: a copy's is `mark_value`."""


def mark_value(value: object, as_of: str) -> Wire:
    """Wrap a copy's answer that is a value."""
    return {STALE: as_of, "value": value}


def take_value(answer: object) -> object:
    """Return a value, and warn of its age where a copy gave it."""
    if isinstance(answer, dict) and answer.keys() == {STALE, "value"}:
        warnings.warn(StaleAnswer(answer[STALE]), stacklevel=3)
        return answer["value"]
    return answer


def take_age(answer: object, *, warned: bool = False) -> bool:
    """Take the mark of a copy's answer off it, and warn of its age; whether that was done, now or before."""
    rows = answer if isinstance(answer, list) else [answer]
    ages = [row.pop("stale") for row in rows if isinstance(row, dict) and isinstance(row.get("stale"), str)]
    if ages and not warned:
        warnings.warn(StaleAnswer(min(ages)), stacklevel=3)
    return warned or bool(ages)
