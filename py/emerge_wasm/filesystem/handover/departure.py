"""The side of a handover that gives: freeze a subtree, let the other filesystem decide, and remove what it then has.

The intent is a row of the store, and what is frozen is in the index catalogue, which every commit expects; so no writer
in any process changes the subtree, and whoever opens the store after a crash knows what was under way. As long as the
other filesystem was not asked to decide ("copying"), nothing has happened; once it was ("asked"), it knows the outcome.
What is removed here ("given") may come back once that is noted of all of it ("cleared"), and is remembered as long as
a copy of this filesystem may have it ("kept").
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, Self

from ...codec.msgpack_engine import engine
from ...context import Context
from ...errors import Conflict, Invalid, Unavailable
from ...objects import DIRECTORY
from ...paths import child_path, split_path
from ...store import Batch, prefix_end
from ..change import Change
from ..commit import Stale, commit, is_full, retry
from ..core import Core
from ..indexes.definitions import read_catalogue
from ..layout import access
from ..layout.ancestry import LEFT
from ..layout.catalogue import CATALOGUE, Catalogue, Definition, parse
from ..layout.locality import PAGE_ROWS, fresh_uuid
from ..layout.place import Above, Place
from ..layout.record import ROOT, Entry, link_key, link_value
from ..layout.touched import Touched
from ..lease import Lease
from ..tree.find import find_place, name, not_found
from ..tree.links import newest_record, there_since
from ..tree.mount import mount_version
from .part import ELSEWHERE, LAST

INTENT = b"handover/out/"

COPYING, ASKED, GIVEN, CLEARED, KEPT = "copying", "asked", "given", "cleared", "kept"


class Intent(NamedTuple):
    """What was begun: the subtree's top, whose it is to be and where, for whom, and how far it is.

    `mount` is the uuid of the mount point that takes its place, where its path stays as that of a volume (b"": none),
    and `version` that of the mount table by which it does.
    """

    id: bytes
    state: str
    uuid: bytes
    source: str
    filesystem: str
    target: str
    principal: str
    mount: bytes
    version: int = 0

    @property
    def key(self) -> bytes:
        return INTENT + self.id

    def pack(self) -> bytes:
        return engine.packb(self)

    @classmethod
    def unpack(cls, raw: bytes) -> Self:
        return cls(*engine.unpackb(raw))


async def intents(core: Core) -> list[Intent]:
    """Read what is under way."""
    rows = await core.store.scan("meta", INTENT, prefix_end(INTENT))
    return [Intent.unpack(raw) for _, raw in rows]


async def begin(
    core: Core,
    context: Context,
    source: str,
    filesystem: str,
    target: str,
    version: int = 0,
    id: bytes = b"",
    lease: Lease | None = None,
) -> tuple[Intent, Entry]:
    """Freeze what is at a path that the caller may move away; its path stays, where a mount table's version says so.

    `id`: what the handover is called, where the caller is to know it before anybody can. `lease` is taken with it.

    Raises:
        NotFound: nothing is there.
        Conflict: a volume is in it, or it is on its way already.
    """
    names = await name(core, source)
    if not names:
        raise Invalid("/ cannot be moved", path="/")

    async def attempt() -> tuple[Intent, Entry]:
        raw = await read_catalogue(core)
        place = await find_place(core, names)
        access.check_way(context, place)
        if place.raw is None or place.entry is None:
            raise not_found(source)
        access.check_inside(context, place)
        catalogue, uuid = parse(raw), place.raw[:16]
        _check_free(catalogue, place, uuid)
        if version and not place.entry.is_directory:
            raise Invalid(f"{source} is not a directory", path=source, remedy="mount one")
        mount = fresh_uuid() if version else b""
        intent = Intent(
            id or fresh_uuid(), COPYING, uuid, place.path, filesystem, target, context.principal, mount, version
        )
        frozen = dict.fromkeys((uuid, mount) if version else (uuid,), place.above.uuids)
        batch = Batch()
        batch.expect("entries", place.key, place.raw)
        batch.put("meta", intent.key, intent.pack())
        if lease is not None:
            lease.take_new_in(batch)
        await _save(core, batch, raw, replace(catalogue, frozen={**catalogue.frozen, **frozen}))
        return intent, place.entry

    return await retry(source, attempt)


def _check_free(catalogue: Catalogue, place: Place, uuid: bytes) -> None:
    if uuid in catalogue.mounts or any(uuid in above for above in catalogue.mounts.values()):
        raise Conflict(f"a volume is in {place.path}", path=place.path, remedy="unmount it first")
    around = {uuid, *place.above.uuids}
    if not around.isdisjoint(catalogue.frozen) or any(uuid in above for above in catalogue.frozen.values()):
        raise Unavailable(f"{place.path} is being moved to another node", path=place.path, remedy="try again")


async def _save(core: Core, batch: Batch, before: bytes, after: Catalogue) -> None:
    batch.expect(*CATALOGUE, before or None)
    batch.put(*CATALOGUE, after.pack())
    try:
        await core.store.commit(batch)
    except Conflict as error:
        await read_catalogue(core)
        raise Stale from error
    await read_catalogue(core)


async def note_given(core: Core, uuid: bytes, source: str, filesystem: str, target: str) -> Intent:
    """Note that something went to another filesystem, though another one gave it: a copy of this one may not know."""
    intent = Intent(fresh_uuid(), KEPT, uuid, source, filesystem, target, "", b"")
    await core.store.commit(Batch(puts=[("meta", intent.key, intent.pack())]))
    return intent


async def directory_of(core: Core, intent: Intent) -> bytes:
    """Return the uuid of the directory that holds what is handed over."""
    record = await newest_record(core, intent.uuid)
    assert record is not None
    return record.parent


async def since(core: Core, intent: Intent) -> str:
    """Return the moment since when its path has led to what is handed over."""
    return await there_since(core, await find_place(core, split_path(intent.source)))


async def definitions_in(core: Core, top: bytes) -> list[Definition]:
    """Return the indexes that are defined on a directory, or on one below it."""
    found = []
    for each in parse(await read_catalogue(core)).definitions:
        uuid = each.directory
        while uuid not in (top, ROOT):
            record = await newest_record(core, uuid)
            if record is None:
                break
            uuid = record.parent
        if uuid == top:
            found.append(each)
    return found


async def ask(core: Core, intent: Intent) -> Intent:
    """Note that the other filesystem is asked to decide."""
    asked = intent._replace(state=ASKED)
    batch = Batch()
    batch.expect("meta", intent.key, intent.pack())
    batch.put("meta", intent.key, asked.pack())
    await core.store.commit(batch)
    return asked


async def give(core: Core, intent: Intent, target: str, date: str) -> Intent:
    """Take the top out of its directory, at the date of the other filesystem's decision; what is below goes with it.

    Where its path stays, an empty directory takes its place, which is frozen until `thaw` makes it a mount point.
    """
    given = intent._replace(state=GIVEN, target=target)

    async def attempt() -> None:
        change = _change(core, intent)
        change.date = date
        place = await find_place(core, split_path(intent.source))
        entry, raw, above = place.entry, place.chain[-1], place.above
        if entry is None or entry.uuid != intent.uuid:  # it has gone already
            batch = Batch(puts=[("meta", given.key, given.pack())])
            batch.expect("meta", intent.key, intent.pack())
            with suppress(Conflict):
                await core.store.commit(batch)
            return
        left = change.record(entry, place.parent, place.directory, LEFT, origin=target)
        change.unlink(above, entry.name, raw, left)
        if entry.is_directory:  # indexes above are built anew, as after a move out of them
            change.touched[entry.uuid] = Touched((raw, above), (raw, _nowhere(core)))
        if intent.mount:
            _put_mount(change, intent.mount, place, entry, await there_since(core, place))
        change.expect("meta", intent.key, intent.pack())
        change.put("meta", intent.key, given.pack())
        change.put("meta", LAST + core.node.encode(), intent.id)
        await commit(core, change)

    await retry(intent.source, attempt)
    return given


def _put_mount(change: Change, uuid: bytes, place: Place, entry: Entry, since: str) -> None:
    """Put a mount point there: for those who look back, as long as the path has led to what was there."""
    change.brought = True  # nothing happened for those who watch
    change.date = since
    perms = access.changed_perms(entry.perms, "a+r")  # who may see the volume its owner decides
    made = change.make_entry(entry.name, DIRECTORY)
    made = made._replace(uuid=uuid, perms=perms, owner=entry.owner, group=entry.group)
    made = change.record(made, place.parent, place.directory, "mkdir")
    change.put("entries", place.key, made.pack())
    link = link_key(place.parent, made.name, uuid, made.version)
    change.put("links", link, link_value(True, made.date))


async def clear(core: Core, intent: Intent) -> None:
    """Note of all that was below the top that another filesystem has it, children first. It can be interrupted.

    It is in its directory still, wherever that is: no link says that it left. What is thawed was cleared before.

    Raises:
        Conflict: the handover has gone on since, or is over: the same may be back.
    """
    if intent.uuid not in parse(await read_catalogue(core)).frozen:
        return
    top = (intent.uuid, intent.source)
    way = [top]
    while way:
        uuid, path = way[-1]
        page = await core.store.scan("entries", uuid, prefix_end(uuid), limit=PAGE_ROWS)
        if not page:
            way.pop()
            continue
        change = _change(core, intent)
        change.brought = True
        change.expect("meta", intent.key, intent.pack())
        above = _nowhere(core, *(each for each, _ in way))
        for _, raw in page:
            entry = Entry.unpack(raw)
            if entry.is_directory and await core.store.scan("entries", raw[:16], prefix_end(raw[:16]), limit=1):
                way.append((entry.uuid, child_path(path, entry.name)))
                break
            change.record(entry, uuid, path, LEFT)
            change.drop(above, entry.name, raw)
            if await is_full(core, change, core.store.capabilities.largest_batch):
                break
        if change.log:
            try:
                await commit(core, change)
            except Stale:  # an index came or went
                await _check(core, intent)
                way = [top]
    await _drop_indexes(core, intent)


async def _drop_indexes(core: Core, intent: Intent) -> None:
    """Drop the indexes that are defined on the top; those further down went with their directories."""

    async def attempt() -> None:
        if not any(each.directory == intent.uuid for each in parse(await read_catalogue(core)).definitions):
            return
        record = await newest_record(core, intent.uuid)
        assert record is not None
        await _check(core, intent)
        change = _change(core, intent)
        change.expect("meta", intent.key, intent.pack())
        change.touched[intent.uuid] = Touched((record.raw, _nowhere(core)))
        await commit(core, change)

    await retry(intent.source, attempt)


async def thaw(core: Core, intent: Intent) -> bool:
    """Let others write again: what came back is as it was, and what is gone is a mount point, where its path stays.

    What was given is cleared then.
    Return False, with nothing done, where the handover has gone on since, or is over: the same may be on its way anew.
    """

    async def attempt() -> bool:
        raw = await read_catalogue(core)
        if await current(core, intent) != intent:
            return False
        catalogue = parse(raw)
        above = catalogue.frozen.get(intent.uuid)
        if above is None and intent.state != GIVEN:
            return True
        frozen = {uuid: each for uuid, each in catalogue.frozen.items() if uuid not in (intent.uuid, intent.mount)}
        mounts, batch = catalogue.mounts, Batch()
        batch.expect("meta", intent.key, intent.pack())
        if intent.state == GIVEN:
            batch.put("meta", intent.key, intent._replace(state=CLEARED).pack())
            if intent.mount and above is not None:
                mounts = {**mounts, intent.mount: above}
                batch.put(*mount_version(intent.mount, intent.version))
        await _save(core, batch, raw, replace(catalogue, frozen=frozen, mounts=mounts))
        return True

    return await retry(intent.source, attempt)


async def keep(core: Core, intent: Intent) -> Intent:
    """Note that nothing is to be done any more: what was given may come back."""
    kept = intent._replace(state=KEPT)
    batch = Batch(puts=[("meta", kept.key, kept.pack())])
    batch.expect("meta", intent.key, intent.pack())
    await core.store.commit(batch)
    return kept


async def is_mounted(core: Core, intent: Intent) -> bool:
    """Tell whether the mount point that took the place of what was given is still there."""
    place = await find_place(core, split_path(intent.source))
    return intent.state in (GIVEN, CLEARED) and place.raw is not None and place.raw[:16] == intent.mount


async def current(core: Core, intent: Intent) -> Intent | None:
    """Read how far a handover is; None when it is over."""
    (known,) = await core.store.get([("meta", intent.key)])
    return None if known is None else Intent.unpack(known)


async def _check(core: Core, intent: Intent) -> None:
    if await current(core, intent) != intent:
        raise Conflict(f"the move of {intent.source} has gone on meanwhile", path=intent.source)


async def forget(core: Core, intent: Intent) -> None:
    """Forget a handover that is over."""
    await core.store.commit(Batch(deletes=[("meta", intent.key)]))


def _change(core: Core, intent: Intent) -> Change:
    own = frozenset((intent.uuid, intent.mount))
    return Change(dates=core.dates, context=Context(intent.principal, superuser=True), own=own)


def _nowhere(core: Core, *inside: bytes) -> Above:
    """The directories above what is in no directory of this filesystem."""
    return Above((ELSEWHERE, *inside), core.catalogue)
