"""The ring: whose keys a cluster knows, and as what. A file that people can read; running nodes follow its changes.

A line is `ROLE NAME KEY` and then `groups=A,B`, `superuser` and `since=MOMENT` where they apply:

    member  desk  <key>  since=2026-11-29T17:00:00+00:00
    client  anna  <key>  groups=staff,dev since=…
    revoked shed  <key>  since=…

Members are nodes and relays. A name may have several keys while one replaces the other. What was revoked stays so,
whatever another ring says.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ...errors import Invalid, NotFound, Unavailable
from ...results import KeyRow
from .key_pair import check_name, is_key, key_bytes, write_private

log = logging.getLogger("emerge.keys")

MEMBER, CLIENT, REVOKED = "member", "client", "revoked"
FILE_NAME = "ring"
FRESH = 100_000_000
"""Nanoseconds for which a file that was just written is read again: its time may not tell the next write."""

LOOK_SECONDS = 0.001
"""How long a look at the file counts: for the messages that came together with the one for which it was made."""

_HEAD = "# The keys that this cluster knows, by `emerge keys`. Nodes follow the changes of this file.\n"


@dataclass(frozen=True, slots=True)
class RingEntry:
    """One key: its `role`, whose it is, and (of a client) the groups and whether every right is theirs."""

    role: str
    name: str
    public: str
    groups: tuple[str, ...] = ()
    superuser: bool = False
    since: str = ""

    def line(self) -> str:
        more = [f"groups={','.join(self.groups)}"] if self.groups else []
        more += ["superuser"] if self.superuser else []
        more += [f"since={self.since}"] if self.since else []
        return " ".join([f"{self.role:7}", self.name, self.public, *more])


def read_entry(line: str) -> RingEntry:
    """Read one line.

    Raises:
        Invalid: it is malformed.
    """
    role, name, public, *more = line.split() + [""] * (3 - len(line.split()))
    if role not in (MEMBER, CLIENT, REVOKED):
        raise Invalid(f"{role[:20]!r} is no role of a key", remedy="write member, client or revoked")
    entry = RingEntry(role, check_name(name), public.lower())
    key_bytes(public)
    for word in more:
        kind, _, value = word.partition("=")
        if kind == "groups" and value:
            entry = replace(entry, groups=tuple(check_name(group) for group in value.split(",")))
        elif word == "superuser":
            entry = replace(entry, superuser=True)
        elif kind == "since" and value:
            entry = replace(entry, since=value)
        else:
            raise Invalid(f"{word[:40]!r} says nothing of a key", remedy="write groups=A,B superuser since=MOMENT")
    return entry


def merge(entries: Iterable[RingEntry]) -> dict[str, RingEntry]:
    """Entries by key; of two for one key the revoked one counts, else the later."""
    found: dict[str, RingEntry] = {}
    for entry in entries:
        before = found.get(entry.public)
        if before is None or _rank(entry) > _rank(before):
            found[entry.public] = entry
    return found


def _rank(entry: RingEntry) -> tuple[bool, str, str]:
    return entry.role == REVOKED, entry.since, entry.line()


def make_entry(name: str, key: str, member: bool, groups: Iterable[str], superuser: bool) -> RingEntry:
    """Return the entry that lets a key in, as a member's or a client's.

    Raises:
        Invalid: it is a member, and would have rights besides.
    """
    if member and (groups or superuser):
        raise Invalid("a member has every right, and no groups", remedy="leave --group and --superuser out")
    return RingEntry(MEMBER if member else CLIENT, name, key.lower(), tuple(groups), superuser)


def with_key(known: Mapping[str, RingEntry], entry: RingEntry, *, another: bool = False) -> dict[str, RingEntry]:
    """Return entries by key with one more. With `another`, it is one more key of a name that has one.

    Raises:
        Invalid: the name has a key already, the key is another's, or it was revoked.
    """
    check_name(entry.name)
    key_bytes(entry.public)
    for group in entry.groups:
        check_name(group)
    before = known.get(entry.public)
    if before is not None and before.role == REVOKED:
        raise Invalid(f"this key of {before.name} was revoked", remedy="make a new one: emerge keys new NAME")
    if before is not None and before.name != entry.name:
        raise Invalid(f"this key is {before.name}'s", remedy="each has a key of their own")
    same = [found for found in known.values() if found.name == entry.name and found.role != REVOKED]
    if before is None and same and not another:
        raise Invalid(
            f"{entry.name} has a key already",
            remedy=f"revoke it: emerge keys revoke {entry.name}; or have both for a while: --another",
        )
    since = entry.since or _now()
    if before is not None and since <= before.since:  # the clock here is behind: the later of two entries counts
        since = before.since + "+"
    return merge([*known.values(), replace(entry, since=since)])


def without_key(known: Mapping[str, RingEntry], which: str) -> dict[str, RingEntry]:
    """Return entries by key, of which a key, or all keys of a name, are let in no longer.

    Raises:
        NotFound: there is no such key.
    """
    found = [entry for entry in known.values() if which in (entry.name, entry.public) and entry.role != REVOKED]
    if not found:
        raise NotFound(f"the ring has no key of {which}", remedy="emerge keys list shows what it has")
    gone = [RingEntry(REVOKED, entry.name, entry.public, since=_now()) for entry in found]
    return merge([*known.values(), *gone])


class Ring:
    """The ring in a file. Every question looks whether the file has changed; one asked at the same time does not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, ...] | None = None
        self._entries: dict[str, RingEntry] = {}
        self._looked = 0.0

    def entries(self) -> list[RingEntry]:
        """Every key, revoked ones too."""
        self._refresh()
        return list(self._entries.values())

    def find(self, public: str) -> RingEntry | None:
        """The entry of a key that is let in, None for any other."""
        self._refresh()
        entry = self._entries.get(public)
        return None if entry is None or entry.role == REVOKED else entry

    def members(self, name: str = "") -> list[RingEntry]:
        """The keys of a member, or of all; the newest first."""
        self._refresh()
        found = [e for e in self._entries.values() if e.role == MEMBER and name in ("", e.name)]
        return sorted(found, key=lambda entry: entry.since, reverse=True)

    def named(self, name: str) -> list[RingEntry]:
        """The keys of that name that are let in."""
        return [entry for entry in self.entries() if entry.name == name and entry.role != REVOKED]

    def add(self, entry: RingEntry, *, another: bool = False) -> None:
        """Let a key in. With `another`, it is one more key of a name that has one.

        Raises:
            Invalid: the name has a key already, the key is another's, or it was revoked.
        """
        self.change(lambda known: with_key(known, entry, another=another))

    def revoke(self, which: str) -> None:
        """Let a key in no longer, or all keys of a name.

        Raises:
            NotFound: there is no such key.
        """
        self.change(lambda known: without_key(known, which))

    def change(self, change: Callable[[Mapping[str, RingEntry]], dict[str, RingEntry]]) -> None:
        """Replace the entries by what a function makes of them, unless it raises."""
        with self._locked():
            self._write(change(self._entries))

    def edits(self, base: Mapping[str, RingEntry]) -> list[RingEntry]:
        """What was added or changed here since the file had these entries."""
        self._refresh()
        return [entry for entry in self._entries.values() if base.get(entry.public) != entry]

    def follow(self, base: Mapping[str, RingEntry], fresh: Mapping[str, RingEntry]) -> None:
        """Put fresh entries in place of those that the file had; what was changed here since stays."""
        if merge([*fresh.values(), *self.edits(base)]) == self._entries:
            return  # a folder that cannot be written to will do
        with self._locked():
            self._write(merge([*fresh.values(), *self.edits(base)]))

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS and self._stamp is not None:
            return
        self._looked = now
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            self._stamp, self._entries = None, {}
            return
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp != self._stamp:
            self._entries = self._read()
            self._stamp = stamp if time.time_ns() - found.st_mtime_ns > FRESH else None

    def _read(self) -> dict[str, RingEntry]:
        """Read the file; a line that cannot be read lets nobody in, and the others count."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            log.error("nobody is let in by key: %s cannot be read: %s", self.path, error)
            return {}
        entries = []
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            try:
                entries.append(read_entry(line))
            except Invalid as error:
                log.error("line %d of %s lets nobody in: %s", number, self.path, error)
        return merge(entries)

    def _write(self, entries: dict[str, RingEntry]) -> None:
        rows = sorted(entries.values(), key=lambda entry: (entry.role == REVOKED, entry.role != MEMBER, entry.name))
        write_private(self.path, _HEAD + "".join(f"{entry.line()}\n" for entry in rows))
        self._entries, self._stamp = entries, None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from changing the ring between reading and writing it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.path.with_name(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be written: {error}", remedy="name a folder that is yours") from None
        with open(lock) as file:
            if os.name == "posix":
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX)
            self._stamp = None
            self._refresh()
            yield


def entry_row(entry: RingEntry) -> KeyRow:
    """An entry as plain data, for machines."""
    return {
        "name": entry.name,
        "role": entry.role,
        "key": entry.public,
        "groups": list(entry.groups),
        "superuser": entry.superuser,
        "since": entry.since,
    }


def which_key(ring: Ring, which: str) -> list[str]:
    """The public keys that a text means: itself, or those of the member of that name.

    Raises:
        NotFound: the ring knows no member of that name.
    """
    if is_key(which):
        return [which.lower()]
    found = [entry.public for entry in ring.members(which)]
    if not found:
        raise NotFound(f"{ring.path} has no key of a node {which}", remedy="add it: emerge keys add NAME KEY --member")
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
