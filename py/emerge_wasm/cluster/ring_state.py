"""The ring of a cluster as it is kept and handed on: its keys, and how often they changed. Plain data; no sockets."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from ..clients.keys.known_keys import REVOKED, RingEntry, merge, read_entry
from ..codec import encode
from ..errors import Invalid
from ..operations import Wire

log = logging.getLogger("emerge.keys")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Entries by key; `version` counts the changes where the ring is kept."""

    version: int = 0
    entries: Mapping[str, RingEntry] = field(default_factory=dict)

    def change(self, entries: Mapping[str, RingEntry]) -> Self:
        """Return the next version, with other entries."""
        return type(self)(self.version + 1, entries)

    def keeping(self, known: Self) -> Self:
        """Return this ring without what a known one has revoked."""
        revoked = [entry for entry in known.entries.values() if entry.role == REVOKED]
        return type(self)(self.version, merge([*self.entries.values(), *revoked]))

    def to_wire(self) -> Wire:
        return {"version": self.version, "keys": write_entries(self.entries.values())}

    def pack(self) -> bytes:
        return encode(self.to_wire())


def read_ring(data: object) -> KeyRing:
    """Read a ring from the wire.

    Raises:
        Invalid: it is none.
    """
    if not isinstance(data, dict) or type(data.get("version")) is not int:
        raise Invalid("this is no ring of keys", remedy="update the node that sent it")
    return KeyRing(data["version"], merge(read_entries(data.get("keys"))))


def write_entries(entries: Iterable[RingEntry]) -> list[str]:
    """Write entries as the lines that they are in a file."""
    return [entry.line() for entry in entries]


def read_entries(lines: object) -> list[RingEntry]:
    """Read lines; one that cannot be read, of a newer release perhaps, lets nobody in.

    Raises:
        Invalid: these are no lines.
    """
    if not isinstance(lines, (list, tuple)) or not all(isinstance(line, str) for line in lines):
        raise Invalid("the keys of a ring are lines", remedy="update the node that sent them")
    entries = []
    for line in lines:
        try:
            entries.append(read_entry(line))
        except Invalid as error:
            log.error("a line of the cluster's ring lets nobody in: %s", error)
    return entries
