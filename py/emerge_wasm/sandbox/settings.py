"""How the workers of one zygote are; and what a node and its zygote say to each other. Plain data."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import Any

from ..filesystem.runs.inside.execute import RunLimits


class ZygoteMessage:
    """The first field of what a node and its zygote say. [FORK, number] with a socket, [KILL, number]; and
    [STARTED, packages], [FAULT, text], [FORKED, number, pid] with a pidfd, [ENDED, number, status]."""

    FORK, KILL = 1, 2
    STARTED, FAULT, FORKED, ENDED = 11, 12, 13, 14


LARGEST = 1 << 18
"""Bytes of one of these."""

LAYERS = (
    "descriptors",
    "environment",
    "no_new_privs",
    "memory",
    "rlimits",
    "user",
    "dumpable",
    "parent",
    "Landlock",
    "seccomp",
)
"""What a sandbox is made of, in order; see `confine.py`."""
BASIC = ("descriptors", "environment", "memory") + (("parent",) if sys.platform == "linux" else ())
"""What a worker gets that is closed in by nothing: enough to keep its limits."""
THREADS = 64
"""Threads of a worker that has a user of its own."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Which layers close the workers in, and their limits: `memory` bytes beyond what the zygote has, and `life`
    seconds of processor time for all their calls together."""

    layers: frozenset[str]
    limits: RunLimits
    memory: int
    life: int

    def to_wire(self) -> dict[str, Any]:
        """As JSON can have it."""
        return {
            "layers": sorted(self.layers),
            "limits": asdict(self.limits),
            "memory": self.memory,
            "life": self.life,
        }

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> WorkerSettings:
        return cls(frozenset(wire["layers"]), RunLimits(**wire["limits"]), wire["memory"], wire["life"])
