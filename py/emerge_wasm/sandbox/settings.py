"""The settings of a zygote's workers, and the messages between a node and its zygote. Plain data."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import Any

from ..filesystem.runs.inside.execute import RunLimits


class ZygoteMessage:
    """The kinds of message, which are their first field.

    The node sends [FORK, number] with a socket and [KILL, number]; the zygote [STARTED, packages], [FAULT, text],
    [FORKED, number, pid] with a pidfd and [ENDED, number, status].
    """

    FORK, KILL = 1, 2
    STARTED, FAULT, FORKED, ENDED = 11, 12, 13, 14


LARGEST = 1 << 18
"""Largest message, in bytes."""

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
"""The layers of a sandbox, in order; see `confine.py`."""
BASIC = ("descriptors", "environment", "memory") + (("parent",) if sys.platform == "linux" else ())
"""The layers of an unconfined (`unsafe`) worker: those that its limits need."""
GIVE = "_give"
"""The request by which a worker gives a part of what is read; its answer asks for the next one."""

THREADS = 64
"""The limit of threads for a worker with a user of its own."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The workers' layers and limits: `memory` bytes beyond the zygote's, and `life` seconds of processor time for all
    calls of a worker together."""

    layers: frozenset[str]
    limits: RunLimits
    memory: int
    life: int

    def to_wire(self) -> dict[str, Any]:
        """Return the settings as JSON data."""
        return {
            "layers": sorted(self.layers),
            "limits": asdict(self.limits),
            "memory": self.memory,
            "life": self.life,
        }

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> WorkerSettings:
        return cls(frozenset(wire["layers"]), RunLimits(**wire["limits"]), wire["memory"], wire["life"])
