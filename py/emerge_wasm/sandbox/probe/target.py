"""The targets of a probe. Must import nothing that a worker lacks: workers import it too."""

from __future__ import annotations

from typing import TypedDict


class AttackTarget(TypedDict):
    """The targets that the node sets up, and the worker's limits."""

    file: str  # readable by all
    folder: str  # writable by all
    pid: int  # the node's
    port: int  # of a listener on loopback
    name: str  # of a listening abstract socket
    memory: int  # bytes
    descriptors: int
    threads: int
