"""The row of what another filesystem is handing over, from the first of it until both know how it ended."""

from __future__ import annotations

from typing import NamedTuple, Self

from ...codec.msgpack_engine import engine
from ...results import PointerRow
from ...store import Store, prefix_end
from .place import PathNames

ARRIVAL = b"handover/in/"

OPEN, CLOSING, TAKEN = "open", "closing", "taken"


class Arrival(NamedTuple):
    """What comes, from which filesystem and where to; once it is TAKEN, the pointer of what it is here.

    `since`: what `stays` at its path has been reached by it since then.
    """

    id: bytes
    state: str
    uuid: bytes
    filesystem: str
    source: str
    names: PathNames
    stays: bool
    pointer: PointerRow | None = None
    since: str = ""

    @property
    def key(self) -> bytes:
        return ARRIVAL + self.id

    def pack(self) -> bytes:
        return engine.packb(self)

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        id, state, uuid, filesystem, source, names, *others = engine.unpackb(raw)
        return cls(id, state, uuid, filesystem, source, tuple(names), *others)


async def read_arrivals(store: Store) -> list[Arrival]:
    """Read those that a store knows of."""
    return [Arrival.unpack(raw) for _, raw in await store.scan("meta", ARRIVAL, prefix_end(ARRIVAL))]
