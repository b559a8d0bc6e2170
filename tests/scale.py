"""How much is tried: a little in each run, and all of it by command (`EMERGE_TEST_SCALE=large`).

What a run tries of `sample` and `rotated`, and what Hypothesis generates, is another with each line of CHANGELOG.md
and the same on each machine: what passed where it was written passes where it is judged. `EMERGE_TEST_TURN=NUMBER`
tries another part, as does each run of all.
"""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

SCALES = {"small": 1, "large": 20}
SCALE = SCALES[os.environ.get("EMERGE_TEST_SCALE", "small")]
_CHANGES = Path(__file__).parents[1] / "CHANGELOG.md"
_USUAL = zlib.crc32(_CHANGES.read_bytes()) % 1_000_000 if SCALE == 1 else random.randrange(1_000_000)
TURN = os.environ.setdefault("EMERGE_TEST_TURN", str(_USUAL))  # pytest's workers inherit it
R = TypeVar("R")
C = TypeVar("C")


def examples(small: int) -> int:
    """The number of examples, given that of a run which anyone waits for."""
    return small * SCALE


def sample(rows: Sequence[R], share: int) -> list[R]:
    """One in so many of the rows, others in each run; by command all."""
    size = -(-len(rows) // share) if SCALE == 1 else len(rows)
    return [rows[at] for at in sorted(random.Random(TURN).sample(range(len(rows)), size))]


def in_turn(number: int, of: int) -> bool:
    """Tell whether it is this one's turn, of so many that cost much and take turns; by command always."""
    return SCALE > 1 or random.Random(TURN).randrange(of) == number


def tossed(name: str) -> bool:
    """Toss a coin for what goes by this name: it falls otherwise in another run."""
    return random.Random(f"{TURN} {name}").random() < 0.5


def rotated(rows: Sequence[R]) -> list[R]:
    """The rows, beginning with another one in each run."""
    start = random.Random(TURN).randrange(len(rows))
    return [*rows[start:], *rows[:start]]


def pairs(rows: Sequence[R], columns: Sequence[C], each: int = 1) -> list[tuple[R, C]]:
    """Every row with so many of the columns, which take turns; by command with all. Neighbours share a column."""
    chosen = [
        (row, (number * each + turn) % len(columns))
        for number, row in enumerate(rows)
        for turn in range(each if SCALE == 1 else len(columns))
    ]
    return [(row, columns[column]) for row, column in sorted(chosen, key=lambda pair: pair[1])]
