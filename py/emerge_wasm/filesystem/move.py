"""Moving things about: cp, mv, rm."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import Conflict, Invalid, LimitExceeded
from ..operations import Context, Wire
from ..paths import child_path, join_path, split_path
from ..store import prefix_end
from .core import Change, Core, Place, not_found, retry
from .directory import walk_tree
from .read import load_state
from .record import ROOT, Entry, entry_key


async def cp(core: Core, context: Context, source: str, target: str, recursive: bool) -> Wire:
    names = split_path(source)

    async def attempt() -> Wire:
        entry = await core.need(names)
        place = await _landing(core, entry, target)
        if not entry.is_directory:
            return await _copy_object(core, context, entry, join_path(*names), place)
        if not recursive:
            raise Invalid(f"{source} is a directory", path=source, remedy="copy it recursively (cp -r)")
        return await _copy_tree(core, context, entry, join_path(*names), place)

    return await retry(target, attempt)


async def _copy_object(core: Core, context: Context, entry: Entry, source: str, place: Place) -> Wire:
    old = Entry.unpack(place.raw) if place.raw is not None else None
    if old is not None and old.is_directory:
        raise Invalid(f"{place.path} is a directory", path=place.path)
    base = old or core.make_entry(place.names[-1], entry.type, context)
    base = base._replace(type=entry.type, class_name=entry.class_name, bundle=entry.bundle, perms=entry.perms)
    change = Change()
    raw = place.raw
    place = core.make_directories(change, place, context)
    state = await load_state(core, entry, source)
    copy = core.record(change, base, place.parent, place.directory, "cp", context, state=state, origin=source)
    core.link(change, place.parent, copy, raw)
    await core.commit(change)
    return copy.wire(place.directory, core.node)


async def _copy_tree(core: Core, context: Context, entry: Entry, source: str, place: Place) -> Wire:
    """Copy a directory: parents first, in as many commits as the store's largest batch asks for."""
    if place.raw is not None:
        raise Conflict(f"{place.path} is there already", path=place.path, remedy="choose another target")
    if place.path.startswith(source.rstrip("/") + "/"):
        raise Invalid(f"{source} cannot be copied into itself", path=source)
    change = Change()
    place = core.make_directories(change, place, context)
    top = core.make_entry(place.names[-1], "directory", context)._replace(perms=entry.perms)
    top = core.record(change, top, place.parent, place.directory, "cp", context, origin=source)
    core.link(change, place.parent, top, None)
    copies = {source: (top.uuid, place.path)}
    async for child, directory in walk_tree(core, entry.uuid, source):
        parent, path = copies[directory]
        origin = child_path(directory, child.name)
        copy = core.make_entry(child.name, child.type, context)
        copy = copy._replace(class_name=child.class_name, bundle=child.bundle, perms=child.perms)
        state = None if child.is_directory else await load_state(core, child, origin)
        copy = core.record(change, copy, parent, path, "cp", context, state=state, origin=origin)
        core.link(change, parent, copy, None)
        copies[origin] = (copy.uuid, child_path(path, child.name))
        if len(change) > min(core.store.capabilities.largest_batch, 1000) - 10:
            await core.commit(change)
            change = Change()
    await core.commit(change)
    return top.wire(place.directory, core.node)


async def _landing(core: Core, entry: Entry, target: str) -> Place:
    """Where a thing put at `target` lands: in it under its own name, when it is a directory."""
    names = split_path(target)
    place = await core.find(names)
    if not names or (place.raw is not None and Entry.unpack(place.raw).is_directory):
        return await core.find((*names, entry.name))
    return place


async def mv(core: Core, context: Context, source: str, target: str) -> Wire:
    names = split_path(source)
    if not names:
        raise Invalid("/ cannot be moved", path="/")

    async def attempt() -> Wire:
        origin = await core.find(names)
        if origin.raw is None:
            raise not_found(source)
        entry = Entry.unpack(origin.raw)
        place = await _landing(core, entry, target)
        if place.names == names:
            return entry.wire(origin.directory, core.node)
        if place.raw is not None:
            raise Conflict(f"{place.path} is there already", path=place.path, remedy="remove it, or choose another")
        if place.names[: len(names)] == names:
            raise Invalid(f"{source} cannot be moved into itself", path=source)
        return await _move(core, context, origin, entry, place)

    return await retry(source, attempt)


async def _move(core: Core, context: Context, origin: Place, entry: Entry, place: Place) -> Wire:
    change = Change()
    parent = ROOT
    for name, raw in zip(place.names, place.raws, strict=False):  # no directory above the target may move meanwhile
        change.expect("entries", entry_key(parent, name), raw)
        parent = raw[:16]
    place = core.make_directories(change, place, context)
    renamed = entry._replace(name=place.names[-1])
    moved = core.record(change, renamed, place.parent, place.directory, "mv", context, origin=origin.path)
    change.expect("entries", origin.key, origin.raw)
    change.delete("entries", origin.key)
    core.link(change, place.parent, moved, None)
    await core.commit(change)
    return moved.wire(place.directory, core.node)


@dataclass(slots=True)
class _Removal:
    """A tree to remove as one commit: it must be just this when the commit comes."""

    change: Change
    count: int = 0


async def rm(core: Core, context: Context, path: str, recursive: bool) -> int:
    names = split_path(path)
    if not names:
        raise Invalid("/ cannot be removed", path="/", remedy="remove what is in it")

    async def attempt() -> int:
        place = await core.find(names)
        if place.raw is None:
            raise not_found(path)
        removal = _Removal(Change())
        entry = Entry.unpack(place.raw)
        _remove(core, context, removal, place.parent, entry, place.directory, place.raw)
        if entry.is_directory:
            await _remove_inside(core, context, removal, entry, place.path, recursive)
        if len(removal.change) > core.store.capabilities.largest_batch:
            raise LimitExceeded(
                f"{path} holds {removal.count} entries, more than one commit of this store can remove",
                path=path,
                remedy="remove the directories in it one by one",
                limit="batch",
            )
        await core.commit(removal.change)
        return removal.count

    return await retry(path, attempt)


def _remove(
    core: Core, context: Context, removal: _Removal, parent: bytes, entry: Entry, directory: str, raw: bytes
) -> None:
    key = entry_key(parent, entry.name)
    removal.change.expect("entries", key, raw)
    removal.change.delete("entries", key)
    core.record(removal.change, entry, parent, directory, "rm", context)
    removal.count += 1


async def _remove_inside(
    core: Core, context: Context, removal: _Removal, top: Entry, path: str, recursive: bool
) -> None:
    counts: dict[bytes, int] = {top.uuid: 0}
    parents = {path: top.uuid}
    async for child, directory in walk_tree(core, top.uuid, path):
        if not recursive:
            raise Invalid(f"{path} is not empty", path=path, remedy="remove it recursively (rm -r)")
        parent = parents[directory]
        counts[parent] += 1
        _remove(core, context, removal, parent, child, directory, child.pack())
        if child.is_directory:
            counts[child.uuid] = 0
            parents[child_path(directory, child.name)] = child.uuid
    for uuid, count in counts.items():
        removal.change.expect_count("entries", uuid, prefix_end(uuid), count)
