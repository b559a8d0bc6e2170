"""Change permissions and owners, and identify the caller: chmod, chown, whoami."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...context import Context
from ...errors import Invalid, PermissionDenied
from ...paths import child_path
from ...results import PointerRow, PrincipalInfo
from ..change import Change
from ..commit import commit, retry
from ..core import Core
from ..indexes.definitions import read_catalogue
from ..layout import access
from ..layout.catalogue import parse
from ..layout.place import Place
from ..layout.record import Entry
from .directory import walk_tree
from .find import find_place, name, not_found

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
    """Change an entry and, when `recursive`, all below it first, each in a commit of its own.

    Where the caller may not change one of them, none is changed.
    """
    names = await name(core, path)
    place = await find_place(core, names)
    access.check_way(context, place)
    if place.entry is None:
        raise not_found(path)
    edit(place, place.entry)
    if recursive and place.entry.is_directory:
        everything = replace(context, superuser=True)
        mounts = parse(await read_catalogue(core)).mounts
        below = [
            child_path(directory, child.name)
            async for child, directory in walk_tree(core, everything, place.path)
            if child.uuid not in mounts  # the rights of a volume are those of its top, at its owner
        ]
        for child in below:
            found = await find_place(core, await name(core, child))
            if found.entry is not None:  # else it was moved meanwhile
                edit(found, found.entry)
        for child in reversed(below):
            await _change(core, context, child, edit, operation, False)

    async def attempt() -> PointerRow:
        place = await find_place(core, names)
        old = place.entry
        if old is None:
            raise not_found(path)
        entry = edit(place, old)
        if entry == old:
            return entry.wire(place.directory, core.node)
        change = Change(dates=core.dates, context=context)
        entry = change.record(entry, place.parent, place.directory, operation)
        change.replace(place, entry)
        await commit(core, change)
        return entry.wire(place.directory, core.node)

    return await retry(path, attempt)


async def whoami(core: Core, context: Context) -> PrincipalInfo:
    return {
        "principal": context.principal,
        "groups": list(context.groups),
        "superuser": context.superuser,
        "umask": context.umask,
        "via": context.via,
    }
