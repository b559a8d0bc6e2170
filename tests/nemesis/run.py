"""One run: a load on a cluster, faults for so many seconds, then peace, and what the history and the stores say."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.cluster.volume import MountTable, unpack
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.operations import Context
from emerge_wasm.stores import open_store
from tests.conftest import ROOT

from .checker import Fault, check
from .cluster import Deployment
from .faults import inflicted, possible, restart_dead
from .history import Operation, read_history
from .load import Plan, to_json

TABLE = ("meta", b"volumes")
LAST_SECONDS = 400.0
"""How long the reading of everything may take in the end."""


@dataclass
class Outcome:
    """What came of a run."""

    faults: list[Fault] = field(default_factory=list)
    inflicted: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    units: int = 0

    def __str__(self) -> str:
        told = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        made = ", ".join(f"{count} {name}" for name, count in sorted(self.inflicted.items()))
        lines = [f"{self.outcomes.total()} operations on {self.units} units ({told}); faults: {made or 'none'}"]
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
) -> Outcome:
    """Load a cluster for so many seconds, inflict these faults, and check everything. `quick`: short faults."""
    outcome = Outcome()
    plan = Plan(cluster.nodes, cluster.volumes, cluster.key, seed, copies=cluster.copies)
    history = cluster.folder / "history.jsonl"
    (cluster.folder / "plan.json").write_text(to_json(plan))
    words = [sys.executable, "-m", "tests.nemesis.load", str(cluster.folder / "plan.json"), str(history)]
    with subprocess.Popen(
        cluster.command(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as load:
        assert load.stdout is not None and load.stdin is not None
        try:
            assert load.stdout.readline(), "the load did not begin"
            torment(cluster, seconds, Random(seed), possible(cluster, names), outcome, quick, told)
            load.stdin.close()
            assert load.wait(LAST_SECONDS) == 0, "the load failed"
        finally:
            load.kill()
    operations = read_history(history)
    count(outcome, operations)
    outcome.faults += check(operations)
    outcome.faults += asyncio.run(check_stores(cluster))
    return outcome


def torment(
    cluster: Deployment, seconds: float, dice: Random, names: list[str], outcome: Outcome, quick: bool, told: bool
) -> None:
    """Inflict faults, one or two at a time, and leave the cluster whole."""
    until = time.monotonic() + seconds
    order: list[str] = []
    while time.monotonic() < until and names:
        with ExitStack() as stack:
            for _ in range(dice.choice([1, 1, 2])):
                order = order or dice.sample(names, len(names))  # each as often as any other
                name = order.pop()
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


def count(outcome: Outcome, operations: list[Operation]) -> None:
    outcome.outcomes.update(each.outcome for each in operations)
    outcome.units = len({each.unit for each in operations})


async def check_stores(cluster: Deployment) -> list[Fault]:
    """Stop the nodes, and see that each store agrees with itself and holds nothing that belongs to another."""
    cluster.stop()
    faults: list[Fault] = []
    urls = {member.name: f"sqlite:///{member.folder}/node.db" for member in cluster.members}
    if cluster.database is not None:
        urls = {"database": cluster.database.url("nemesis")}
    tables: list[MountTable] = []
    for name, url in urls.items():
        store = await open_store(url)
        filesystem = await Filesystem.open(store)
        try:
            faults += [Fault("audit", name, text) for text in (await audit(store)).faults]
            (raw,) = await store.get([TABLE])
            if raw is not None:
                tables.append(unpack(raw))
                table = max(tables, key=lambda each: each.version)  # the first is the registry's
                faults += await _misplaced(filesystem, name, table)
        finally:
            await filesystem.close()
            await store.close()
    return faults


async def _misplaced(filesystem: Filesystem, name: str, table: MountTable) -> list[Fault]:
    """Objects in a store that another one's volume is to hold: nobody can reach them."""
    client = Client(LocalTransport(filesystem, Context("nemesis", superuser=True)))
    paths = [pointer.full_path async for pointer in client.tree("/") if not pointer.is_directory]
    lost = [path for path in paths if table.volume_of(path).filesystem != filesystem.uuid]
    return [Fault("out of reach", name, path) for path in lost[:5]]
