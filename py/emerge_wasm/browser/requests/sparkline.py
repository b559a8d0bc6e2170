"""A series of numbers as a few points, for a small curve beside its text."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import islice

LEAST = 3  # numbers that are a series
BUCKETS = 32
LOOKED = 4000  # numbers of a long series that are looked at, evenly


def sparkline(value: object) -> list[float]:
    """Return numbers, or the second ones of pairs in the order of the first, as two points for each bucket: its lowest
    and its highest, in their order. What is missing (None, nan, an infinity) is left out. [] for what is no series.
    """
    if not isinstance(value, list | tuple | deque) or len(value) < LEAST:
        return []
    step = -(-len(value) // LOOKED)
    items = list(islice(value, 0, None, step))
    plain = _number(items[0]) is not None
    pairs: Iterable[tuple[object, object] | None] = enumerate(items) if plain else map(_pair, items)
    found: list[tuple[float, float]] = []
    for pair in pairs:
        first, second = (None, None) if pair is None else map(_number, pair)
        if first is None or second is None:
            return []
        if math.isfinite(first) and math.isfinite(second):
            found.append((first, second))
    return _thinned([second for _, second in sorted(found)]) if len(found) >= LEAST else []


def _thinned(numbers: Sequence[float]) -> list[float]:
    if len(numbers) <= 2 * BUCKETS:
        return list(numbers)
    thinned: list[float] = []
    for bucket in range(BUCKETS):
        part = numbers[bucket * len(numbers) // BUCKETS : (bucket + 1) * len(numbers) // BUCKETS]
        low, high = min(part), max(part)
        thinned += [low, high] if part.index(low) < part.index(high) else [high, low]
    return thinned


def _number(value: object) -> float | None:
    """Return a number, nan for one that is missing, None for what is none."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        return float(value)
    except (OverflowError, ValueError):  # an int beyond all floats, a signalling nan
        return math.nan


def _pair(value: object) -> tuple[object, object] | None:
    return (value[0], value[1]) if isinstance(value, list | tuple) and len(value) == 2 else None
