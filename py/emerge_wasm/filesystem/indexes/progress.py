"""How far the building of an index is, as a row of `meta`, so that it goes on where it was. Data; no I/O."""

from __future__ import annotations

from typing import NamedTuple

from ...codec.msgpack_engine import engine

Cursor = tuple[tuple[bytes, str], ...]
"""Directories from the top of an index to where its building is, each with the last name that was done in it."""


class BuildProgress(NamedTuple):
    """So many of so many objects are in an index. `counted`: the total is known."""

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
