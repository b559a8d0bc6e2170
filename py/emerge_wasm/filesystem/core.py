"""What every operation works with: the injected store, where a path leads, and how a change is written.

Awaits the store and nothing else; the clock is injected too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from ..errors import Conflict, Invalid, NotFound
from ..objects import DIRECTORY
from ..operations import Context
from ..paths import join_path
from ..store import Batch, Store, prefix_end
from .access import new_perms
from .locality import fresh_uuid, get_entries
from .moment import after, utc_now
from .place import ROOT_KEY, ROOT_RAW, Names, Place
from .record import (
    INLINE_LIMIT,
    ROOT,
    Entry,
    VersionRecord,
    entry_key,
    is_directory,
    link_key,
    link_value,
    version_key,
)
from .run import RunCall, RunOutcome

if TYPE_CHECKING:
    from .transaction import Transactions

Runner = Callable[[RunCall], Awaitable[RunOutcome]]

T = TypeVar("T")

CACHE_LIMIT = 10_000
ATTEMPTS = 20
PAGE = 500
SPARE = 16
"""Rows left free in a commit for what one more object may come to."""


@dataclass(slots=True)
class Change(Batch):
    """A batch in the making: what it logs, the directories that it makes or relies on, and its one date."""

    log: list[bytes] = field(default_factory=list)
    directories: dict[Names, bytes] = field(default_factory=dict)
    date: str = ""


@dataclass
class Core:
    """One filesystem's working parts."""

    store: Store
    node: str
    uuid: str
    runner: Runner | None = None
    run_timeout: float = 30.0  # seconds of wall time that one run may take
    url: str = ""
    clock: Callable[[], str] = utc_now
    poll: float | None = None  # seconds between looks at a log to which others write too, while somebody watches it
    position: int = 0  # of the newest log entry this process knows of
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    known_bundles: set[str] = field(default_factory=set)
    transactions: Transactions | None = None  # made when one is first begun (see `transaction.py`)
    _directories: dict[Names, bytes] = field(default_factory=dict)
    _locks: dict[Names, asyncio.Lock] = field(default_factory=dict)
    _dates: list[str] = field(default_factory=lambda: [""])  # the last one given

    # --- where paths lead
    async def find(self, names: Names) -> Place:
        """Resolve a path: in one batch when its directories were seen before, name by name otherwise.

        What was seen before is only a hint for which keys to ask; the answers say whether it still holds.
        """
        place = await self._find_by_hint(names)
        return place if place is not None else await self._find_by_name(names)

    async def _find_by_hint(self, names: Names) -> Place | None:
        parents = [ROOT]
        for depth in range(1, len(names)):
            hint = self._directories.get(names[:depth])
            if hint is None:
                return None
            parents.append(hint)
        keys = [("entries", entry_key(parent, name)) for parent, name in zip(parents, names, strict=False)]
        root, *raws = await self.store.get([("entries", ROOT_KEY), *keys])
        for parent, raw in zip(parents[1:], raws, strict=False):
            if raw is None or raw[:16] != parent:
                self._directories.clear()
                return None
        return Place(names, [raw for raw in raws if raw is not None], root or ROOT_RAW)

    async def _find_by_name(self, names: Names) -> Place:
        parent = ROOT
        raws: list[bytes] = []
        root = ROOT_RAW
        for depth, name in enumerate(names, 1):
            raw, held = await self.store.get([("entries", entry_key(parent, name)), ("entries", ROOT_KEY)])
            root = held or ROOT_RAW
            if raw is None:
                break
            raws.append(raw)
            if not is_directory(raw):
                break
            parent = raw[:16]
            if len(self._directories) > CACHE_LIMIT:
                self._directories.clear()
            self._directories[names[:depth]] = parent
        return Place(names, raws, root)

    async def find_all(self, many: Sequence[Names]) -> list[Place]:
        """Resolve many paths: each of their directories once, then all of them in one batch."""
        if len(many) == 1:
            return [await self.find(many[0])]
        directories = {names: await self.find(names) for names in {names[:-1] for names in many}}
        places = [replace(directories[names[:-1]], names=names) for names in many]
        for place in places:
            place.raws = list(place.raws)
        there = [place for place in places if len(place.raws) == len(place.names) - 1]
        raws = await get_entries(self.store, [place.key for place in there])
        for place, raw in zip(there, raws, strict=True):
            if raw is not None:
                place.raws.append(raw)
        return places

    # --- how a change is written
    @asynccontextmanager
    async def alone(self, names: Names) -> AsyncIterator[None]:
        """One writer of a path at a time in this process, so that writers wait rather than retry."""
        lock = self._locks.setdefault(names, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked() and not getattr(lock, "_waiters", None):
                self._locks.pop(names, None)

    def now(self) -> str:
        """The date of a commit: later than that of every commit before it in this process."""
        date = self.clock()
        if date <= self._dates[0]:
            date = after(self._dates[0])
        self._dates[0] = date
        return date

    def make_entry(self, name: str, type: str, context: Context, perms: str = "") -> Entry:
        """A fresh entry at version 0, owned by who asks, with these permissions ("": all) less the umask."""
        return Entry(
            fresh_uuid(), name, type, "", "", new_perms(context, perms), context.principal, "", 0, 0, "", "", 0
        )

    def record(
        self,
        change: Change,
        entry: Entry,
        parent: bytes,
        directory: str,
        operation: str,
        context: Context,
        *,
        state: bytes | None = None,
        origin: str = "",
    ) -> Entry:
        """Add the next version of an entry to the change (not the entry itself); the entry at that version."""
        version = entry.version + 1
        key = version_key(entry.uuid, version)
        content, size = (entry.content, entry.size) if state is None else (version, len(state))
        revision = os.urandom(16).hex()
        change.date = change.date or self.now()
        date = max(change.date, entry.date)  # where clocks of several machines differ
        stamped = entry._replace(version=version, revision=revision, date=date, content=content, size=size)
        if state is not None and len(state) > INLINE_LIMIT:
            change.put("states", key, state)
            state = None
        row = VersionRecord(
            stamped.pack(), parent, directory, context.principal, operation, entry.revision, origin, state
        )
        change.put("versions", key, row.pack())
        change.log.append(key)
        return stamped

    def link(self, change: Change, parent: bytes, entry: Entry, old: bytes | None) -> None:
        """Put an entry into a directory, expecting what is there now."""
        key = entry_key(parent, entry.name)
        change.expect("entries", key, old)
        change.put("entries", key, entry.pack())
        if old is None:
            change.put("links", link_key(parent, entry.name, entry.uuid, entry.version), link_value(True, entry.date))

    def replace(self, change: Change, place: Place, entry: Entry) -> None:
        """Put the next version of what is at a place (the root perhaps) in its stead."""
        if place.names:
            self.link(change, place.parent, entry, place.chain[-1])
        else:
            change.expect("entries", ROOT_KEY, None if place.root == ROOT_RAW else place.root)
            change.put("entries", ROOT_KEY, entry.pack())

    def unlink(self, change: Change, parent: bytes, name: str, raw: bytes, left: Entry) -> None:
        """Take an entry out of a directory, expecting it there; `left` is the entry as it is recorded after that."""
        key = entry_key(parent, name)
        change.expect("entries", key, raw)
        change.delete("entries", key)
        change.put("links", link_key(parent, name, left.uuid, left.version), link_value(False, left.date))

    def make_directories(self, change: Change, place: Place, context: Context) -> Place:
        """Add to the change the directories missing above the place's last name; the place with them there.

        The lowest existing one is expected to stay as it is, so that nothing lands in a removed directory.
        """
        above = len(place.names) - 1
        raws = place.raws[:above]
        if raws and not is_directory(raws[-1]):
            path = join_path(*place.names[: len(raws)])
            raise Invalid(f"{path} is not a directory", path=path, remedy="choose a path that does not go through it")
        if raws and place.names[: len(raws)] not in change.directories:
            parent = raws[-2][:16] if len(raws) > 1 else ROOT
            change.expect("entries", entry_key(parent, place.names[len(raws) - 1]), raws[-1])
            change.directories[place.names[: len(raws)]] = raws[-1]
        if len(raws) == above:
            return place
        while len(raws) < above:
            names = place.names[: len(raws) + 1]
            raw = change.directories.get(names)
            if raw is None:
                parent = raws[-1][:16] if raws else ROOT
                entry = self.make_entry(names[-1], DIRECTORY, context)
                entry = self.record(change, entry, parent, join_path(*names[:-1]), "mkdir", context)
                self.link(change, parent, entry, None)
                raw = change.directories[names] = entry.pack()
            raws.append(raw)
        return replace(place, raws=raws + place.raws[above:])

    async def commit(self, change: Change) -> None:
        """Commit as one entry of the log, and wake those who watch; Stale when what it was made from has changed."""
        if change.log:
            change.append("log", b"".join(change.log))
        try:
            positions = await self.store.commit(change)
        except Conflict as error:
            raise Stale from error
        if positions:
            self.notify(positions[-1])

    def notify(self, position: int = 0) -> None:
        """Tell the watchers that the log may have grown (another tab calls this too)."""
        self.position = max(self.position, position)
        self.changed.set()
        self.changed = asyncio.Event()


class Stale(Exception):
    """What a change was made from is no longer there; it can be made again (see `retry`)."""


async def retry(path: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Make a change; again, from what is there now, when somebody else's commit came between."""
    for _ in range(ATTEMPTS):
        try:
            return await attempt()
        except Stale:
            await asyncio.sleep(0)
    raise Conflict(f"{path} is being changed by too many at once", path=path, remedy="try again")


async def children(core: Core, parent: bytes, after: str = "", limit: int = PAGE) -> list[bytes]:
    """At most `limit` packed entries of a directory, by name, those after a name."""
    start = entry_key(parent, after) + b"\0" if after else parent
    return [raw for _, raw in await core.store.scan("entries", start, prefix_end(parent), limit=limit)]


def not_found(path: str) -> NotFound:
    return NotFound(f"nothing is at {path}", path=path)
