"""What a probe attacks. Must import nothing that a worker lacks: the worker reads it too."""

from __future__ import annotations

from typing import TypedDict


class AttackTarget(TypedDict):
    """What the node lays out to be attacked, and the bounds that a worker has."""

    file: str  # that all may read
    folder: str  # that all may write
    pid: int  # of the node
    port: int  # that listens on loopback
    name: str  # of an abstract socket that listens
    memory: int  # bytes
    descriptors: int
    threads: int
