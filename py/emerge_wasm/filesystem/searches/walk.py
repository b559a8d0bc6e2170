"""Walk all objects at or below a path that the caller may read, depth first by name, now or at a moment.

The order follows the names in the paths, so a walk can resume after any path, whatever changed meanwhile. Awaits the
store only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...context import Context
from ...paths import child_path
from ..core import Core
from ..layout.access import may
from ..layout.locality import PAGE_ROWS
from ..layout.place import PathNames
from ..layout.record import Entry, is_directory
from ..tree.find import Found, find_place
from ..tree.links import children_at, find_at
from ..tree.load import children
from .candidate import Spot, Spots


@dataclass(slots=True)
class _WalkedDirectory:
    """A directory being walked: the rest of the current page, and the name after which it continues."""

    uuid: bytes
    path: str
    names: PathNames  # relative to the top of the walk
    after: str = ""
    rest: Iterator[bytes] = field(default_factory=lambda: iter(()))
    more: bool = True


async def walk_objects(
    core: Core, context: Context, top: Found, moment: str = "", after: PathNames = (), only: str = ""
) -> Spots:
    """Yield the objects at or below `top` that the caller may read, in pages.

    A spot's mark is the list of names from `top` to it. `after`: the names at which an earlier walk stopped. `only`:
    the path of the one directory whose objects are wanted.
    """
    if not top.entry.is_directory:
        if not after:
            yield [Spot(top.entry, top.directory, [top.entry.name])]
        return
    levels = [_WalkedDirectory(top.uuid, top.path, ())]
    await _go_on(core, context, top, levels, moment, after)
    spots: list[Spot] = []
    unpack, make, superuser = Entry.unpack, tuple.__new__, context.superuser  # quicker than calling Spot
    while levels:
        level = levels[-1]
        for raw in level.rest:
            if not superuser and not may(context, raw, "r"):
                continue
            entry = unpack(raw)
            if only and not _leads(level.path, entry, only):
                continue
            if not is_directory(raw):
                spots.append(make(Spot, (entry, level.path, [*level.names, entry.name])))
            elif may(context, raw, "x"):
                below = child_path(level.path, entry.name)
                levels.append(_WalkedDirectory(entry.uuid, below, (*level.names, entry.name)))
                break
        else:
            if len(spots) >= PAGE_ROWS:
                yield spots
                spots = []
            if level.more:
                await _next_page(core, level, moment)
            else:
                levels.pop()
    if spots:
        yield spots


def _leads(path: str, entry: Entry, only: str) -> bool:
    """Whether an entry is one of the wanted directory's objects, or a directory on the way to it."""
    if not entry.is_directory:
        return path == only
    below = child_path(path, entry.name)
    return only == below or only.startswith(f"{below}/")


async def _next_page(core: Core, level: _WalkedDirectory, moment: str) -> None:
    if moment:
        raws = await children_at(core, level.uuid, moment, level.after, PAGE_ROWS)
    else:
        raws = await children(core, level.uuid, level.after, PAGE_ROWS)
    level.more = len(raws) == PAGE_ROWS
    level.rest = iter(raws)
    if raws:
        level.after = Entry.unpack(raws[-1]).name


async def _go_on(
    core: Core, context: Context, top: Found, levels: list[_WalkedDirectory], moment: str, after: PathNames
) -> None:
    """Set the levels to resume a walk after these names, as deep as the directories still exist."""
    if not after:
        return
    levels[0].after = after[0]
    names = (*top.place.names, *after[:-1])
    place = await (find_at(core, names, moment) if moment else find_place(core, names))
    below = place.raws[len(top.place.names) :]
    for raw, name, next in zip(below, after, after[1:], strict=False):
        level = levels[-1]
        if not is_directory(raw) or not may(context, raw, "rx"):
            return
        levels.append(_WalkedDirectory(raw[:16], child_path(level.path, name), (*level.names, name), next))
