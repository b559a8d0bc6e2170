"""Rates and ratios: rounds of Emerge and of its peer in turn, the median of each, one table."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """One measurement: what, our median and those of the peers, and the ratio to the first that is aimed at."""

    what: str
    ours: float
    peers: list[float]
    aim: str = ""


def in_turn(*measures: Callable[[], float], rounds: int = ROUNDS) -> list[float]:
    """The medians of several measurements taken in turn, so that all meet the same machine."""
    taken = [[measure() for measure in measures] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def print_rows(title: str, unit: str, peers: list[str], rows: list[Row]) -> None:
    """The table of some measurements: each peer's figure with our ratio to it."""
    print(f"\n{title} ({unit})")
    print(f"{'':34}{'emerge':>11}" + "".join(f"{peer:>20}{'ratio':>8}" for peer in peers) + "  aim")
    for row in rows:
        cells = "".join(f"{peer:>20,.1f}{row.ours / peer:>8.2f}" for peer in row.peers)
        print(f"{row.what:34}{row.ours:>11,.1f}{cells}  {row.aim}", flush=True)
