"""How much is tried: a little in each run, and all of it by command (`EMERGE_TEST_SCALE=large`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

SCALES = {"small": 1, "large": 20}
SCALE = SCALES[os.environ.get("EMERGE_TEST_SCALE", "small")]
R = TypeVar("R")
C = TypeVar("C")


def examples(small: int) -> int:
    """The number of examples, given that of a run which anyone waits for."""
    return small * SCALE


def pairs(rows: Sequence[R], columns: Sequence[C], each: int = 1) -> list[tuple[R, C]]:
    """Every row with so many of the columns, which take turns; by command with all. Neighbours share a column."""
    chosen = [
        (row, (number * each + turn) % len(columns))
        for number, row in enumerate(rows)
        for turn in range(each if SCALE == 1 else len(columns))
    ]
    return [(row, columns[column]) for row, column in sorted(chosen, key=lambda pair: pair[1])]
