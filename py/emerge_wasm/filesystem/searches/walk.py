"""Every object at or below a path that the caller may read, depth first by name, now or at a moment.

The order is that of the names on the way, so a walk can go on after any of them, whatever changed meanwhile. Awaits
the store only.
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
    """A directory that is being walked: what is left of the page in hand, and the name that it goes on after."""

    uuid: bytes
    path: str
    names: PathNames  # below where the walk began
    after: str = ""
    rest: Iterator[bytes] = field(default_factory=lambda: iter(()))
    more: bool = True


async def walk_objects(core: Core, context: Context, top: Found, moment: str = "", after: PathNames = ()) -> Spots:
    """The objects at or below `top`, in pages; a spot's mark is its list of names below it. What may not be read is
    left out. `after`: the names that an earlier walk came to."""
    if not top.entry.is_directory:
        if not after:
            yield [Spot(top.entry, top.directory, [top.entry.name])]
        return
    levels = [_WalkedDirectory(top.uuid, top.path, ())]
    await _go_on(core, context, top, levels, moment, after)
    spots: list[Spot] = []
    while levels:
        level = levels[-1]
        for raw in level.rest:
            if not may(context, raw, "r"):
                continue
            entry = Entry.unpack(raw)
            names = (*level.names, entry.name)
            if not entry.is_directory:
                spots.append(Spot(entry, level.path, list(names)))
            elif may(context, raw, "x"):
                levels.append(_WalkedDirectory(entry.uuid, child_path(level.path, entry.name), names))
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
    """Set the levels to where a walk that came to these names goes on; as deep as they are still there."""
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
