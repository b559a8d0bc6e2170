"""What became slower from one run of the measurements to another: `python3 build.py bench compare A.json B.json`.

Two runs meet a machine in different moods, so what is compared is the ratio to the peer that ran beside; a figure
without one is compared as it is. Exit code 1 when something became slower.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .measure import Result, read_run

TOLERANCE = 1.15
"""Ratios differ by as much from run to run."""
TIMES = frozenset({"µs", "ms", "milliseconds", "seconds", "false alarms"})
"""Units of which less is better."""


def slowdown(before: Result, after: Result) -> float:
    """How many times slower it became: 2.0 is half as fast."""
    change = _figure(after) / _figure(before)
    return change if after["unit"] in TIMES else 1 / change


def _figure(result: Result) -> float:
    peer = next(iter(result["peers"].values()), 1.0)
    return result["emerge"] / peer


def compare(before: list[Result], after: list[Result]) -> list[tuple[float, Result, Result]]:
    """What both have, by how much slower it became, the worst first."""
    old = {(each["title"], each["what"]): each for each in before}
    pairs = [(old[key], each) for each in after if (key := (each["title"], each["what"])) in old]
    return sorted(((slowdown(*pair), *pair) for pair in pairs), key=lambda row: row[0], reverse=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="build.py bench compare", description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    given = parser.parse_args(arguments)
    rows = compare(read_run(given.before)["results"], read_run(given.after)["results"])
    if not rows:
        sys.stdout.write("the two files have no measurement in common\n")
        return 2
    for times, before, after in rows:
        word = "slower" if times > TOLERANCE else "faster" if times < 1 / TOLERANCE else "as before"
        change = f"{_figure(before):.3g} → {_figure(after):.3g}"
        sys.stdout.write(f"{word:10}{max(times, 1 / times):6.2f}x  {change:22}{after['title']}: {after['what']}\n")
    return 1 if rows[0][0] > TOLERANCE else 0
