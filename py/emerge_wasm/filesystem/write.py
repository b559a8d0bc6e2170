"""Changing objects: store and update. Every change is a version, and one commit with all that belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..bundles import parse
from ..codec import decode, encode
from ..errors import Conflict, Invalid, NotFound
from ..operations import Context, Rows, Values, Wire, find_operation
from ..paths import join_path, split_path
from ..store import keys_of
from .core import Change, Core, Names, Place, not_found, retry
from .read import load_state
from .record import Entry

Puts = list[tuple[str, bytes, bytes]]

Edit = Callable[[Entry, bytes | None], tuple[Entry, bytes]]
"""Given the entry that is there (or a fresh one) and its state: the entry with its new class and so on, and state."""


@dataclass(slots=True)
class Write:
    """One object to write: `edit` says how, `version` what it was made from (0: whatever is there), `mine` its state.

    `needs` wants the old state given to `edit`; `uuid` insists that the object is still that one.
    """

    names: Names
    edit: Edit
    version: int
    mine: bytes
    needs: bool = False
    uuid: bytes | None = None


async def store(
    core: Core,
    context: Context,
    path: str,
    state: bytes,
    class_name: str,
    bundle: str,
    version: int,
    type: str,
    perms: str,
    bundles: dict[str, bytes] | None,
) -> Wire:
    write = _store_write(path, state, class_name, bundle, version, type, perms)
    puts = await _check_bundles(core, {bundle}, bundles or {}, path)
    return (await _change(core, context, [write], "store", puts))[0]


async def storeall(core: Core, context: Context, objects: Values, bundles: dict[str, bytes] | None) -> Rows:
    writes: dict[Names, Write] = {}
    needed: set[str] = set()
    for row in objects:
        if not isinstance(row, (list, tuple)):
            raise Invalid("storeall wants a list of argument lists of store", remedy="see the operation table")
        path, state, class_name, bundle, version, type, perms, _ = find_operation("store").bind(list(row))
        write = _store_write(path, state, class_name, bundle, version, type, perms)
        if writes.setdefault(write.names, write) is not write:
            raise Invalid(f"{path} is twice in one batch", path=path, remedy="store it once")
        needed.add(bundle)
    puts = await _check_bundles(core, needed, bundles or {}, "these objects")
    return await _change(core, context, list(writes.values()), "store", puts) if writes else []


def _store_write(path: str, state: bytes, class_name: str, bundle: str, version: int, type: str, perms: str) -> Write:
    names = split_path(path)
    if not names:
        raise Invalid("/ cannot hold a state", path="/", remedy="give the object a name")
    if type not in ("file", "object"):
        raise Invalid(f"{type!r} is not a type of object", path=path, remedy="file or object")
    _check_state(state, path)

    def edit(entry: Entry, old: bytes | None) -> tuple[Entry, bytes]:
        given = perms or entry.perms
        return entry._replace(type=type, class_name=class_name, bundle=bundle, perms=given), state

    return Write(names, edit, version, state)


async def update(core: Core, context: Context, path: str, changes: bytes, version: int) -> Wire:
    fields = _check_state(changes, path)

    def edit(entry: Entry, old: bytes | None) -> tuple[Entry, bytes]:
        if old is None:
            raise not_found(path)
        return entry, encode({**decode(old), **fields})

    write = Write(split_path(path), edit, version, changes, needs=True)
    return (await _change(core, context, [write], "update"))[0]


async def save_run(core: Core, context: Context, names: Names, entry: Entry, state: bytes) -> Wire:
    """The version that a run made of the version it began with."""
    write = Write(names, lambda now, old: (now, state), entry.version, state, uuid=entry.uuid)
    return (await _change(core, context, [write], "run"))[0]


def _check_state(state: bytes, path: str) -> dict[str, Any]:
    try:
        fields = decode(state)
    except Invalid as error:
        raise Invalid(f"the state for {path} cannot be read: {error.message}", path=path, remedy=error.remedy) from None
    if not isinstance(fields, dict):
        raise Invalid(f"the state for {path} is not a map of fields", path=path)
    return fields


async def _check_bundles(core: Core, needed: set[str], sent: dict[str, bytes], path: str) -> Puts:
    """Check that the classes needed, and all they require, are sent along or already here; the new ones to put.

    A hash sent with no bytes is one that the sender believes to be here.
    """
    puts: Puts = []
    missing: list[str] = []
    seen: set[str] = {""}
    wanted = [*needed, *sent]
    while wanted:
        hash = wanted.pop()
        if hash in seen or hash in core.known_bundles:
            continue
        seen.add(hash)
        data = sent.get(hash)
        if data:
            wanted += parse(data, hash).requires
            puts.append(("bundles", hash.encode(), data))
        elif (await core.store.get([("bundles", hash.encode())]))[0] is not None:
            core.known_bundles.add(hash)
        else:
            missing.append(hash)
    if missing:
        raise NotFound(
            f"the class of {path} is not known here", path=path, remedy="send its bundles along", bundles=missing
        )
    return puts


async def _change(
    core: Core, context: Context, writes: list[Write], operation: str, puts: Sequence[tuple[str, bytes, bytes]] = ()
) -> Rows:
    """Read, edit and write objects as one commit, again when somebody else's commit came between."""

    async def attempt() -> Rows:
        change = Change(puts=list(puts))
        places = await core.find_all([write.names for write in writes])
        rows = [
            await _write_one(core, context, change, write, place, operation)
            for write, place in zip(writes, places, strict=True)
        ]
        await core.commit(change)
        core.known_bundles.update(key.decode() for _, key, _ in puts)
        return rows

    async with core.alone(writes[0].names if len(writes) == 1 else ()):
        return await retry(join_path(*writes[0].names), attempt)


async def _write_one(core: Core, context: Context, change: Change, write: Write, place: Place, operation: str) -> Wire:
    raw = place.raw
    old = Entry.unpack(raw) if raw is not None else None
    await _check_version(core, place, old, write)
    state = await load_state(core, old, place.path) if old is not None and write.needs else None
    entry, new_state = write.edit(old or core.make_entry(write.names[-1], "file", context), state)
    place = core.make_directories(change, place, context)
    entry = core.record(change, entry, place.parent, place.directory, operation, context, state=new_state)
    core.link(change, place.parent, entry, raw)
    return entry.wire(place.directory, core.node)


async def _check_version(core: Core, place: Place, old: Entry | None, write: Write) -> None:
    path = place.path
    if old is None:
        if write.version:
            raise Conflict(
                f"{path} was moved or removed since version {write.version} was read",
                path=path,
                remedy="store it with version 0 to make it anew",
                mine=write.mine,
                theirs=None,
                pointer=None,
            )
        return
    if old.is_directory:
        raise Invalid(f"{path} is a directory", path=path, remedy="choose another name")
    if write.version and (write.version != old.version or (write.uuid or old.uuid) != old.uuid):
        raise Conflict(
            f"{path} is at version {old.version}; this was made from version {write.version}",
            path=path,
            remedy="look at both states (theirs, mine) and store again from the newest",
            mine=write.mine,
            theirs=await load_state(core, old, path),
            pointer=old.wire(place.directory, core.node),
        )


async def load_bundles(core: Core, bundle: str) -> dict[str, bytes]:
    """A bundle and all that it requires, by hash; what is absent is left out."""
    found: dict[str, bytes] = {}
    wanted = [bundle] if bundle else []
    while wanted:
        raws = await core.store.get(keys_of("bundles", (hash.encode() for hash in wanted)))
        fresh = {hash: raw for hash, raw in zip(wanted, raws, strict=True) if raw is not None}
        found |= fresh
        wanted = [
            required for hash, raw in fresh.items() for required in parse(raw, hash).requires if required not in found
        ]
    return found
