"""Collect the rows of one commit: entries, versions, links, and the log. No I/O.

Must not import `core.py`: a change needs only the dates and the caller.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from ..codec import references_in
from ..codec.msgpack_engine import engine
from ..context import Context
from ..errors import Invalid
from ..objects import DIRECTORY
from ..paths import join_path
from ..store import Batch
from .layout.access import new_perms
from .layout.locality import fresh_revisions, fresh_uuid
from .layout.moment import Dates
from .layout.place import ROOT_KEY, ROOT_RAW, Above, PathNames, Place
from .layout.record import (
    ROOT,
    Entry,
    Pack,
    VersionRecord,
    entry_key,
    is_apart,
    is_directory,
    is_plain,
    link_key,
    link_value,
    size_of,
    version_key,
)
from .layout.touched import Following, Touched


@dataclass(slots=True, kw_only=True)
class Change(Batch):
    """A batch for one caller, with its log entries, the directories it makes or relies on, and its single date.

    `touched` holds entries before and after the change; `commit` derives the rows of references and indexes from it.
    `states` holds the new states by version key. `own` is what is frozen for this change alone.
    `brought`: its versions say nothing to those who watch. `several`: it is changes of several calls, each with its own
    entry of the log. `freed`: the bytes of the states that it drops, by owner.
    """

    dates: Dates
    context: Context
    log: list[bytes] = field(default_factory=list)
    touched: dict[bytes, Touched] = field(default_factory=dict)
    states: dict[bytes, bytes] = field(default_factory=dict)
    refers: bool = False  # something touched may have references
    following: Following | None = None
    directories: dict[PathNames, bytes] = field(default_factory=dict)
    date: str = ""
    own: frozenset[bytes] = frozenset()
    brought: bool = False
    several: bool = False
    freed: Counter[str] = field(default_factory=Counter)

    def touch(self, above: Above, old: bytes | None, new: bytes | None) -> None:
        """Record an entry before and after the change; a move calls this twice."""
        raw = new or old or b""
        touched = self.touched.get(raw[:16])
        if touched is None:
            touched = self.touched[raw[:16]] = Touched(None if old is None else (old, above))
        if new is not None:
            touched.new = new, above
        if not is_plain(raw) or (old is not None and not is_plain(old)):
            self.refers = True

    def make_entry(self, name: str, type: str, perms: str = "") -> Entry:
        """Make an entry at version 0, owned by who makes it, with these permissions ("": all) less the umask."""
        context = self.context
        return Entry(fresh_uuid(), name, type, "", "", new_perms(context, perms), context.maker, "", 0, 0, "", "", 0)

    def record(
        self,
        entry: Entry,
        parent: bytes,
        directory: str,
        operation: str,
        *,
        state: bytes | None = None,
        origin: str = "",
    ) -> Entry:
        """Add the next version of an entry, not the entry itself; return the entry at that version."""
        version = entry.version + 1
        if state is not None:
            entry = entry if (refs := len(references_in(state))) == entry.refs else entry._replace(refs=refs)
        content, size = entry.content, entry.size
        if state is not None:
            content, size = version, size_of(entry.type, state, directory, entry.name)
        self.date = self.date or self.dates.next()
        date = max(self.date, entry.date)  # clocks of several machines may differ
        (revision,) = fresh_revisions(1)
        stamped = entry._replace(version=version, revision=revision, date=date, content=content, size=size)
        before = entry.revision
        self.log.append(
            self.put_version(stamped, stamped.pack(), parent, directory, operation, before, state, origin=origin)
        )
        return stamped

    def put_version(
        self,
        entry: Entry,
        raw: bytes,
        parent: bytes,
        directory: str,
        operation: str,
        before: str,
        state: bytes | None,
        *,
        origin: str = "",
        pack: Pack = engine.packb,
    ) -> bytes:
        """Add the row of a version, by its entry and that one packed; return its key. `before`: the revision before."""
        context = self.context
        key = version_key(entry.uuid, entry.version)
        if state is not None:
            self.states[key] = state
            if is_apart(state):
                self.put("states", key, state)
                state = None
        row = VersionRecord(raw, parent, directory, context.principal, operation, before, origin, state, context.cause)
        self.puts.append(("versions", key, row.pack(pack)))
        return key

    def drop_version(self, key: bytes, entry: Entry) -> None:
        """Remove a version and its state for good."""
        self.delete("versions", key)
        self.delete("states", key)
        if entry.has_own_state:
            self.freed[entry.owner] += entry.size

    def link(self, above: Above, entry: Entry, old: bytes | None, raw: bytes = b"") -> None:
        """Put an entry into a directory, on the condition that `old` is still there. `raw`: the entry, if packed."""
        key = entry_key(above.parent, entry.name)
        raw = raw or entry.pack()
        self.expects.append(("entries", key, old))
        self.puts.append(("entries", key, raw))
        if old is None:
            since = link_key(above.parent, entry.name, entry.uuid, entry.version)
            self.puts.append(("links", since, link_value(True, entry.date)))
        self.touch(above, old, raw)

    def replace(self, place: Place, entry: Entry) -> None:
        """Replace the entry at a place, which may be the root, by its next version."""
        if place.names:
            self.link(place.above, entry, place.chain[-1])
        else:
            self.expect("entries", ROOT_KEY, None if place.root == ROOT_RAW else place.root)
            self.put("entries", ROOT_KEY, entry.pack())

    def unlink(self, above: Above, name: str, raw: bytes, left: Entry) -> None:
        """Remove an entry from a directory, on the condition that it is there; `left` is its version after that."""
        self.drop(above, name, raw)
        self.put("links", link_key(above.parent, name, left.uuid, left.version), link_value(False, left.date))

    def drop(self, above: Above, name: str, raw: bytes) -> None:
        """Remove an entry that stays in its directory, which another filesystem has now."""
        key = entry_key(above.parent, name)
        self.expect("entries", key, raw)
        self.delete("entries", key)
        self.touch(above, raw, None)

    def make_directories(self, place: Place) -> Place:
        """Add the missing directories above the place's last name; return the place with them.

        The commit requires the lowest existing one to be unchanged, so that nothing lands in a removed directory.
        """
        above = len(place.names) - 1
        raws = place.raws[:above]
        if raws and not is_directory(raws[-1]):
            path = join_path(*place.names[: len(raws)])
            raise Invalid(f"{path} is not a directory", path=path, remedy="choose a path that does not go through it")
        if raws and place.names[: len(raws)] not in self.directories:
            parent = raws[-2][:16] if len(raws) > 1 else ROOT
            self.expect("entries", entry_key(parent, place.names[len(raws) - 1]), raws[-1])
            self.directories[place.names[: len(raws)]] = raws[-1]
        if len(raws) == above:
            return place
        while len(raws) < above:
            names = place.names[: len(raws) + 1]
            raw = self.directories.get(names)
            if raw is None:
                parent = raws[-1][:16] if raws else ROOT
                entry = self.make_entry(names[-1], DIRECTORY)
                entry = self.record(entry, parent, join_path(*names[:-1]), "mkdir")
                uuids = (ROOT, *[held[:16] for held in raws])
                self.link(Above(uuids, place.catalogue), entry, None)
                raw = self.directories[names] = entry.pack()
            raws.append(raw)
        return replace(place, raws=raws + place.raws[above:])
