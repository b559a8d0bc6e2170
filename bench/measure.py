"""Rates and ratios: rounds of Emerge and of its peer in turn, the median of each, one table."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """One measurement: what, ours and the peer's median, their unit, the ratio aimed at ("" for none)."""

    what: str
    ours: float
    peer: float
    unit: str
    aim: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.peer if self.peer else float("nan")


def in_turn(ours: Callable[[], float], peer: Callable[[], float], rounds: int = ROUNDS) -> tuple[float, float]:
    """The medians of two measurements taken alternately, so that both meet the same machine."""
    pairs = [(ours(), peer()) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def print_rows(title: str, peer: str, rows: list[Row]) -> None:
    print(f"\n{title}\n{'':38}{'emerge':>12}{peer:>18}{'ratio':>9}  aim")
    for row in rows:
        print(f"{row.what:38}{row.ours:>12,.1f}{row.peer:>18,.1f}{row.ratio:>9.2f}  {row.aim}  ({row.unit})")
