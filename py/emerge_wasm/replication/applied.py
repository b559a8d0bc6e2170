"""One commit of a follower: versions of the leader, and the entries, links and index rows that follow from them.

Its log is such that who follows it, once it leads, gets all: each version is in it once. What says that something went
to another filesystem is marked as BROUGHT: it may come back as it was, or with another version of this number.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ..context import Context
from ..errors import Conflict
from ..filesystem.change import Change
from ..filesystem.core import Core
from ..filesystem.indexes.definitions import read_catalogue
from ..filesystem.indexes.maintain import finish
from ..filesystem.layout.ancestry import GONE, LEFT, is_purged
from ..filesystem.layout.catalogue import CATALOGUE
from ..filesystem.layout.place import ROOT_KEY, Above
from ..filesystem.layout.record import (
    BROUGHT,
    ROOT,
    VERSION_KEY_SIZE,
    Entry,
    VersionRecord,
    entry_key,
    is_plain,
    link_key,
    link_value,
    version_key,
)
from ..filesystem.layout.touched import Touched
from ..filesystem.tree.links import newest_record
from ..paths import DEPTH_LIMIT
from ..store import keys_of, prefix_end

ATTEMPTS = 20

KEEPING = GONE | {"chmod", "chown", "cp", "load", "mkdir", "mv"}
"""Operations whose versions make no older ones superfluous."""


class Diverged(Conflict):
    """A copy has a version of an object that its leader does not have."""


class _Spot(NamedTuple):
    """Where an object is: the uuid of its directory, its name there, and its packed entry."""

    parent: bytes
    name: str
    raw: bytes


class _History(NamedTuple):
    """An object as far as it is known: its newest version, and where it is; None when it is not there.

    `left`: it went to another filesystem, from which it may come back with another version of this number.
    """

    version: int
    revision: str
    spot: _Spot | None
    left: bool = False


_NEW = _History(0, "", None)


class Applying:
    """The versions of a page, gathered into one change. `above`: the directories that what is copied is in; None: it is
    everything."""

    def __init__(self, core: Core, above: Collection[bytes] | None) -> None:
        self._core = core
        self._way = above
        self._change = Change(dates=core.dates, context=Context(superuser=True, via="cluster"))
        self._before: dict[bytes, _History] = {}
        self._now: dict[bytes, _History] = {}
        self._log: list[bytes] = []
        self._brought: list[bytes] = []
        self._records: dict[bytes, VersionRecord] = {}
        self.retains = False
        """Whether there is a directory with a rule of retention."""
        self.pruning: list[bytes] = []
        """The keys of versions by which older ones became superfluous, by such rules."""
        self.purged: list[bytes] = []
        """The keys of versions that say that something is purged."""

    @property
    def is_empty(self) -> bool:
        return not (self._log or self._brought or self._now)

    async def add(self, raw: bytes) -> None:
        """Add a version, unless it is here already.

        Raises:
            Diverged: another one of its number is here.
        """
        record = VersionRecord.unpack(raw)
        entry, key = record.entry, version_key(record.raw[:16], record.entry.version)
        known = await self._known_now(entry.uuid)
        if is_purged(record) and not known.version and await self._is_outside(record.parent):
            return
        if known.left and entry.version < known.version:
            known = await self._take_back(entry.uuid, known)
        follows = record.parent_revision == known.revision or known.left or not known.version
        if entry.version == known.version + 1 and not follows:
            raise _diverged(record)
        if entry.version <= known.version and not self._replaces(record, known):
            await self._add_older(key, raw, record)
            return
        change = self._change
        change.put("versions", key, raw)
        self._records[key] = record
        news = entry.version > known.version or known.left
        (self._log if news and record.operation != LEFT else self._brought).append(key)
        if record.state is not None:
            change.states[key] = record.state
        spot = _spot(record)
        self._link(known.spot, spot, record)
        self._now[entry.uuid] = _history(record, spot)
        self.retains = self.retains or bool(entry.keep)
        if is_purged(record):
            self.purged.append(key)
        if record.operation not in KEEPING and known.spot is not None:
            self.pruning.append(key)

    async def commit(self, condition: tuple[str, bytes, bytes | None], progress: bytes) -> None:
        """Commit all of it, with the progress in place of that of the condition."""
        change = self._change
        change.expect(*condition)
        change.put(condition[0], condition[1], progress)
        for mark, keys in ((b"", self._log), (BROUGHT, self._brought)):
            if keys:
                change.append("log", mark + b"".join(keys))
        await self._place()
        for _ in range(ATTEMPTS):
            if await self._commit_once():
                return
        raise Conflict("the indexes of this copy change all the time", remedy="try again")

    async def _place(self) -> None:
        """Put the entries where the objects are now, and remove those where they were.

        What is outside of the path is not followed, and may still seem to be where something else is since: the later
        one has the place. A mount point came before what it takes the place of has left.
        """
        left = {
            _key(uuid, old): uuid
            for uuid, now in self._now.items()
            if (old := self._before[uuid].spot) is not None and (now.spot is None or old[:2] != now.spot[:2])
        }
        taken: dict[bytes, _Spot] = {}
        for uuid, now in self._now.items():
            if now.spot is not None:
                key = _key(uuid, now.spot)
                taken[key] = max(taken.get(key, now.spot), now.spot, key=_date)
        keys = list(left | taken)
        for key, raw in zip(keys, await self._core.store.get(keys_of("entries", keys)) if keys else (), strict=True):
            spot = taken.get(key)
            if spot is None and raw is not None and raw[:16] == left[key]:
                self._change.delete("entries", key)
                if self._now[left[key]].left and (instead := await self._mount_at(key)) is not None:
                    self._change.put("entries", key, instead)
            elif spot is not None and (raw is None or raw[:16] in self._now or Entry.unpack(raw).date < _date(spot)):
                self._change.put("entries", key, spot.raw)

    async def _mount_at(self, key: bytes) -> bytes | None:
        """The entry of what is at a name beside that which has left from there."""
        found: list[Entry] = []
        start = key + b"\0"
        for link, _ in await self._core.store.scan("links", start, prefix_end(start)):
            record = await newest_record(self._core, link[-VERSION_KEY_SIZE:-8])
            if record is not None and record.raw[:16] not in self._now and record.operation not in GONE:
                if entry_key(record.parent, record.entry.name) == key:
                    found.append(record.entry)
        return max(found, key=lambda entry: entry.date).pack() if found else None

    async def _commit_once(self) -> bool:
        """Commit, unless an index was made or completed since the catalogue was read: tell whether it was done."""
        core, change = self._core, self._change
        await read_catalogue(core)
        change.following = None
        for uuid, now in self._now.items():
            await self._touch(uuid, self._before[uuid].spot, now.spot)
        try:
            positions = await core.store.commit(await finish(core, change))
        except Conflict as error:
            if (error.details.get("space"), error.details.get("key")) == CATALOGUE:
                return False
            raise
        if positions:
            core.notify(positions[-1])
        await read_catalogue(core)
        return True

    async def _known_now(self, uuid: bytes) -> _History:
        return self._now.get(uuid) or await self._known(uuid)

    async def _known(self, uuid: bytes) -> _History:
        record = await newest_record(self._core, uuid)
        found = _NEW
        if record is not None:
            found = _history(record, _spot(record))
        self._before[uuid] = found
        return found

    async def _is_outside(self, directory: bytes) -> bool:
        """Whether a directory is not in the copy, as far as is known."""
        return self._way is not None and (directory in self._way or not (await self._known_now(directory)).version)

    async def _add_older(self, key: bytes, raw: bytes, record: VersionRecord) -> None:
        """Add a version that comes before one which is here: of something whose history was not asked for so far."""
        held = await self._held(key)
        if held is not None and (held.entry.revision == record.entry.revision or held.operation != LEFT):
            if held.entry.revision != record.entry.revision:
                raise _diverged(record)
            return
        self._change.put("versions", key, raw)
        self._records[key] = record
        if held is not None:
            return
        self._brought.append(key)  # it may have been here, and be kept no more since
        uuid, number, here = key[:16], record.entry.version, _spot(record)
        before, after = [await self._held(version_key(uuid, each)) for each in (number - 1, number + 1)]
        self._link(None if before is None else _spot(before), here, record)
        if after is not None and (there := _spot(after)) is not None and here is not None and there[:2] == here[:2]:
            self._change.delete("links", link_key(there.parent, there.name, uuid, number + 1))
        elif after is not None:
            self._link(here, _spot(after), after)

    async def _held(self, key: bytes) -> VersionRecord | None:
        """A version that is here, or comes by this change."""
        if key in self._records:
            return self._records[key]
        (raw,) = await self._core.store.get([("versions", key)])
        return None if raw is None else VersionRecord.unpack(raw)

    async def _take_back(self, uuid: bytes, left: _History) -> _History:
        """Forget that an object went to another filesystem: it is back as it was."""
        store, key = self._core.store, version_key(uuid, left.version)
        (raw,) = await store.get([("versions", key)])
        rows = await store.scan("versions", uuid, key, limit=1, reverse=True)
        if raw is None or not rows:
            return left
        gone, record = VersionRecord.unpack(raw), VersionRecord.unpack(rows[0][1])
        self._change.delete("versions", key)
        self._change.delete("links", link_key(gone.parent, gone.entry.name, uuid, left.version))
        entry = record.entry
        spot = _Spot(record.parent, entry.name, record.raw)
        self._now[uuid] = _History(entry.version, entry.revision, spot)
        return self._now[uuid]

    def _replaces(self, record: VersionRecord, known: _History) -> bool:
        """Tell whether a version takes the place of the newest one: it came back, or was brought to where it is."""
        entry = record.entry
        if entry.version != known.version:
            return False
        if entry.revision != known.revision:
            if not known.left:
                raise _diverged(record)
            return record.operation != LEFT
        return known.spot is not None and record.parent != known.spot.parent

    def _link(self, old: _Spot | None, new: _Spot | None, record: VersionRecord) -> None:
        """Add when the object left where it was, and appeared where it is."""
        entry = record.entry
        along = record.operation == LEFT and not record.origin  # it went with its directory, and is in that still
        if entry.uuid == ROOT or along or (old and old[:2]) == (new and new[:2]):
            return
        for spot, appeared in ((old, False), (new, True)):
            if spot is not None:
                key = link_key(spot.parent, spot.name, entry.uuid, entry.version)
                self._change.put("links", key, link_value(appeared, entry.date))

    async def _touch(self, uuid: bytes, old: _Spot | None, new: _Spot | None) -> None:
        change = self._change
        if uuid == ROOT or (old is None and new is None):
            return
        change.touched[uuid] = Touched(
            None if old is None else (old.raw, await self._above(old, now=False)),
            None if new is None else (new.raw, await self._above(new, now=True)),
        )
        if any(spot is not None and not is_plain(spot.raw) for spot in (old, new)):
            change.refers = True

    async def _above(self, spot: _Spot, *, now: bool) -> Above:
        """The directories above, as far as they are here: what is being moved in may come before its directory."""
        uuids: list[bytes] = []
        uuid = spot.parent
        while uuid != ROOT and len(uuids) <= DEPTH_LIMIT:
            uuids.append(uuid)
            if now and uuid in self._now:
                here = self._now[uuid].spot
            else:
                here = (self._before.get(uuid) or await self._known(uuid)).spot
            if here is None:
                break
            uuid = here.parent
        return Above((ROOT, *reversed(uuids)), self._core.catalogue)


def _spot(record: VersionRecord) -> _Spot | None:
    return None if record.operation in GONE else _Spot(record.parent, record.entry.name, record.raw)


def _history(record: VersionRecord, spot: _Spot | None) -> _History:
    entry = record.entry
    return _History(entry.version, entry.revision, spot, record.operation == LEFT)


def _key(uuid: bytes, spot: _Spot) -> bytes:
    return ROOT_KEY if uuid == ROOT else entry_key(spot.parent, spot.name)


def _date(spot: _Spot) -> str:
    return Entry.unpack(spot.raw).date


def _diverged(record: VersionRecord) -> Diverged:
    return Diverged(
        f"the copy and its leader have different versions {record.entry.version} of {record.entry.name}",
        remedy="the copy is to be made anew",
    )
