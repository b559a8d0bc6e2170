"""The definitions of all indexes and the mount points, kept as one row of the store. Data; no I/O.

Every commit expects that row as it was before anything else was read, so no writer can miss an index or a mount point.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Self

from ...codec.msgpack_engine import engine
from ...store import Key

CATALOGUE: Key = ("meta", b"indexes")
NONE = b""
"""Stands for a missing row."""


def ready_key(id: int) -> bytes:
    """Return the key in `meta` that exists once an index is complete."""
    return b"indexes+" + id.to_bytes(4, "big")


def progress_key(id: int) -> bytes:
    """Return the key in `meta` that holds the progress of an index build."""
    return b"indexes/" + id.to_bytes(4, "big")


def dropped_key(id: int) -> bytes:
    """Return the key in `meta` that marks the rows of an index for removal."""
    return DROPPED + id.to_bytes(4, "big")


DROPPED = b"indexes-"


@dataclass(frozen=True, slots=True)
class Definition:
    """An index over fields of all objects at or below a directory. `error`: why it was given up ("": it was not)."""

    id: int
    directory: bytes
    fields: tuple[str, ...]
    unique: bool = False
    text: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All definitions, and the next id: ids are never used twice.

    `mounts` has the uuid of each mount point, and those of the directories above it; `frozen` the same of each object
    and directory that is on its way to another filesystem.
    """

    next: int = 1
    definitions: tuple[Definition, ...] = ()
    mounts: Mapping[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    frozen: Mapping[bytes, tuple[bytes, ...]] = field(default_factory=dict)

    def over(self, above: Collection[bytes]) -> list[Definition]:
        """Return the definitions on any of these directories, without those given up."""
        return [each for each in self.definitions if each.directory in above and not each.error]

    def add(self, directory: bytes, fields: tuple[str, ...], unique: bool, text: bool) -> Self:
        made = Definition(self.next, directory, fields, unique, text)
        return replace(self, next=self.next + 1, definitions=(*self.definitions, made))

    def remove(self, ids: Collection[int]) -> Self:
        return replace(self, definitions=tuple(each for each in self.definitions if each.id not in ids))

    def renew(self, ids: Collection[int]) -> Self:
        """Give these definitions new ids and clear their errors, so that they are built again."""
        fresh, made = self.next, []
        for each in self.definitions:
            if each.id in ids:
                each, fresh = replace(each, id=fresh, error=""), fresh + 1
            made.append(each)
        return replace(self, next=fresh, definitions=tuple(made))

    def give_up(self, id: int, error: str) -> Self:
        made = [replace(each, error=error) if each.id == id else each for each in self.definitions]
        return replace(self, definitions=tuple(made))

    def pack(self) -> bytes:
        rows = [(d.id, d.directory, d.fields, d.unique, d.text, d.error) for d in self.definitions]
        if self.frozen:
            return engine.packb((self.next, rows, self.mounts, self.frozen))
        return engine.packb((self.next, rows, self.mounts) if self.mounts else (self.next, rows))


@lru_cache(maxsize=64)
def parse(raw: bytes) -> Catalogue:
    """Parse the catalogue from its row (NONE: an empty one)."""
    if not raw:
        return Catalogue()
    next, rows, *closed = engine.unpackb(raw)
    above = [{uuid: tuple(uuids) for uuid, uuids in each.items()} for each in closed]
    return Catalogue(next, tuple(Definition(id, at, tuple(fields), *rest) for id, at, fields, *rest in rows), *above)
