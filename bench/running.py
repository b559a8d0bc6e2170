"""A warm run beside the same without a sandbox, and beside a bare echo; what a worker costs; a directory on two workers
beside one.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from emerge_wasm import EmergeFile, connect
from emerge_wasm.bundles import capture
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.codec import pack_state
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runner import RunCall, Runner
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.objects import METADATA
from emerge_wasm.sandbox import Pool
from emerge_wasm.stores import open_store

from .measure import Row, in_turn, print_rows
from .process import cluster, echo
from .wire import asyncio_rate, make_event

ROUNDS = 3
CALLS = 500
FORKS = 30
MANY = 1000
SECONDS = 0.002
"""Of processor time, for one object of the directory."""


@dataclass
class Account(EmergeFile):
    balance: float = 2.0

    def double(self) -> float:
        return self.balance * 2

    def pay(self, amount: float) -> float:
        self.balance += amount
        return self.balance

    def work(self, steps: int) -> int:
        return sum(number * number for number in range(steps))


def call_of(method: str, *args: Any) -> RunCall:
    """The call that a filesystem hands to its runner."""
    account = Account(name="one", path="/accounts")
    bundles = capture(Account)
    pointer = {name: getattr(account, name) for name in METADATA}
    pointer |= {"class_name": "Account", "bundle": bundles[-1].hash}
    sent = {bundle.hash: bundle.data for bundle in bundles}
    return RunCall("/accounts/one", pointer, pack_state(account, no_class), sent, method, list(args), {}, 5.0, "anna")


def no_class(cls: type) -> str:
    raise AssertionError(f"an account holds no {cls.__name__}")


def each_us(runner: asyncio.Runner, work: Callable[[], Coroutine[Any, Any, object]], times: int = CALLS) -> float:
    """Microseconds of one of these, one after another."""

    async def repeat() -> float:
        start = time.perf_counter()
        for _ in range(times):
            await work()
        return 1e6 * (time.perf_counter() - start) / times

    return runner.run(repeat())


# --- the sandbox alone
def sandboxed(runner: asyncio.Runner, pool: Pool) -> list[Row]:
    """What a filesystem waits for: a worker's answer, or the same code in this process."""
    rows = []
    for what, call in (("a result", call_of("double")), ("a changed state", call_of("pay", 1.0))):
        there, here = in_turn(
            partial(each_us, runner, partial(pool.run, call)),
            partial(each_us, runner, partial(Here().run, call)),
            rounds=ROUNDS,
        )
        rows.append(Row(f"{what}: {there - here:.0f} µs more", there, [here], "≤ 250 µs more"))
    return rows


def workers(runner: asyncio.Runner, pool: Pool) -> str:
    """What a worker costs: milliseconds to have one, and memory of its own before and after its calls."""
    forks = [each_us(runner, pool.workers.hire, 1) / 1000 for _ in range(FORKS)]
    runner.run(pool.run(call_of("double")))
    fresh = [private_bytes(process.pid) for process in pool.workers.processes if not process.calls]
    used = [private_bytes(process.pid) for process in pool.workers.processes if process.calls]
    memory = f"{median(fresh) / 1e6:.1f} MB of its own, {median(used) / 1e6:.1f} MB after calls (aim 2.5)"
    return f"a worker: {median(forks):.1f} ms to fork and close in (aim 2); {memory}"


def private_bytes(pid: int) -> int:
    """Memory that a process shares with no other."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private"))


# --- through a node
def through_node(runner: asyncio.Runner, folder: Path) -> list[Row]:
    """A run from afar, beside one in this process without a sandbox, and beside an echo of the same request."""
    with cluster(folder / "node") as place, ExitStack() as stack:
        bare = stack.enter_context(echo("asyncio"))
        with connect(place["node"]) as fs:
            fs.store(Account(name="one", path="/accounts"))
        local = runner.run(open_client(folder / "here.db", Here()))
        runner.run(local.store(Account(name="one", path="/accounts")))
        event = make_event("run", ["/accounts/one", "double"])
        far, here, answer = in_turn(
            lambda: 1e6 / asyncio_rate(place["node"], [event] * CALLS, 1),
            partial(each_us, runner, partial(local.run, "/accounts/one", "double")),
            lambda: 1e6 / asyncio_rate(bare, [event] * CALLS, 1, checked=False),
            rounds=ROUNDS,
        )
        runner.run(local.close())
    return [Row("a warm run", far, [here, answer])]


async def open_client(path: Path, runner: Runner) -> Client:
    url = f"sqlite:///{path}"
    return Client(LocalTransport(await Filesystem.open(await open_store(url), url=url, runner=runner)))


# --- a directory
def directory(runner: asyncio.Runner, folder: Path) -> list[Row]:
    """Seconds of a method of all objects of a directory."""
    steps = steps_for(SECONDS)
    names = [f"a{number:04}" for number in range(MANY)]

    async def on(size: int) -> float:
        async with Pool(size) as pool:
            client = await open_client(folder / f"many{time.monotonic_ns()}.db", pool)
            await client.storeall(Account(name=name, path="/accounts") for name in names)
            await client.run("/accounts", "double")
            start = time.perf_counter()
            rows = await client.run("/accounts", "work", steps)
            seconds = time.perf_counter() - start
            assert len([row for row in rows if "result" in row]) == MANY
            await client.close()
        return seconds

    def direct() -> float:
        account = Account()
        start = time.perf_counter()
        for _ in names:
            account.work(steps)
        return time.perf_counter() - start

    two, one, plain = in_turn(lambda: runner.run(on(2)), lambda: runner.run(on(1)), direct, rounds=ROUNDS)
    return [Row(f"{MANY:,} objects, {os.cpu_count()} cores", 1000 * two, [1000 * one, 1000 * plain], "≤ 0.6")]


def steps_for(seconds: float) -> int:
    """So many steps of the method take that long here."""
    steps, account = 10_000, Account()
    took = []
    for _ in range(20):
        start = time.process_time()
        account.work(steps)
        took.append(time.process_time() - start)
    return round(steps * seconds / median(took))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        pool = runner.run(Pool(2).start())
        print_rows("A call of a warm worker", "µs", ["here, no sandbox"], sandboxed(runner, pool))
        print(workers(runner, pool), flush=True)
        runner.run(pool.close())
        print_rows("A run through a node", "µs", ["here, no sandbox", "echo"], through_node(runner, Path(folder)))
        print_rows("A run of a directory, 2 workers", "ms", ["1 worker", "plain loop"], directory(runner, Path(folder)))


if __name__ == "__main__":
    main()
