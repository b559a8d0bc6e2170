"""Where a path leads: the packed entries along it. Data; awaits nothing."""

from __future__ import annotations

from dataclasses import dataclass

from ..objects import DIRECTORY
from ..paths import join_path
from .record import ROOT, Entry, entry_key

Names = tuple[str, ...]

ROOT_ENTRY = Entry(ROOT, "", DIRECTORY, "", "", "rwxr-xr-x", "root", "", 0, 0, "", "", 0)
ROOT_RAW = ROOT_ENTRY.pack()
ROOT_KEY = b""
"""Where in `entries` the root's own entry stands, once it differs from ROOT_ENTRY."""


@dataclass(slots=True)
class Place:
    """Where a path leads: the packed entries of all its names that exist, from the top."""

    names: Names
    raws: list[bytes]
    root: bytes = ROOT_RAW

    @property
    def raw(self) -> bytes | None:
        """The packed entry at the path, None when nothing is there."""
        return self.chain[-1] if len(self.raws) == len(self.names) else None

    @property
    def entry(self) -> Entry | None:
        """The entry at the path, None when nothing is there."""
        raw = self.raw
        return None if raw is None else Entry.unpack(raw)

    @property
    def chain(self) -> list[bytes]:
        """The packed entries from the root on."""
        return [self.root, *self.raws]

    @property
    def parent(self) -> bytes:
        """The uuid of the directory that holds (or would hold) the last name; it must exist."""
        return self.raws[len(self.names) - 2][:16] if len(self.names) > 1 else ROOT

    @property
    def path(self) -> str:
        return join_path(*self.names)

    @property
    def directory(self) -> str:
        return join_path(*self.names[:-1])

    @property
    def key(self) -> bytes:
        return entry_key(self.parent, self.names[-1]) if self.names else ROOT_KEY
