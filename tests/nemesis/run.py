"""One run: a load on a cluster, faults for so many seconds, then peace, and what the history and the stores say."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.conftest import ROOT

from .checker import check
from .cluster import Deployment
from .faults import ALONE, inflicted, possible, restart_dead
from .history import Fault, Operation, read_history
from .load import Plan, to_json
from .loss import lose_holders
from .stores import check_stores

OFTEN = 5
"""A fault that was inflicted so often, and of which nothing ever came, was none."""

SKEW_SECONDS = 0.4
"""By which a date is off only when a clock is."""

LAST_SECONDS = 400.0
"""How long the reading of everything may take in the end."""


EFFECTS = {
    "kill": "processes killed",
    "stop": "processes stopped",
    "cut one way": "packets lost one way",
    "cut both ways": "packets lost both ways",
    "lose": "packets lost at random",
    "clock": "changes dated by a wrong clock",
    "disk": "changes refused by a full disk",
    "rot": "bytes of blocks flipped",
    "lie": "blocks given wrong or not",
    "garbage": "sendings of garbage",
    "database": "ends of the database",
    "mount": "deaths while mounting",
    "remount": "deaths while mounting elsewhere",
    "unmount": "deaths while unmounting",
    "mv": "deaths while moving",
}
"""What is counted of each fault."""


@dataclass
class Outcome:
    """What came of a run."""

    faults: list[Fault] = field(default_factory=list)
    inflicted: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    deaths: list[str] = field(default_factory=list)
    units: int = 0
    minutes: float = 0.0

    def __str__(self) -> str:
        told = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        made = ", ".join(f"{count} {name}" for name, count in sorted(self.inflicted.items()))
        came = ", ".join(f"{count} {EFFECTS.get(name, name)}" for name, count in sorted(self.effects.items()))
        lines = [f"{self.outcomes.total()} operations on {self.units} units in {self.minutes:.0f} minutes ({told})"]
        lines += [f"faults: {made or 'none'}", f"what came of them: {came}", *self.deaths]
        lines += [f"{fault.kind} ({fault.unit}): {fault.text}" for fault in self.faults]
        return "\n".join(lines)


def run(
    cluster: Deployment,
    seconds: float,
    seed: int,
    names: list[str],
    *,
    quick: bool = False,
    told: bool = False,
    clients: int = 10,
    programs: int = 0,
    largest: int = 0,
) -> Outcome:
    """Load a cluster for so many seconds, inflict these faults, and check everything. `quick`: short faults.

    `clients` work with objects, `programs` with files of various sizes, and of `largest` bytes if that is any.
    """
    outcome = Outcome()
    cluster.programs = programs
    plan = Plan(cluster.nodes, cluster.volumes, cluster.key, seed, clients, 0.02, cluster.copies, programs, largest)
    plan.older = cluster.older.name if cluster.older is not None else ""
    file, folder, history = (cluster.folder / name for name in ("plan.json", "files", "history.jsonl"))
    file.write_text(to_json(plan))
    folder.mkdir()
    with ExitStack() as stack:
        loads = [stack.enter_context(started(cluster, "load", file, history))]
        if programs:
            loads.append(stack.enter_context(started(cluster, "files", file, folder)))
        cluster.began, cluster.load = time.monotonic(), loads[0].stdin
        torment(cluster, seconds, Random(seed), possible(cluster, names), outcome, quick, told)
        outcome.minutes = (time.monotonic() - cluster.began) / 60
        said = end_all(loads)
    if programs:
        cluster.effects.update({f"program in {what}": number for what, number in json.loads(said[1]).items()})
    operations = read_history(history)
    for each in sorted(folder.glob("files-*.jsonl")):
        operations += read_history(each)
    count(outcome, cluster, operations)
    if programs and cluster.volumes and not quick:
        outcome.faults += lose_holders(cluster, file, folder, Random(seed))
    faults, conflicts = asyncio.run(check_stores(cluster))
    outcome.faults += check(operations, cluster.promotions, cluster.volumes, conflicts)
    outcome.faults += faults
    outcome.faults += list(without_effect(outcome))
    return outcome


@contextmanager
def started(cluster: Deployment, module: str, *args: Path) -> Iterator[subprocess.Popen[str]]:
    """A load where clients are, which works and ends when its standard input does."""
    words = cluster.command(sys.executable, "-m", f"tests.nemesis.{module}", *map(str, args))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as load:
        try:
            assert load.stdout is not None
            assert load.stdout.readline(), f"the load of {module} did not begin"
            yield load
        finally:
            load.kill()


def end_all(loads: list[subprocess.Popen[str]]) -> list[str]:
    """Let the loads end, and wait for it; what they say."""
    for load in loads:
        assert load.stdin is not None
        load.stdin.close()
    said = []
    for load in loads:
        assert load.wait(LAST_SECONDS) == 0, "a load failed"
        assert load.stdout is not None
        said.append(load.stdout.read())
    return said


def torment(
    cluster: Deployment, seconds: float, dice: Random, names: list[str], outcome: Outcome, quick: bool, told: bool
) -> None:
    """Inflict faults, one or two at a time, and leave the cluster whole."""
    until = time.monotonic() + seconds
    order: list[str] = []
    while time.monotonic() < until and names:
        made: list[str] = []
        with ExitStack() as stack:
            for _ in range(dice.choice([1, 1, 2])):
                order = order or dice.sample(names, len(names))  # each as often as any other
                if made and (order[-1] in ALONE or order[-1] in made or ALONE.intersection(made)):
                    break
                name = order.pop()
                made.append(name)
                text = stack.enter_context(inflicted(name, cluster, dice))
                outcome.inflicted[name] += 1
                say(cluster, text, told)
            time.sleep(min(dice.choice([0.5, 2, 5] if quick else [0.5, 2, 5, 8, 20]), max(until - time.monotonic(), 0)))
        restart_dead(cluster.members)
        time.sleep(dice.choice([0.3, 1, 2]))
    time.sleep(max(until - time.monotonic(), 0))
    restart_dead(cluster.members)
    say(cluster, "peace", told)


def say(cluster: Deployment, text: str, told: bool) -> None:
    row = {"at": time.monotonic(), "what": "note", "text": text}
    with (cluster.folder / "nemesis.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    if told:
        print(f"{row['at']:.1f} {text}", flush=True)  # noqa: T201


def count(outcome: Outcome, cluster: Deployment, operations: list[Operation]) -> None:
    """Count what was done, and what came of the faults."""
    outcome.outcomes.update(each.outcome for each in operations)
    outcome.units = len({each.unit for each in operations})
    outcome.effects = cluster.effects
    outcome.effects["clock"] += sum(abs(each.skew) > SKEW_SECONDS for each in operations)
    outcome.effects["disk"] += sum("no room is left" in each.error for each in operations)
    outcome.deaths = [str(each) for each in cluster.deaths.values() if each.tried]


def without_effect(outcome: Outcome) -> Iterator[Fault]:
    """Faults that were none."""
    for name, times in outcome.inflicted.items():
        came = sum(number for what, number in outcome.effects.items() if what.startswith(name))
        if times >= OFTEN and not came:
            yield Fault("without effect", name, f"{times} times, and nothing came of it")
