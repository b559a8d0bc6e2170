"""The entries that a change touches, and the rows of references and indexes derived from them. Data; no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ...errors import Unavailable
from .catalogue import Catalogue
from .place import Above
from .record import Entry


@dataclass(slots=True)
class Touched:
    """A packed entry before and after a change, each with the directories above it."""

    old: tuple[bytes, Above] | None = None
    new: tuple[bytes, Above] | None = None

    @property
    def moved(self) -> bool:
        """Whether it was there before, and is elsewhere now, or nowhere."""
        if self.old is None or self.new is None:
            return self.old is not None
        (before, old), (after, new) = self.old, self.new
        return old.uuids != new.uuids or Entry.unpack(before).name != Entry.unpack(after).name


def check_mounts(catalogue: Catalogue, touched: Mapping[bytes, Touched]) -> None:
    """Check that nothing below a mount point was touched, and that none was removed or moved with what is above it.

    Raises:
        Unavailable: it was; `details["mounted"]` says that the volume's owner is to be asked.
    """
    fixed = {uuid for mount, above in catalogue.mounts.items() for uuid in (mount, *above)}
    for uuid, each in touched.items():
        sides = (side for side in (each.old, each.new) if side is not None)
        inside = any(not catalogue.mounts.keys().isdisjoint(above.uuids) for _, above in sides)
        if inside or (each.moved and uuid in fixed):
            raise Unavailable("a volume is mounted there", remedy="ask its owner, or unmount it first", mounted=True)


class Frozen(Exception):
    """Something was touched that is on its way to another filesystem."""


def check_frozen(catalogue: Catalogue, touched: Mapping[bytes, Touched], own: Collection[bytes]) -> None:
    """Check that nothing that is frozen, and nothing below it, was touched, unless it is among the change's `own`.

    Raises:
        Frozen: it was, or what is above it was moved.
    """
    frozen = {uuid: above for uuid, above in catalogue.frozen.items() if uuid not in own}
    fixed = {uuid for above in frozen.values() for uuid in above}
    for uuid, each in touched.items():
        sides = (side for side in (each.old, each.new) if side is not None)
        inside = any(not frozen.keys().isdisjoint((uuid, *above.uuids)) for _, above in sides)
        if inside or (each.moved and uuid in fixed):
            raise Frozen


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
