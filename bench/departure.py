"""Nodes that die, stand still or are busy: how soon all know of it, who is taken for dead that is not, and how soon a
copy takes the place of an owner.

`EMERGE_BENCH_SECONDS` is how long the machine is kept busy (else 30).
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from pathlib import Path

from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.errors import EmergeError
from tests.backends.postgresql import server as postgresql

from .measure import Row, print_rows
from .volumes import NODES, STATE, RunningNode, ask, joined, node, sqlite_file

SECONDS = float(os.environ.get("EMERGE_BENCH_SECONDS", "30"))
GONE = ("gone", "left", "unreachable")
GRACE_SECONDS = 4.0
"""Without a renewed lease, until a copy is promoted."""


async def losses(endpoint: str) -> AsyncGenerator[float, None]:
    """The moments at which some node is said to be gone here."""
    async with ZeroMQTransport(endpoint) as transport, aclosing(transport.stream("watchnodes", [])) as events:
        async for event in events:
            assert isinstance(event, dict)
            if event["event"] in GONE:
                yield time.perf_counter()


async def known_to_all(others: list[RunningNode], lost: RunningNode, how: signal.Signals) -> float:
    """Seconds from a signal to a node until all others have said that it is gone."""

    async def first(endpoint: str) -> float:
        async with aclosing(losses(endpoint)) as moments:
            return await anext(moments)

    tasks = [asyncio.create_task(first(each.endpoint)) for each in others]
    await asyncio.sleep(2)
    began = time.perf_counter()
    lost.process.send_signal(how)
    async with asyncio.timeout(60):
        return max(await asyncio.gather(*tasks)) - began


async def false_alarms(nodes: list[RunningNode]) -> int:
    """How often a node was said to be gone while all processors were busy."""
    seen: list[float] = []

    async def count(endpoint: str) -> None:
        async with aclosing(losses(endpoint)) as moments:
            async for moment in moments:
                seen.append(moment)

    tasks = [asyncio.create_task(count(each.endpoint)) for each in nodes]
    with busy():
        done, _ = await asyncio.wait(tasks, timeout=SECONDS)
    assert not done, done
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return len(seen)


@contextmanager
def busy() -> Iterator[None]:
    """Two processes on each processor that compute without end."""
    spins = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for spin in spins:
            spin.kill()
            spin.wait()


async def promoted(folder: Path, database: str) -> float:
    """Seconds from SIGKILL of a volume's owner to the first change that a node of its copy acknowledges."""
    with ExitStack() as stack:
        registry = stack.enter_context(node(database, "registry"))
        await ask(registry.endpoint, "foundcluster")
        join = ("--join", registry.endpoint)
        owner, _ = (stack.enter_context(node(sqlite_file(folder, name), name, *join)) for name in ("owner", "copy"))
        await ask(registry.endpoint, "mount", "/v1", "owner")
        await ask(registry.endpoint, "store", "/v1/before", STATE)
        await ask(registry.endpoint, "replicate", "/v1", 1)
        async with ZeroMQTransport(registry.endpoint) as transport:
            await asyncio.sleep(3)  # the copy is made, and the owner has its lease
            report = await transport.call("replicate", ["/v1"])
            assert [each["same"] for each in report["copies"]] == [True], report
            owner.process.send_signal(signal.SIGKILL)
            began = time.perf_counter()
            while True:
                try:
                    await transport.call("store", ["/v1/after", STATE])
                    return time.perf_counter() - began
                except EmergeError:
                    await asyncio.sleep(0.02)


def main() -> None:
    with tempfile.TemporaryDirectory() as name, postgresql() as database:
        took = asyncio.run(promoted(Path(name), database.url("bench")))
    rows = [Row("owner killed: its copy changes", took, [], f"≤ {GRACE_SECONDS + 1:g}")]
    with tempfile.TemporaryDirectory() as name, joined(Path(name)) as nodes:
        alarms = Row("taken for gone", asyncio.run(false_alarms(nodes)), [], "0")
        for what, how in (("stands still", signal.SIGSTOP), ("is killed", signal.SIGKILL)):
            lost = nodes.pop()
            rows.append(Row(f"a node {what}: all know", asyncio.run(known_to_all(nodes, lost, how)), [], "≤ 5"))
    print_rows(f"{NODES} nodes, of which one dies", "seconds", [], rows)
    print_rows(f"{NODES} nodes on a busy machine, {SECONDS:g} s", "false alarms", [], [alarms])


if __name__ == "__main__":
    main()
