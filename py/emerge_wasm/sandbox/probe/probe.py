"""Checks that the sandbox holds: makes every attack in a fresh worker before a node runs shipped code."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from ...errors import ExecutionFailed, LimitExceeded
from ..pool import Pool
from ..settings import LAYERS, THREADS
from .target import AttackTarget

DESCRIPTORS = 6
"""Descriptors that a worker has open: three of /dev/null, its channel, and the pair that wakes up its event loops."""
LOOP_SECONDS = 0.05

Outcome = tuple[str, tuple[str, str]]
"""(attack's name, (what it got or "", what stopped it))"""


@dataclass(frozen=True, slots=True)
class Findings:
    """A probe's results: what each attack got (`breaches`) or what stopped it (`stopped`), and the `missing` layers
    with reasons."""

    breaches: dict[str, str] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def fault(self) -> str:
        """What is wrong with the sandbox, as text; "" if it holds."""
        parts = [f"{name} is missing: {why}" for name, why in self.missing.items()]
        parts += [f"{name.replace('_', ' ')} got through: {what}" for name, what in self.breaches.items()]
        return "; ".join(parts)


async def examine(pool: Pool) -> str:
    """Probe a pool, and make it refuse every call if the sandbox does not hold. Return its state as text."""
    if pool.kind == "sandbox":
        findings = await probe(pool)
        if not findings.fault:
            return f"methods run in a sandbox: {len(LAYERS)} layers, {len(findings.stopped)} attacks stopped"
        pool.refusal = f"its sandbox does not hold: {findings.fault}"
    if pool.refusal:
        return f"runs no methods: {pool.refusal} ({pool.hint}run them elsewhere)"
    return "UNSAFE: methods run in processes that are closed in by nothing (--unsafe-run)"


async def probe(pool: Pool) -> Findings:
    """Make every attack on a pool's workers. Raises Unavailable when no worker starts."""
    from .attacks import ATTACKS, DEADLY  # not importable on every system that has a Pool

    findings = Findings(missing=await pool.missing())
    with targets(pool.memory) as target:
        outcomes = await asyncio.gather(
            _make_quiet(pool, list(ATTACKS), target), *(_make_deadly(pool, name, target) for name in DEADLY)
        )
    for name, (got, how) in chain.from_iterable(outcomes):
        if got:
            findings.breaches[name] = got
        else:
            findings.stopped[name] = how
    return findings


async def _make_quiet(pool: Pool, names: list[str], target: AttackTarget) -> list[Outcome]:
    return [(name, (got, how)) for name, (got, how) in (await pool.probe(names, target, 10.0)).items()]


async def _make_deadly(pool: Pool, name: str, target: AttackTarget) -> list[Outcome]:
    """Make an attack that ends its worker, and judge it by how the worker ended."""
    try:
        done = await pool.probe([name], target, LOOP_SECONDS if name == "loop" else 10.0)
    except LimitExceeded as error:
        return [(name, ("", error.message))]
    except ExecutionFailed as error:
        through = "status 0" in error.message  # it exec'd another program
        return [(name, (error.message, "") if through else ("", error.message))]
    got, how = done[name]
    return [(name, (got, how))]


@contextmanager
def targets(memory: int) -> Iterator[AttackTarget]:
    """Set up targets to attack that only the sandbox protects: no other permission stands in the way."""
    name = f"emerge-{secrets.token_hex(8)}"
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="emerge-probe-"))
        file = Path(folder) / "secret"
        file.write_text("secret")
        file.chmod(0o666)
        os.chmod(folder, 0o777)
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        if sys.platform == "linux":
            neighbour = stack.enter_context(socket.socket(socket.AF_UNIX))
            neighbour.bind("\0" + name)
            neighbour.listen()
        yield {
            "file": str(file),
            "folder": folder,
            "pid": os.getpid(),
            "port": listening.getsockname()[1],
            "name": name,
            "memory": memory,
            "descriptors": DESCRIPTORS,
            "threads": THREADS,
        }
