"""The definitions of all indexes, as one row of the store that every change of objects relies on. Data; no I/O.

So no writer can miss an index: its commit expects the row as it was before anything else was read.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

from ...codec.msgpack_engine import engine
from ...store import Key

CATALOGUE: Key = ("meta", b"indexes")
NONE = b""
"""What stands for the row where there is none."""


def ready_key(id: int) -> bytes:
    """In `meta`: there once an index has all its rows."""
    return b"indexes+" + id.to_bytes(4, "big")


def progress_key(id: int) -> bytes:
    """In `meta`: how far the building of an index is."""
    return b"indexes/" + id.to_bytes(4, "big")


def dropped_key(id: int) -> bytes:
    """In `meta`: that the rows of an index are to go."""
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
    """All definitions, and the id that the next one gets: ids are never used twice."""

    next: int = 1
    definitions: tuple[Definition, ...] = ()

    def over(self, above: Collection[bytes]) -> list[Definition]:
        """Those that are kept for what is below all these directories, given up ones left out."""
        return [each for each in self.definitions if each.directory in above and not each.error]

    def add(self, directory: bytes, fields: tuple[str, ...], unique: bool, text: bool) -> Self:
        made = Definition(self.next, directory, fields, unique, text)
        return replace(self, next=self.next + 1, definitions=(*self.definitions, made))

    def remove(self, ids: Collection[int]) -> Self:
        return replace(self, definitions=tuple(each for each in self.definitions if each.id not in ids))

    def renew(self, ids: Collection[int]) -> Self:
        """These with new ids, so that they are built again; and none of them given up any more."""
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
        return engine.packb((self.next, rows))


@lru_cache(maxsize=64)
def parse(raw: bytes) -> Catalogue:
    """The catalogue in a row's bytes (NONE: an empty one)."""
    if not raw:
        return Catalogue()
    next, rows = engine.unpackb(raw)
    return Catalogue(next, tuple(Definition(id, at, tuple(fields), *rest) for id, at, fields, *rest in rows))
