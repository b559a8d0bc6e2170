"""What a change touches, and the rows of references and indexes that follow from it. Data; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from .catalogue import Catalogue
from .place import Above


@dataclass(slots=True)
class Touched:
    """What was at a place before a change and what will be after it: packed entries, each with what is above it."""

    old: tuple[bytes, Above] | None = None
    new: tuple[bytes, Above] | None = None


@dataclass(slots=True)
class Following:
    """The rows that follow from the things of a change that were looked at so far, by one catalogue."""

    catalogue: bytes
    seen: set[bytes] = field(default_factory=set)
    puts: dict[bytes, bytes] = field(default_factory=dict)
    deletes: dict[bytes, bytes] = field(default_factory=dict)
    left: dict[bytes, bytes] = field(default_factory=dict)  # of unique indexes
    taken: dict[bytes, bytes] = field(default_factory=dict)
    defined: Catalogue | None = None  # what the definitions become
    dropped: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, (self.puts, self.deletes, self.left, self.taken))) + 4 * len(self.dropped)


class Taken(Exception):
    """The values that a unique index keeps apart are those of another object already: `holder` is its row."""

    def __init__(self, key: bytes, holder: bytes) -> None:
        super().__init__(key, holder)
        self.key = key
        self.holder = holder
