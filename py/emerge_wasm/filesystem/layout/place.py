"""A resolved path: the packed entries along it. Data; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...objects import DIRECTORY
from ...paths import join_path
from ...store import Key
from .catalogue import NONE
from .record import ROOT, Entry, entry_key, read_entry

PathNames = tuple[str, ...]

ROOT_ENTRY = Entry(ROOT, "", DIRECTORY, "", "", "rwxr-xr-x", "root", "", 0, 0, "", "", 0)
ROOT_RAW = ROOT_ENTRY.pack()
ROOT_KEY = b""
"""The key in `entries` of the root's own entry, which exists once it differs from ROOT_ENTRY."""


class Above(NamedTuple):
    """The uuids of the directories above an entry, root first, and the index catalogue known before they were read."""

    uuids: tuple[bytes, ...]
    catalogue: bytes

    @property
    def parent(self) -> bytes:
        return self.uuids[-1]

    def inside(self, uuid: bytes) -> Above:
        """Return the directories above the entries of the directory `uuid`, which lies here."""
        return Above((*self.uuids, uuid), self.catalogue)


class DirectoryWay(NamedTuple):
    """The keys of the entries of the root and of each directory down to one, and the uuids of those below the root."""

    keys: tuple[Key, ...]
    uuids: tuple[bytes, ...]

    @property
    def parent(self) -> bytes:
        return self.uuids[-1] if self.uuids else ROOT

    def to(self, name: str) -> Key:
        """Return the key of an entry in the directory."""
        return "entries", entry_key(self.parent, name)

    def into(self, name: str, uuid: bytes) -> DirectoryWay:
        """Return the way to a directory in it."""
        return DirectoryWay((*self.keys, self.to(name)), (*self.uuids, uuid))


WAY_TO_ROOT = DirectoryWay((("entries", ROOT_KEY),), ())


@dataclass(slots=True)
class Place:
    """A resolved path: the packed entries of all its names that exist, top first."""

    names: PathNames
    raws: list[bytes]
    root: bytes = ROOT_RAW
    catalogue: bytes = NONE  # as it was known before the entries were read

    @property
    def raw(self) -> bytes | None:
        """The packed entry at the path, None when nothing is there."""
        if not self.names:
            return self.root
        return self.raws[-1] if len(self.raws) == len(self.names) else None

    @property
    def entry(self) -> Entry | None:
        """The entry at the path, None when nothing is there."""
        raw = self.raw
        return None if raw is None else read_entry(raw)

    @property
    def chain(self) -> list[bytes]:
        """The packed entries, root first."""
        return [self.root, *self.raws]

    @property
    def parent(self) -> bytes:
        """The uuid of the directory that holds (or would hold) the last name; it must exist."""
        return self.raws[len(self.names) - 2][:16] if len(self.names) > 1 else ROOT

    @property
    def above(self) -> Above:
        """The directories above the last name; they must exist."""
        held = self.raws[: max(len(self.names) - 1, 0)]
        return Above((ROOT, *[raw[:16] for raw in held]), self.catalogue)

    @property
    def path(self) -> str:
        return join_path(*self.names)

    @property
    def directory(self) -> str:
        return join_path(*self.names[:-1])

    @property
    def key(self) -> bytes:
        return entry_key(self.parent, self.names[-1]) if self.names else ROOT_KEY
