"""Rates and ratios: rounds of Emerge and of its peer in turn, the median of each, one table."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NotRequired, TypedDict

ROUNDS = 5


class Result(TypedDict):
    """A row as it is written to a file; the first of the peers is the one that is aimed at. `bench` made it."""

    title: str
    unit: str
    what: str
    emerge: float
    peers: dict[str, float]
    aim: str
    bench: NotRequired[str]


class Run(TypedDict):
    """A file of measurements: where and when they were made; `load` is that of the machine before and after them."""

    machine: dict[str, str | int]
    python: str
    date: str
    load: list[float]
    results: list[Result]


_taken: list[Result] = []
_load_before = os.getloadavg()[0]


@dataclass(frozen=True)
class Row:
    """One measurement: what, our median and those of the peers, and what is aimed at (see `aim.py`)."""

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
        beside = dict(zip(peers, row.peers, strict=True))
        _taken.append(Result(title=title, unit=unit, what=row.what, emerge=row.ours, peers=beside, aim=row.aim))
        cells = "".join(f"{peer:>20,.1f}{row.ours / peer:>8.2f}" for peer in row.peers)
        print(f"{row.what:34}{row.ours:>11,.1f}{cells}  {row.aim}", flush=True)


def write_results(path: Path, bench: str = "") -> None:
    """Write all that was printed so far, with the machine and the moment, as JSON; what is new was made by `bench`."""
    for row in _taken:
        row.setdefault("bench", bench)
    made = Run(
        machine={"processor": _processor(), "cores": os.cpu_count() or 1, "system": platform.platform()},
        python=sys.version.split()[0],
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        load=[round(_load_before, 1), round(os.getloadavg()[0], 1)],
        results=_taken,
    )
    path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _processor() -> str:
    """The processor's name; `platform` knows it only on some systems."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def read_run(path: Path) -> Run:
    """A file of measurements.

    Raises:
        SystemExit: it is none of these files.
    """
    try:
        found: Run = json.loads(path.read_text("utf-8"))
        _ = found["results"][:]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SystemExit(f"{path} has no measurements ({error}): write it by build.py bench --json FILE") from None
    return found
