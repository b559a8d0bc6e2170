"""A series of numbers as a few points, for a small curve beside its text."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from itertools import islice

LEAST = 3  # numbers that are a series
BUCKETS = 32
LOOKED = 4000  # numbers of a long series that are looked at, evenly


def sparkline(value: object) -> list[float]:
    """Return numbers, or the second ones of pairs in the order of the first, as two points for each bucket: its lowest
    and its highest, in their order. [] for what is no series.
    """
    if not isinstance(value, list | tuple | deque) or len(value) < LEAST:
        return []
    step = -(-len(value) // LOOKED)
    items = list(islice(value, 0, None, step))
    if _number(items[0]) is not None:
        numbers = [_number(each) for each in items]
    else:
        pairs = [_pair(each) for each in items]
        if None in pairs:
            return []
        numbers = [second for _, second in sorted(pair for pair in pairs if pair is not None)]
    found = [each for each in numbers if each is not None]
    if len(found) < len(numbers) or len(found) < LEAST:
        return []
    return _thinned(found)


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
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _pair(value: object) -> tuple[float, float] | None:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    first, second = map(_number, value)
    return None if first is None or second is None else (first, second)
