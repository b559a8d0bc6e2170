"""Check that the versions of one object agree with each other and with the rows that lead to them. See `audit.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from ...codec import references_in
from ...errors import EmergeError
from ...paths import child_path
from ...store import Store, prefix_end
from ..indexes.maintain import reference_key
from ..layout.ancestry import GONE, LEFT, is_purged
from ..layout.locality import PAGE_VERSIONS
from ..layout.place import ROOT_KEY
from ..layout.record import ROOT, Entry, KeyValue, VersionRecord, entry_key, link_key, link_value, size_of, version_key


@dataclass(slots=True)
class Kept:
    """A kept version, without its state; `size` is that of the state it contained, None if it had none."""

    record: VersionRecord
    entry: Entry
    size: int | None
    references: frozenset[bytes]

    @property
    def removed(self) -> bool:
        return self.record.operation in GONE

    @property
    def place(self) -> tuple[bytes, str]:
        return self.record.parent, self.entry.name

    def link(self, other: Kept, appeared: bool) -> KeyValue:
        """Return the link row that says that it appeared in (or left) the place of another version."""
        parent, name = other.place
        key = link_key(parent, name, self.entry.uuid, self.entry.version)
        return key, link_value(appeared, self.entry.date)


@dataclass(slots=True)
class History:
    """The kept versions of one uuid, oldest first, and their faults."""

    uuid: bytes
    kept: dict[int, Kept] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    references: frozenset[bytes] = frozenset()  # of its current state
    indexed: int = 0  # how many of them are in the index
    arriving: bool = False  # as the top of what another filesystem hands over: it is in no directory yet

    @property
    def newest(self) -> Kept:
        return self.kept[max(self.kept)]

    @property
    def living(self) -> bool:
        return not self.newest.removed

    def fault(self, text: str) -> None:
        path = child_path(self.newest.record.directory, self.newest.entry.name)
        self.faults.append(f"{path} ({self.uuid.hex()}): {text}")


async def histories(store: Store) -> AsyncIterator[History]:
    """Yield the history of every uuid, in the order of the uuids. A version that cannot be read is a fault instead."""
    start, current = b"", History(b"")
    broken: list[str] = []
    while True:
        rows = await store.scan("versions", start, limit=PAGE_VERSIONS)
        for key, raw in rows:
            if key[:16] != current.uuid:
                if current.kept:
                    yield current
                current = History(key[:16], faults=broken)
                broken = []
            try:
                current.kept[int.from_bytes(key[16:], "big")] = _kept(raw)
            except (EmergeError, ValueError, TypeError, LookupError) as error:
                (current.faults if current.kept else broken).append(f"the version {key.hex()} cannot be read: {error}")
        if len(rows) < PAGE_VERSIONS:
            break
        start = rows[-1][0] + b"\0"
    current.faults += broken
    if current.kept:
        yield current


def _kept(raw: bytes) -> Kept:
    record = VersionRecord.unpack(raw)
    state = record.state
    size = None if state is None else size_of(record.entry.type, state)
    return Kept(record._replace(state=None), record.entry, size, references_in(state or b""))


async def check_history(store: Store, history: History) -> History:
    """Check a history, and add the faults to it."""
    _check_versions(history)
    await _check_states(store, history)
    if not history.arriving:
        await _check_place(store, history)
    if history.uuid != ROOT and not history.arriving:
        await _check_links(store, history)
    if history.living:
        await _check_references(store, history)
    return history


def _check_versions(history: History) -> None:
    for number, kept in history.kept.items():
        if (kept.entry.uuid, kept.entry.version) != (history.uuid, number):
            history.fault(
                f"its version {number} says that it is version {kept.entry.version} of {kept.entry.uuid.hex()}"
            )
    last = 0
    for older, newer in pairwise(history.kept.values()):
        if newer.entry.date < older.entry.date:
            history.fault(f"version {newer.entry.version} is of an earlier date than the one before it")
        if newer.entry.version == older.entry.version + 1:
            if newer.record.parent_revision != older.entry.revision:
                history.fault(f"version {newer.entry.version} was not made from version {older.entry.version}")
        else:
            last = older.entry.version
    leaned_on = {kept.entry.content for number, kept in history.kept.items() if kept.entry.content != number}
    for number in history.kept:
        if number <= last and number not in leaned_on:  # retention drops the oldest first
            history.fault(f"a version after {number} is missing")
            break


async def _check_states(store: Store, history: History) -> None:
    """Check that every version has its state; large ones, in `states`, are read one at a time."""
    sizes: dict[int, int | None] = {}
    purged = max((number for number, kept in history.kept.items() if is_purged(kept.record)), default=0)
    for number, kept in history.kept.items():
        content = kept.entry.content
        if kept.entry.is_directory or kept.record.operation == LEFT:  # nobody sees the state of what has left
            continue
        if is_purged(kept.record) or number < purged:
            continue
        if content not in sizes:
            held = history.kept.get(content)
            sizes[content] = held.size if held is not None else None
            try:
                state = None if sizes[content] is not None else await _large_state(store, history.uuid, content)
                if state is not None and held is not None:
                    sizes[content], held.references = size_of(kept.entry.type, state), references_in(state)
            except EmergeError as error:
                history.fault(f"the state made at version {content} cannot be read: {error.message}")
                sizes[content] = kept.entry.size
                continue
        if sizes[content] is None:
            history.fault(f"the state of version {number} (made at version {content}) is missing")
        elif sizes[content] != kept.entry.size:
            history.fault(f"the state of version {number} has {sizes[content]} bytes, not {kept.entry.size}")
    newest = history.kept.get(history.newest.entry.content)
    if newest is not None:
        history.references = newest.references


async def _large_state(store: Store, uuid: bytes, version: int) -> bytes | None:
    return (await store.get([("states", version_key(uuid, version))]))[0]


async def _check_place(store: Store, history: History) -> None:
    """Check that the entry of the newest version is in its directory, and that of a removed object is not."""
    newest = history.newest
    key = ROOT_KEY if history.uuid == ROOT else entry_key(*newest.place)
    raw = (await store.get([("entries", key)]))[0]
    if history.living and raw is None:
        history.fault("it is not in its directory")
    elif history.living and raw != newest.record.raw:
        history.fault("the entry in its directory is not its newest version")
    elif not history.living and raw is not None and raw[:16] == history.uuid:
        history.fault("it was removed, and is still in its directory")


async def _check_links(store: Store, history: History) -> None:
    groups = list(_expected(history))
    rows = [row for group in groups for row in group]
    values = await store.get([("links", key) for key, _ in rows])
    found = {key: raw for (key, _), raw in zip(rows, values, strict=True)}
    for group in groups:
        if len(group) > 1 and all(found[key] is None for key, _ in group):
            continue  # an archive was loaded that tells of it
        for key, value in group:
            if found[key] != value:
                verb = "appeared" if value[:1] == b"+" else "left"
                history.fault(f"version {int.from_bytes(key[-8:], 'big')} has no link that says when it {verb}")
    if history.newest.record.operation == LEFT:
        return
    start = entry_key(*history.newest.place) + b"\0" + history.uuid
    last = await store.scan("links", start, prefix_end(start), limit=1, reverse=True)
    if not last or (last[0][1][:1] == b"+") != history.living:
        history.fault(f"its links say that it is {'not ' if history.living else ''}in its directory")


def _expected(history: History) -> Iterator[list[KeyValue]]:
    """Yield the links that its versions imply. Those of a removal that was undone form one group."""
    before: Kept | None = None
    gone: list[KeyValue] = []
    for kept in history.kept.values():
        number = kept.entry.version
        if before is not None and before.entry.version != number - 1:
            before = None
        if kept.record.operation == LEFT and not kept.record.origin:  # with its directory, in which it still is
            gone = []
        elif kept.removed:
            gone = [kept.link(kept, False)]
            if kept is history.newest:
                yield gone
        elif before is not None and before.removed:
            back = kept.link(kept, True)
            if kept.place == before.place:
                yield [*gone, back]
            else:
                yield gone
                yield [back]
        elif before is not None and before.place != kept.place:
            yield [kept.link(before, False)]
            yield [kept.link(kept, True)]
        elif number == 1:
            yield [kept.link(kept, True)]
        before = kept


async def _check_references(store: Store, history: History) -> None:
    entry = history.newest.entry
    if entry.refs != len(history.references):
        history.fault(f"its entry tells of {entry.refs} references, its state of {len(history.references)}")
    targets = sorted(history.references)
    rows = await store.get([("indexes", reference_key(target, history.uuid)) for target in targets])
    for target, raw in zip(targets, rows, strict=True):
        if raw is not None:
            history.indexed += 1
        else:
            history.fault(f"its reference to {target.hex()} is not in the index")
