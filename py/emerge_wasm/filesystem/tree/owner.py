"""Change permissions and owners, and identify the caller: chmod, chown, whoami."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from ...context import Context
from ...errors import Invalid, PermissionDenied
from ...paths import split_path
from ...results import PointerRow, PrincipalInfo
from ..change import Change
from ..commit import commit, is_full, retry
from ..core import Core
from ..indexes.definitions import read_catalogue
from ..layout import access
from ..layout.catalogue import parse
from ..layout.place import PathNames, Place
from ..layout.record import Entry
from ..time_slice import TimeSlice
from .directory import walk_tree
from .find import find_place, name, not_found

AT_ONCE = 1000
"""Entries changed in one commit."""

EntryEdit = Callable[[Place, Entry], Entry]
"""Checks that the caller may change the entry, and returns the changed one."""


async def chmod(core: Core, context: Context, path: str, perms: str, recursive: bool) -> PointerRow:
    def edit(place: Place, entry: Entry) -> Entry:
        access.check_owner(context, place, "permissions")
        return entry._replace(perms=access.changed_perms(entry.perms, perms))

    return await _change(core, context, path, edit, "chmod", recursive)


async def chown(core: Core, context: Context, path: str, owner: str, group: str | None, recursive: bool) -> PointerRow:
    for text in (owner, group or ""):
        if len(text) > 255 or any(not char.isprintable() or char in "/: " for char in text):
            raise Invalid(f"{text[:40]!r} is not the name of an owner or group", path=path)

    def edit(place: Place, entry: Entry) -> Entry:
        access.check_owner(context, place, "owner")
        if not context.superuser and owner not in ("", entry.owner):
            raise PermissionDenied("only a superuser gives things away", path=place.path, remedy="ask one")
        if not context.superuser and group not in (None, "", entry.group, *context.groups):
            raise PermissionDenied(
                f"{context.principal} is not in the group {group}", path=place.path, remedy="take a group of yours"
            )
        return entry._replace(owner=owner or entry.owner, group=entry.group if group is None else group)

    return await _change(core, context, path, edit, "chown", recursive)


async def _change(
    core: Core, context: Context, path: str, edit: EntryEdit, operation: str, recursive: bool
) -> PointerRow:
    """Change an entry and, when `recursive`, all below it first, many in a commit.

    Where the caller may not change one of them, none is changed.
    """
    names = await name(core, path)
    place = await find_place(core, names)
    access.check_way(context, place)
    if place.entry is None:
        raise not_found(path)
    edit(place, place.entry)
    if recursive and place.entry.is_directory:
        below = await _below(core, context, place.path)
        time_slice = TimeSlice()
        for child in below:
            await time_slice.share()
            found = await find_place(core, child)
            if found.entry is not None:  # else it was moved meanwhile
                edit(found, found.entry)
        while below:
            last = partial(_change_last, core, context, below[-AT_ONCE:], edit, operation)
            del below[-await retry(path, last) :]

    async def attempt() -> PointerRow:
        place = await find_place(core, names)
        if place.entry is None:
            raise not_found(path)
        change = Change(dates=core.dates, context=context)
        entry = _add(change, place, edit(place, place.entry), operation)
        if change.log:
            await commit(core, change)
        return entry.wire(place.directory, core.node)

    return await retry(path, attempt)


async def _below(core: Core, context: Context, path: str) -> list[PathNames]:
    """List what is below a directory, but for volumes: their rights are those of their tops, at their owners."""
    everything = replace(context, superuser=True)
    mounts = parse(await read_catalogue(core)).mounts
    time_slice, below = TimeSlice(), list[PathNames]()
    async for child, directory in walk_tree(core, everything, path):
        await time_slice.share()
        if child.uuid not in mounts:
            below.append((*split_path(directory), child.name))
    return below


async def _change_last(core: Core, context: Context, some: Sequence[PathNames], edit: EntryEdit, operation: str) -> int:
    """Change the last ones of these that fit into a commit, and return their number; at least one does."""
    change, count, time_slice = Change(dates=core.dates, context=context), 0, TimeSlice()
    most = core.store.capabilities.largest_batch
    for names in reversed(some):
        await time_slice.share()
        if count and await is_full(core, change, most):
            break
        place = await find_place(core, names)
        if place.entry is not None:
            _add(change, place, edit(place, place.entry), operation)
        count += 1
    if change.log:
        await commit(core, change)
    return count


def _add(change: Change, place: Place, entry: Entry, operation: str) -> Entry:
    """Add what an entry is to be to a change; return it at its version then."""
    if entry == place.entry:
        return entry
    entry = change.record(entry, place.parent, place.directory, operation)
    change.replace(place, entry)
    return entry


async def whoami(core: Core, context: Context) -> PrincipalInfo:
    found: PrincipalInfo = {
        "principal": context.principal,
        "groups": list(context.groups),
        "superuser": context.superuser,
        "umask": context.umask,
        "via": context.via,
    }
    if context.owners:
        found["owners"] = list(dict.fromkeys(each.principal for each in context.owners))
    return found
