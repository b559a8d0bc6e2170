"""What `%time` and `%timeit` do."""

from __future__ import annotations

import re
import statistics
import sys
import time
import timeit
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...errors import Invalid

_OPTION = re.compile(r"-(?:([nrp])\s*(\d+)|([oq]))(?:\s+|$)")
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_REMEDY = "write %timeit, then -n LOOPS, -r REPEATS, -p DIGITS, -o or -q, then a statement"


@dataclass(frozen=True, slots=True)
class TimeitResult:
    """What `%timeit -o` gives: seconds of one run, in each of the loops."""

    loops: int
    timings: tuple[float, ...]
    digits: int = 3

    @property
    def best(self) -> float:
        return min(self.timings)

    @property
    def worst(self) -> float:
        return max(self.timings)

    @property
    def average(self) -> float:
        return statistics.fmean(self.timings)

    @property
    def stdev(self) -> float:
        return statistics.pstdev(self.timings)

    def __str__(self) -> str:
        mean, spread = format_seconds(self.average, self.digits), format_seconds(self.stdev, self.digits)
        runs = f"{_count(len(self.timings), 'run')}, {_count(self.loops, 'loop')} each"
        return f"{mean} ± {spread} per loop (mean ± std. dev. of {runs})"

    def __repr__(self) -> str:
        return f"<TimeitResult: {self}>"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'s' * (number != 1)}"


def format_seconds(seconds: float, digits: int = 3) -> str:
    """A span of time in the unit that suits it: `1.23 ms`."""
    if seconds >= 60:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    if seconds < 1e-12:  # what is left of rounding
        return "0 ns"
    factor, unit = next((pair for pair in _UNITS if seconds >= pair[0]), _UNITS[-1])
    return f"{seconds / factor:.{digits}g} {unit}"


@contextmanager
def timing() -> Iterator[None]:
    """Print how long the body took, if it ends."""
    started = time.perf_counter()
    yield
    _tell(time.perf_counter() - started)


class Stopwatch:
    """Times an expression within another one: `(begin(), x, end())`."""

    def __init__(self) -> None:
        self._started: list[float] = []

    def begin(self) -> None:
        self._started.append(time.perf_counter())

    def end(self) -> None:
        _tell(time.perf_counter() - self._started.pop())


def _tell(seconds: float) -> None:
    sys.stdout.write(f"Wall time: {format_seconds(seconds)}\n")


def time_statement(namespace: dict[str, object], rest: str, body: str | None = None) -> TimeitResult | None:
    """Run a statement many times in this namespace, and tell how long one run takes; with a `body`, the statement is
    what runs once before. Raises Invalid for arguments that do not fit."""
    given = {"n": 0, "r": 7, "p": 3}
    flags = set()
    while match := _OPTION.match(rest):
        if match[1]:
            given[match[1]] = int(match[2])
        flags.add(match[3])
        rest = rest[match.end() :]
    if rest.startswith("-") and re.match(r"-[a-zA-Z]\b", rest) and rest.split()[0][1:] not in namespace:
        raise Invalid(f"%timeit has no option {rest.split()[0]}", remedy=_REMEDY)
    statement, setup = (rest, "pass") if body is None else (body.strip("\n"), rest or "pass")
    if not statement.strip():
        raise Invalid("%timeit needs a statement", remedy=_REMEDY)
    if given["r"] < 1:
        raise Invalid("%timeit -r takes at least 1", remedy=_REMEDY)
    try:
        timer = timeit.Timer(statement, setup, time.perf_counter, namespace)
    except SyntaxError as error:
        where = "'await' outside" in str(error)
        remedy = "use %time, which can await" if where else _REMEDY
        raise Invalid(f"%timeit cannot run {statement.strip().splitlines()[0]!r}: {error.msg}", remedy=remedy) from None
    loops = given["n"] or timer.autorange()[0]
    taken = timer.repeat(given["r"], loops)
    result = TimeitResult(loops, tuple(seconds / loops for seconds in taken), given["p"] or 3)
    if not result.best > 0:
        sys.stderr.write("too short for this clock: leave -n out, or give a larger one\n")
    if "q" not in flags:
        sys.stdout.write(f"{result}\n")
    return result if "o" in flags else None
