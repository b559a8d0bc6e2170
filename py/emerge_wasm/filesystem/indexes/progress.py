"""The progress of an index build, as a row of `meta`, so that it can resume. Data; no I/O."""

from __future__ import annotations

from typing import NamedTuple

from ...codec.msgpack_engine import engine

Cursor = tuple[tuple[bytes, str], ...]
"""The directories from the top of an index to the build's position, each with the last name done in it."""


class BuildProgress(NamedTuple):
    """Objects `done` of the `total` of an index, and the position after them. `counted`: the total is known."""

    done: int = 0
    total: int = 0
    counted: bool = False
    cursor: Cursor = ()

    def pack(self) -> bytes:
        return engine.packb(self)


def read_progress(raw: bytes | None) -> BuildProgress:
    if raw is None:
        return BuildProgress()
    done, total, counted, cursor = engine.unpackb(raw)
    return BuildProgress(done, total, counted, tuple((uuid, name) for uuid, name in cursor))
