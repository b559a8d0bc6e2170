"""What every operation works with: the injected store, where a path leads, and how a change is written.

Awaits the store and nothing else; the clock is injected too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..codec import references_in
from ..errors import Conflict, Invalid, NotFound
from ..objects import DIRECTORY
from ..operations import Context, Dispatch
from ..paths import join_path
from ..store import Batch, Store, prefix_end
from .indexes.maintain import finish, follow, reserve
from .indexes.unique import taken_by
from .layout.access import new_perms
from .layout.ancestry import Gone
from .layout.catalogue import CATALOGUE, NONE, parse
from .layout.locality import fresh_uuid, get_entries
from .layout.moment import after, utc_now
from .layout.place import ROOT_KEY, ROOT_RAW, Above, Names, Place
from .layout.record import (
    INLINE_LIMIT,
    ROOT,
    Entry,
    VersionRecord,
    entry_key,
    is_directory,
    is_plain,
    link_key,
    link_value,
    version_key,
)
from .layout.touched import Following, Taken, Touched
from .runner import Runner
from .runs.behind import Behind
from .runs.capacity import Capacity
from .runs.object_lock import Turns

if TYPE_CHECKING:
    from .indexes.build.builder import Builder
    from .transactions.transaction import Transactions

T = TypeVar("T")

CACHE_LIMIT = 10_000
ATTEMPTS = 20
PAGE = 500
SPARE = 16
"""Rows left free in a commit for what one more object may come to."""


@dataclass(slots=True)
class Change(Batch):
    """A batch in the making: what it logs, the directories that it makes or relies on, and its one date.

    `touched`: what was and will be at which place; from this follow the rows of references and indexes, which `commit`
    adds. `states`: those that it makes, by uuid and version.
    """

    log: list[bytes] = field(default_factory=list)
    touched: dict[bytes, Touched] = field(default_factory=dict)
    states: dict[bytes, bytes] = field(default_factory=dict)
    refers: bool = False  # something touched may have references
    following: Following | None = None
    context: Context | None = None  # whose change it is
    directories: dict[Names, bytes] = field(default_factory=dict)
    date: str = ""

    def touch(self, above: Above, old: bytes | None, new: bytes | None) -> None:
        """Note what was at a place and what will be; what moves is noted twice."""
        raw = new or old or b""
        touched = self.touched.get(raw[:16])
        if touched is None:
            touched = self.touched[raw[:16]] = Touched(None if old is None else (old, above))
        if new is not None:
            touched.new = new, above
        if not is_plain(raw) or (old is not None and not is_plain(old)):
            self.refers = True


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
    dispatch: Dispatch | None = None  # what running methods call: the own filesystem, or the cluster around it
    turns: Turns = field(default_factory=Turns)  # of the objects that run
    capacity: Capacity = field(default_factory=Capacity)  # of the runner
    behind: Behind = field(default_factory=Behind)  # receipts of runs that changed nothing
    builder: Builder | None = None  # made when there is first an index to build (see `building.py`)
    catalogue: bytes = NONE  # of indexes, as last read; a commit finds out when it is another one by now
    orders: dict[Any, Any] = field(default_factory=dict)  # the next pages of ordered searches, see `ordering.py`
    slow: dict[tuple[str, str], int] = field(
        default_factory=dict
    )  # searches that an index would help, see `suggestion.py`
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
        catalogue = self.catalogue
        root, *raws = await self.store.get([("entries", ROOT_KEY), *keys])
        for parent, raw in zip(parents[1:], raws, strict=False):
            if raw is None or raw[:16] != parent:
                self._directories.clear()
                return None
        return Place(names, [raw for raw in raws if raw is not None], root or ROOT_RAW, catalogue)

    async def _find_by_name(self, names: Names) -> Place:
        parent, catalogue = ROOT, self.catalogue
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
        return Place(names, raws, root, catalogue)

    async def find_all(self, many: Sequence[Names]) -> list[Place]:
        """Resolve many paths: each of their directories once, then all of them in one batch."""
        if len(many) == 1:
            return [await self.find(many[0])]
        directories = {names: await self.find(names) for names in {names[:-1] for names in many}}
        above = [directories[names[:-1]] for names in many]
        places = [Place(names, list(at.raws), at.root, at.catalogue) for names, at in zip(many, above, strict=True)]
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
        if state is not None:
            change.states[key] = state
            entry = entry if (refs := len(references_in(state))) == entry.refs else entry._replace(refs=refs)
        content, size = (entry.content, entry.size) if state is None else (version, len(state))
        revision = os.urandom(16).hex()
        change.date = change.date or self.now()
        change.context = context
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

    def link(self, change: Change, above: Above, entry: Entry, old: bytes | None) -> None:
        """Put an entry into a directory, expecting what is there now."""
        key = entry_key(above.parent, entry.name)
        raw = entry.pack()
        change.expect("entries", key, old)
        change.put("entries", key, raw)
        if old is None:
            since = link_key(above.parent, entry.name, entry.uuid, entry.version)
            change.put("links", since, link_value(True, entry.date))
        change.touch(above, old, raw)

    def replace(self, change: Change, place: Place, entry: Entry) -> None:
        """Put the next version of what is at a place (the root perhaps) in its stead."""
        if place.names:
            self.link(change, place.above, entry, place.chain[-1])
        else:
            change.expect("entries", ROOT_KEY, None if place.root == ROOT_RAW else place.root)
            change.put("entries", ROOT_KEY, entry.pack())

    def unlink(self, change: Change, above: Above, name: str, raw: bytes, left: Entry) -> None:
        """Take an entry out of a directory, expecting it there; `left` is the entry as it is recorded after that."""
        key = entry_key(above.parent, name)
        change.expect("entries", key, raw)
        change.delete("entries", key)
        change.put("links", link_key(above.parent, name, left.uuid, left.version), link_value(False, left.date))
        change.touch(above, raw, None)

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
                uuids = (ROOT, *[held[:16] for held in raws])
                self.link(change, Above(uuids, place.catalogue), entry, None)
                raw = change.directories[names] = entry.pack()
            raws.append(raw)
        return replace(place, raws=raws + place.raws[above:])

    async def commit(self, change: Change) -> None:
        """Commit as one entry of the log, with the rows of references and indexes that follow, and tell who watches.

        Stale when what it was made from has changed; Conflict when a unique index has the values of an object already.
        """
        for _ in range(ATTEMPTS):
            try:
                batch = await finish(self, change)
            except Gone as error:
                raise Stale from error
            except Taken as error:
                raise await taken_by(self, change.context, error) from None
            try:
                positions = await self.store.commit(batch)
                break
            except Conflict as error:
                if (error.details.get("space"), error.details.get("key")) != CATALOGUE:
                    raise Stale from error
                await self.read_catalogue()
        else:
            raise Stale
        if positions:
            self.notify(positions[-1])
        if change.following is not None and change.following.defined is not None:
            await self.read_catalogue()

    async def read_catalogue(self) -> bytes:
        """The catalogue of indexes as it is now, known from here on; who builds indexes looks what there is to do."""
        raw = (await self.store.get([CATALOGUE]))[0] or NONE
        if raw != self.catalogue:
            self.catalogue = raw
            if self.builder is not None:
                self.builder.wake()
        return raw

    async def is_full(self, change: Change, most: int) -> bool:
        """Whether a change of many objects had better be committed before one more is added; `most`: so many rows."""
        try:
            rows = len(change) + await follow(self, change)
        except (Gone, Taken):
            return True  # `commit` says what is wrong
        return rows > max(most - SPARE - reserve(self, parse(self.catalogue)), 0)

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
