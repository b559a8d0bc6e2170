"""Plan stores that only have to be written as they come: a new object, or a newer version of one, in a directory that
is there, by a caller who may. The rows are those of `write.store`, which does whatever asks for more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ...codec import decode, references_in
from ...codec.msgpack_engine import engine
from ...context import Context
from ...errors import EmergeError
from ...operations import Arguments
from ...paths import NAME_LIMIT, split_path
from ...results import PointerRow
from ..change import Change
from ..layout import access
from ..layout.locality import fresh_revisions, fresh_uuids
from ..layout.place import Above, PathNames, Place
from ..layout.record import Entry, is_apart, is_directory
from ..tree.find import REGISTRY
from .retention import ALL, rule_of

KINDS = ("file", "object")
"""The types of objects that anybody may store."""

VersionStamp = tuple[str, bytes, str]
"""The date, the uuid if it is new, and the revision of one version."""


class PlainStore(NamedTuple):
    """One store: who asks, the arguments of the operation, and the names of its path."""

    context: Context
    args: Arguments
    names: PathNames


class StoreTarget(NamedTuple):
    """What all stores into one directory by one caller have in common."""

    directory: str
    above: Above
    may_make: bool
    may_pass: bool
    keeps_all: bool


def names_of(path: str) -> PathNames:
    """Return the names of a path whose object is there and nowhere else; none of any other, or a wrong one."""
    try:
        names = split_path(path)
    except EmergeError:
        return ()
    return names if names and names[0] != REGISTRY else ()


def is_plain(args: Arguments) -> bool:
    """Whether there is nothing unusual about the arguments of a store, but for its bundles."""
    _, state, _, _, version, type, _, _, uuid, node = args
    if type not in KINDS:
        return False
    if version and uuid and (len(node) > NAME_LIMIT or not node.isprintable()):
        return False
    try:
        return isinstance(decode(state), dict) and not is_apart(state)
    except EmergeError:
        return False


def stamps(dates: Sequence[str]) -> list[VersionStamp]:
    """Make a stamp for each of these dates."""
    count = len(dates)
    return list(zip(dates, fresh_uuids(count), fresh_revisions(count), strict=True))


def plan(
    change: Change,
    stores: Sequence[PlainStore],
    places: Mapping[PathNames, Place],
    raws: Mapping[PathNames, bytes | None],
    stamped: Sequence[VersionStamp],
    node: str,
    log: Callable[[bytes], None],
    *,
    make_directories: bool = False,
) -> list[PointerRow | None]:
    """Add to a change what each store makes, and return its pointer, None where it asks for more.

    `places`: a place in each directory; `raws`: the packed entry at each path. `log` gets the key of each new version.
    `make_directories`: missing ones are made, for a superuser.
    """
    pack = engine.Packer().pack
    targets: dict[tuple[PathNames, int], StoreTarget | None] = {}
    pointers: list[PointerRow | None] = []
    for (context, args, names), stamp in zip(stores, stamped, strict=True):
        where = names[:-1], id(context)
        if where not in targets:
            targets[where] = _target(change, context, places[where[0]], make_directories and context.superuser)
        target, raw = targets[where], raws.get(names)
        entry = None if target is None else _next_entry(context, target, names[-1], args, raw, stamp)
        if target is None or entry is None:
            pointers.append(None)
            continue
        change.context = context
        packed = entry.pack(pack)
        before = "" if raw is None else Entry.unpack(raw).revision
        key = change.put_version(
            entry, packed, target.above.parent, target.directory, "store", before, args.state, pack=pack
        )
        change.link(target.above, entry, raw, packed)
        log(key)
        pointers.append(entry.wire(target.directory, node))
    return pointers


def _target(change: Change, context: Context, place: Place, make: bool) -> StoreTarget | None:
    """Return the directory of a place for a caller, on the condition that it stays; None if it is not there."""
    held = place.chain[: len(place.names)]
    if not is_directory(held[-1]) or not (make or len(held) == len(place.names)):
        return None
    place = change.make_directories(place)
    held = place.chain[: len(place.names)]
    passes = all(access.may(context, raw, "x") for raw in held)
    makes = passes and access.may(context, held[-1], "w")
    kept = rule_of(Place(place.names[:-1], held[1:], held[0]))
    return StoreTarget(place.directory, place.above, makes, passes, kept == ALL)


def _next_entry(
    context: Context,
    target: StoreTarget,
    name: str,
    args: Arguments,
    raw: bytes | None,
    stamp: VersionStamp,
) -> Entry | None:
    """Return the entry that a store makes of the one that is there; None if that asks for more."""
    _, state, class_name, bundle, version, type, perms, _, known, _ = args
    date, uuid, revision = stamp
    refs, size = len(references_in(state)), len(state)
    if raw is None:
        if version or not target.may_make:
            return None
        given = access.new_perms(context, perms)
        return Entry(uuid, name, type, class_name, bundle, given, context.maker, "", size, 1, revision, date, 1, refs)
    old = Entry.unpack(raw)
    newer = old.version + 1
    if (
        old.is_directory
        or version not in (0, old.version)
        or perms not in ("", old.perms)
        or (version and known not in ("", old.uuid.hex()))
        or not (target.may_pass and target.keeps_all and access.may(context, raw, "w"))
    ):
        return None
    date = max(date, old.date)  # clocks of several machines may differ
    return Entry(
        *old[:2],
        type,
        class_name,
        bundle,
        *old[5:8],
        size,
        newer,
        revision,
        date,
        newer,
        refs,
        old.keep,
    )
