"""Change objects: store and update. Every change is a version, and one commit with all that belongs to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from ...blocks.layout import INLINE
from ...bundles import parse
from ...codec import decode, encode, trees_in
from ...errors import Conflict, Invalid, NotFound, PermissionDenied
from ...objects import BLOB, EmergeBlob
from ...operations import Arguments, Context, Values, find_operation
from ...paths import NAME_LIMIT, join_path
from ...results import PointerRow, PointerRows
from ..change import Change
from ..commit import commit, retry
from ..core import Core
from ..layout import access
from ..layout.author import new_authors
from ..layout.locality import get_entries
from ..layout.place import PathNames, Place
from ..layout.record import Entry, entry_key
from ..tree.find import find_place, find_places, name, not_found, read_uuid
from ..tree.links import newest_record
from ..tree.load import load_state
from .merge import Edit, merge
from .plain_store import KINDS, PlainStore, is_plain, names_of, plan, stamps
from .retention import prune, rule_of

Puts = list[tuple[str, bytes, bytes]]
MAY_REFER = ("put", "restore")
"""Operations whose states may refer to blocks that the object's newest one does not."""

Also = Callable[[Change, Entry], Awaitable[None]]


@dataclass(slots=True)
class Write:
    """One object to write: `edit` makes its new state, `version` is the base (0: the newest), `mine` the state sent.

    `needs`: `edit` needs the old state. `uuid`: the object must still be this one. `perms`: its new permissions ("":
    unchanged). `also` adds to the change what belongs to the new version. `origin`: where it was read, which is noted
    when that was in another filesystem. `operation`: what is noted of it, if not what is of the whole change.
    """

    names: PathNames
    edit: Edit
    version: int
    mine: bytes
    needs: bool = False
    uuid: bytes | None = None
    perms: str = ""
    also: Also | None = None
    origin: str = ""
    operation: str = ""


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
    uuid: str = "",
    node: str = "",
) -> PointerRow:
    args = Arguments((path, state, class_name, bundle, version, type, perms, bundles, uuid, node))
    return await store_one(core, context, args, held=False)


async def store_one(core: Core, context: Context, args: Arguments, *, held: bool) -> PointerRow:
    """Do a store with these arguments. `held`: who calls has the lock of the path already."""
    path, state, class_name, bundle, version, type, perms, bundles, uuid, node = args
    write = await _store_write(core, path, state, class_name, bundle, version, type, perms, uuid, node)
    puts = await check_sent(core, context, {bundle}, bundles, path)
    return (await change_objects(core, context, [write], "store", puts, held=held))[0]


async def storeall(core: Core, context: Context, objects: Values, bundles: dict[str, bytes] | None) -> PointerRows:
    rows = [_bound(row) for row in objects]
    stores = [PlainStore(context, args, names_of(args.path)) for args in rows]
    names = {store.names for store in stores}
    plain = len(names) == len(stores) > 1 and not names & _all_above(names) and all(is_plain(args) for args in rows)
    if plain and () not in names:
        puts = await check_sent(core, context, {args.bundle for args in rows}, bundles, "these objects")
        made = await _store_plainly(core, context, stores, puts)
        if made is not None:
            return made
    return await _store_each(core, context, rows, bundles)


def _bound(row: object) -> Arguments:
    if not isinstance(row, (list, tuple)):
        raise Invalid("storeall wants a list of argument lists of store", remedy="see the operation table")
    return find_operation("store").bind(row)


def _all_above(names: Iterable[PathNames]) -> set[PathNames]:
    """Return the paths of all directories above these."""
    return {above[:depth] for above in {each[:-1] for each in names} for depth in range(1, len(above) + 1)}


async def _store_plainly(core: Core, context: Context, stores: list[PlainStore], puts: Puts) -> PointerRows | None:
    """Store what only has to be written as it comes in one commit; do nothing if any asks for more."""
    first = {store.names[:-1]: store.names for store in stores}

    async def attempt() -> PointerRows | None:
        change = Change(puts=list(puts), dates=core.dates, context=context, date=core.dates.next())
        places = {directory: await find_place(core, names) for directory, names in first.items()}
        there = [names for _, _, names in stores if len(places[names[:-1]].raws) >= len(names) - 1]
        keys = [entry_key(places[names[:-1]].parent, names[-1]) for names in there]
        raws = dict(zip(there, await get_entries(core.store, keys), strict=True))
        stamped = stamps([change.date] * len(stores))
        made = plan(change, stores, places, raws, stamped, core.node, change.log.append, make_directories=True)
        pointers = [pointer for pointer in made if pointer is not None]
        if len(pointers) < len(stores):
            return None
        await commit(core, change)
        core.known_bundles.update(key.decode() for space, key, _ in puts if space == "bundles")
        return pointers

    return await retry(join_path(*stores[0].names), attempt)


async def _store_each(
    core: Core, context: Context, rows: list[Arguments], bundles: dict[str, bytes] | None
) -> PointerRows:
    writes: dict[PathNames, Write] = {}
    for path, state, class_name, bundle, version, type, perms, _, uuid, node in rows:
        write = await _store_write(core, path, state, class_name, bundle, version, type, perms, uuid, node)
        if writes.setdefault(write.names, write) is not write:
            raise Invalid(f"{path} is twice in one batch", path=path, remedy="store it once")
    for inside in _all_above(writes.keys()) & writes.keys():
        path = join_path(*inside)
        raise Invalid(f"{path} is stored as an object, so nothing can be in it", path=path, remedy="store one of both")
    puts = await check_sent(core, context, {args.bundle for args in rows}, bundles, "these objects")
    return await change_objects(core, context, list(writes.values()), "store", puts) if writes else []


async def _store_write(
    core: Core,
    path: str,
    state: bytes,
    class_name: str,
    bundle: str,
    version: int,
    type: str,
    perms: str,
    uuid: str,
    node: str,
) -> Write:
    names = await name(core, path)
    if not names:
        raise Invalid("/ cannot hold a state", path="/", remedy="give the object a name")
    if type not in (*KINDS, BLOB):
        raise Invalid(
            f"the field type of {path} is {type[:40]!r}, and in every object it is file or object",
            path=path,
            remedy="call a field of your own something else",
        )
    fields = _check_state(state, path)
    if type == BLOB and (fields.get("layout") != INLINE or (class_name, bundle) != (EmergeBlob.__name__, "")):
        raise Invalid(f"{path} would be a file in blocks", path=path, remedy="put the file, or copy (cp) what has it")
    operation = "put" if type == BLOB else ""

    def edit(entry: Entry, old: bytes | None) -> tuple[Entry, bytes]:
        return entry._replace(type=type, class_name=class_name, bundle=bundle), state

    if not (version and uuid):
        return Write(names, edit, version, state, perms=perms, operation=operation)
    if len(node) > NAME_LIMIT or not node.isprintable():
        raise Invalid(f"{node[:40]!r} is not the name of a node", path=path)
    known = read_uuid(uuid, path)
    origin = f"{node}:{known.hex()}@{version}"
    return Write(names, edit, version, state, uuid=known, perms=perms, origin=origin, operation=operation)


async def update(core: Core, context: Context, path: str, changes: bytes, version: int) -> PointerRow:
    fields = _check_state(changes, path)

    def edit(entry: Entry, old: bytes | None) -> tuple[Entry, bytes]:
        if old is None:
            raise not_found(path)
        return entry, encode({**decode(old), **fields})

    write = Write(await name(core, path), edit, version, changes, needs=True)
    return (await change_objects(core, context, [write], "update"))[0]


async def save_run(
    core: Core, context: Context, names: PathNames, entry: Entry, state: bytes, operation: str, also: Also
) -> PointerRow:
    """Store the state that a run made from the version it began with.

    Raises:
        Invalid: it is no state; a process that ran shipped code may send anything.
    """
    _check_state(state, join_path(*names))
    write = Write(names, lambda now, old: (now, state), entry.version, state, uuid=entry.uuid, also=also)
    return (await change_objects(core, context, [write], operation))[0]


def _check_state(state: bytes, path: str) -> dict[str, object]:
    try:
        fields = decode(state)
    except Invalid as error:
        raise Invalid(f"the state for {path} cannot be read: {error.message}", path=path, remedy=error.remedy) from None
    if not isinstance(fields, dict):
        raise Invalid(f"the state for {path} is not a map of fields", path=path)
    return fields


async def check_sent(core: Core, context: Context, needed: set[str], sent: dict[str, bytes] | None, path: str) -> Puts:
    """Check likewise what came with an object; return also the rows of the classes that the caller stands for."""
    return await check_bundles(core, needed, sent or {}, path) + await new_authors(core.store, context, sent or {})


async def check_bundles(core: Core, needed: set[str], sent: dict[str, bytes], path: str) -> Puts:
    """Check that the needed classes, and all they require, are sent along or stored; return the new ones to put.

    A hash sent with no bytes is one that the sender believes to be stored.
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


async def change_objects(
    core: Core,
    context: Context,
    writes: list[Write],
    operation: str,
    puts: Sequence[tuple[str, bytes, bytes]] = (),
    *,
    held: bool = False,
) -> PointerRows:
    """Read, edit and write objects in one commit, and again when another commit came between.

    `held`: who calls has the lock of the path already.
    """

    async def attempt() -> PointerRows:
        change = Change(puts=list(puts), dates=core.dates, context=context)
        places = await find_places(core, [write.names for write in writes])
        rows = [
            await _write_one(core, context, change, write, place, write.operation or operation)
            for write, place in zip(writes, places, strict=True)
        ]
        await commit(core, change)
        core.known_bundles.update(key.decode() for space, key, _ in puts if space == "bundles")
        return rows

    lock = nullcontext() if held else core.writers.hold(writes[0].names if len(writes) == 1 else ())
    async with lock:
        return await retry(join_path(*writes[0].names), attempt)


async def _write_one(
    core: Core, context: Context, change: Change, write: Write, place: Place, operation: str
) -> PointerRow:
    raw, old = place.raw, place.entry
    merged = None
    if old is None:
        access.check_inside(context, place)
        await _check_gone(core, place, write)
        entry, state = write.edit(change.make_entry(write.names[-1], "file", write.perms), None)
    else:
        access.check(context, place, "w")
        perms = write.perms
        if _is_stale(place, old, write):
            base, entry, merged = await merge(core, context, place, old, write.version, write.edit)
            state, perms = merged, "" if perms == base.perms else perms
        else:
            entry, state = write.edit(old, await load_state(core, old, place.path) if write.needs else None)
        entry = entry._replace(perms=_kept_perms(context, place, old, perms, write.version))
    await _check_trees(core, context, place, state, operation)
    place = change.make_directories(place)
    origin = write.origin if old is None else ""
    entry = change.record(entry, place.parent, place.directory, operation, state=state, origin=origin)
    if old is not None:
        await prune(core, change, entry, rule_of(place))
    change.link(place.above, entry, raw)
    if write.also is not None:
        await write.also(change, entry)
    pointer = entry.wire(place.directory, core.node)
    return pointer if merged is None else {**pointer, "merged": merged}


async def _check_trees(core: Core, context: Context, place: Place, state: bytes, operation: str) -> None:
    """Check that a state refers only to those blocks to which its object did: to know a hash is no right to read.

    Raises:
        PermissionDenied: it refers to others.
    """
    roots = trees_in(state)
    if not roots or context.superuser or operation in MAY_REFER:
        return
    old = place.entry
    if old is None or not roots <= trees_in(await load_state(core, old, place.path)):
        raise PermissionDenied(
            f"the state for {place.path} refers to blocks that are not its own",
            path=place.path,
            remedy="put the file itself, or copy (cp) what has it",
        )


def _kept_perms(context: Context, place: Place, old: Entry, perms: str, version: int) -> str:
    """Return the permissions of an overwritten object; changing them is a chmod, which only its owner may do."""
    if not perms or perms == old.perms or not (version or access.owns(context, place.chain[-1])):
        return old.perms
    access.check_owner(context, place, "permissions")
    return access.changed_perms(old.perms, perms)


async def _check_gone(core: Core, place: Place, write: Write) -> None:
    """Check that the object of which a version was read is not one of this filesystem, which was there."""
    foreign = write.uuid is not None and write.origin and await newest_record(core, write.uuid) is None
    if write.version and not foreign:
        raise Conflict(
            f"{place.path} was moved or removed since version {write.version} was read",
            path=place.path,
            remedy="store it with version 0 to make it anew",
            mine=write.mine,
            theirs=None,
            pointer=None,
        )


def _is_stale(place: Place, old: Entry, write: Write) -> bool:
    """Whether there is a newer version than the one that the write is based on.

    Raises:
        Invalid: it is a directory, which holds no state.
        Conflict: it is another object.
    """
    path = place.path
    if old.is_directory:
        raise Invalid(f"{path} is a directory", path=path, remedy="choose another name")
    if write.uuid not in (None, old.uuid) or write.version > old.version:
        raise Conflict(
            f"{path} is another object than the one of which version {write.version} was read",
            path=path,
            remedy="read it again, or store yours under another name, or with version 0 to replace what is there",
            mine=write.mine,
        )
    return write.version not in (0, old.version)
