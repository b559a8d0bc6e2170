"""The entries that a change touches, and the rows of references and indexes derived from them. Data; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from .catalogue import Catalogue
from .place import Above


@dataclass(slots=True)
class Touched:
    """A packed entry before and after a change, each with the directories above it."""

    old: tuple[bytes, Above] | None = None
    new: tuple[bytes, Above] | None = None


@dataclass(slots=True)
class Following:
    """The rows derived so far from the touched entries of a change, by one catalogue."""

    catalogue: bytes
    seen: set[bytes] = field(default_factory=set)
    puts: dict[bytes, bytes] = field(default_factory=dict)
    deletes: dict[bytes, bytes] = field(default_factory=dict)
    left: dict[bytes, bytes] = field(default_factory=dict)  # rows of unique indexes
    taken: dict[bytes, bytes] = field(default_factory=dict)
    defined: Catalogue | None = None  # the new definitions, if the change alters them
    dropped: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, (self.puts, self.deletes, self.left, self.taken))) + 4 * len(self.dropped)


class Taken(Exception):
    """A unique index already holds these values for another object; `holder` is its row."""

    def __init__(self, key: bytes, holder: bytes) -> None:
        super().__init__(key, holder)
        self.key = key
        self.holder = holder
