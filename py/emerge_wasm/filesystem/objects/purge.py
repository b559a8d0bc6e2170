"""Purge what was removed: its states, versions and links go for good, and its owner has the bytes back.

One last version stays of each uuid (`is_purged`), with the name and no state. It keeps the uuid from being given again,
and tells those who follow the log. It is written first, and one link stays, that it has left; so a purge that broke off
is found and gone on with.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...context import Context
from ...errors import Invalid, NotFound, PermissionDenied
from ...paths import child_path
from ...results import PurgeInfo
from ...store import Batch, prefix_end
from ..change import Change
from ..commit import commit, commit_dropped, retry
from ..core import Core
from ..layout import access
from ..layout.ancestry import PURGED, REMOVED, is_purged
from ..layout.locality import PAGE_ROWS
from ..layout.place import Place
from ..layout.record import (
    VERSION_KEY_SIZE,
    Entry,
    VersionRecord,
    entry_key,
    is_directory,
    link_key,
    link_value,
    version_key,
)
from ..time_slice import TimeSlice
from ..tree.find import find_place, name
from ..tree.links import newest_record
from ..tree.load import children

TOGETHER = 50
"""Objects purged in one commit, at most."""

AT_ONCE = 100
"""Versions and links dropped in one commit, at most."""


async def purge(core: Core, context: Context, path: str) -> PurgeInfo:
    names = await name(core, path)
    place = await find_place(core, names)
    access.check_way(context, place)
    sweep = _Sweep(core, context)
    here = await _removed_at(core, context, place)
    mine = [record for record in here if access.owns(context, record.raw) or is_directory(record.raw)]
    inside = place.entry.uuid if place.entry is not None and place.entry.is_directory else None
    if inside is not None:
        access.check(context, place, "rx")
    elif not here and place.entry is not None:
        raise Invalid(
            f"{path} is not removed", path=path, remedy=f"remove it first, or keep fewer of its versions: retain {path}"
        )
    elif here and not mine:
        raise PermissionDenied(
            f"{context.principal or 'a guest'} may not purge {path}",
            path=path,
            remedy=f"its owner may: {here[0].entry.owner or 'nobody but a superuser'}",
        )
    elif not here:
        raise NotFound(f"nothing was removed from {path}", path=path, remedy="/registry lists what was, and where")
    await sweep.run(mine, inside)
    return {"purged": sweep.count, "bytes": sweep.bytes}


async def _removed_at(core: Core, context: Context, place: Place) -> list[VersionRecord]:
    """What was removed from a path and the caller may see, if need be out of directories that were removed as well."""
    if not place.names:
        return []
    depth = min(len(place.raws), len(place.names) - 1)
    parents = [place.chain[depth][:16]]
    for each in place.names[depth:-1]:
        above = [record for parent in parents for record in await _removed(core, parent, each)]
        parents = [record.raw[:16] for record in above if access.may(context, record.raw, "x")]
    found = [record for parent in parents for record in await _removed(core, parent, place.names[-1])]
    return [record for record in found if access.may(context, record.raw, "r") or access.owns(context, record.raw)]


async def _removed(core: Core, parent: bytes, name: str) -> list[VersionRecord]:
    """What was removed from one place, and what a purge was broken off of."""
    start = entry_key(parent, name) + b"\0"
    return [record async for left, record in _left(core, start) if left == name and _is_removed_from(record, parent)]


async def _left(core: Core, start: bytes) -> AsyncIterator[tuple[str, VersionRecord]]:
    """Yield each name that something has left, as links of this beginning say, with the newest version of that now.

    What is purged altogether is left out.
    """
    end, after, last = prefix_end(start), start, (b"", b"")
    while True:
        rows = await core.store.scan("links", after, end, limit=PAGE_ROWS)
        for key, value in rows:
            this = key[16 : -VERSION_KEY_SIZE - 1], key[-VERSION_KEY_SIZE:-8]
            if value[:1] == b"-" and this != last:
                last = this
                record = await newest_record(core, this[1])
                if record is not None and not (is_purged(record) and await _is_bare(core, record)):
                    yield this[0].decode(), record
        if len(rows) < PAGE_ROWS:
            return
        after = rows[-1][0] + b"\0"


async def _is_bare(core: Core, purged: VersionRecord) -> bool:
    """Whether nothing but the last version is left of something."""
    uuid = purged.raw[:16]
    return not await core.store.scan("versions", uuid, version_key(uuid, purged.entry.version), limit=1)


def _is_removed_from(record: VersionRecord, parent: bytes) -> bool:
    return record.operation == REMOVED and record.parent == parent


class _Sweep:
    """Purges what a caller has removed, children before their directories, in as few commits as the store takes."""

    def __init__(self, core: Core, context: Context) -> None:
        self._core = core
        self._context = context
        self._taken: list[VersionRecord] = []
        self._most = max(min(TOGETHER, core.store.capabilities.largest_batch // 4), 1)
        self._held = False  # a directory of the caller's could not go
        self._slice = TimeSlice()
        self.count = self.bytes = 0

    async def run(self, gone: list[VersionRecord], living: bytes | None) -> None:
        """Purge these, and what was removed from a directory that is there; again, when that lets a directory go."""
        while True:
            before, self._held = self.count, False
            for record in gone:
                await self.take(record)
            if living is not None:
                await self.empty(living, living=True)
            await self.flush()
            if not self._held or self.count == before:
                return

    async def empty(self, directory: bytes, *, living: bool) -> bool:
        """Purge what was removed from a directory and below it; whether nothing is left that its links lead to."""
        whole = True
        async for left, record in _left(self._core, directory):
            await self._slice.share()
            if _is_removed_from(record, directory):
                whole = (record.entry.name != left or await self.take(record)) and whole
            else:
                whole = False  # its way at a past moment leads through here
        cursor = ""
        while living:
            raws = await children(self._core, directory, cursor)
            for raw in raws:
                await self._slice.share()
                if is_directory(raw) and access.may(self._context, raw, "rx"):
                    await self.empty(raw[:16], living=True)
            if len(raws) < PAGE_ROWS:
                break
            cursor = Entry.unpack(raws[-1]).name
        return whole

    async def take(self, record: VersionRecord) -> bool:
        """Purge what was removed, if it is the caller's; a directory, once all that was in it is purged."""
        whole = True
        if is_directory(record.raw):
            whole = access.may(self._context, record.raw, "rx") and await self.empty(record.raw[:16], living=False)
        if not access.owns(self._context, record.raw):
            return False
        if not whole:
            self._held = True
            return False
        self._taken.append(record)
        if len(self._taken) >= self._most:
            await self.flush()
        return True

    async def flush(self) -> None:
        """Purge what was taken so far."""
        core, taken, self._taken = self._core, self._taken, []
        if not taken:
            return

        async def attempt() -> list[VersionRecord]:
            change = Change(dates=core.dates, context=self._context)
            still = [record for record in taken if await newest_record(core, record.raw[:16]) == record]
            for record in still:
                if not is_purged(record):
                    _put_last(change, record)
            if change:
                await commit(core, change)
            return still

        path = child_path(taken[0].directory, taken[0].entry.name)
        for record in await retry(path, attempt):  # others have been restored meanwhile
            self.bytes += await drop_history(core, self._context, record)
            self.count += 1


def _put_last(change: Change, gone: VersionRecord) -> None:
    """Add the version that stays, on the condition that it is the next one."""
    bare = gone.entry._replace(content=0, size=0, refs=0, bundle="", keep="")
    change.expect("versions", version_key(bare.uuid, bare.version + 1), None)
    change.record(bare, gone.parent, gone.directory, REMOVED, origin=PURGED)


async def drop_history(core: Core, context: Context, last: VersionRecord) -> int:
    """Drop the versions of what is purged but the last, and what says where it was; return the bytes that it had."""
    uuid, freed = last.raw[:16], 0
    places = {(last.parent, last.entry.name)}
    newest = await newest_record(core, uuid)
    if newest is None or not is_purged(newest):
        return 0
    time_slice = TimeSlice()
    most = max(min(AT_ONCE, core.store.capabilities.largest_batch // 2), 1)
    while rows := await core.store.scan("versions", uuid, version_key(uuid, newest.entry.version), limit=most):
        await time_slice.share()
        change = Change(dates=core.dates, context=context)
        for key, raw in rows:
            record = VersionRecord.unpack(raw)
            places.add((record.parent, record.entry.name))
            change.drop_version(key, record.entry)
        await commit_dropped(core, change)
        freed += change.freed.total()
    entry = newest.entry
    kept = link_key(newest.parent, entry.name, uuid, entry.version)
    await core.store.commit(Batch(puts=[("links", kept, link_value(False, entry.date))]))
    for place in places:
        start = entry_key(*place) + b"\0" + uuid
        end = kept if kept.startswith(start) else prefix_end(start)
        while links := await core.store.scan("links", start, end, limit=most):
            await core.store.commit(Batch(deletes=[("links", key) for key, _ in links]))
    return freed
