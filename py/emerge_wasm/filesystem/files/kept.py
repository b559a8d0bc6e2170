"""Who keeps which blocks of a filesystem, and what is amiss with each where it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...results import BlockFault
from ..blocks import elsewhere
from ..core import Core
from .holders import holders_of, still_damaged

KeptBy = Mapping[bytes, dict[str, BlockFault | None]]
"""For each block the filesystems that keep it, or were given it, and what is amiss with it there."""


async def look(core: Core, names: Collection[bytes], verify: bool) -> KeptBy:
    """Return who keeps each of these blocks. With `verify`, each is read where it is."""
    around = holders_of(core)
    kept: dict[bytes, dict[str, BlockFault | None]] = {name: {} for name in names}
    here = names if verify else await core.blocks.has(names)
    faults = await core.blocks.unsound(names) if verify else await still_damaged(core, names)
    for name in here:
        kept[name][core.uuid] = faults.get(name)
    hints = {} if around.alone() else await elsewhere.where(core.blocks, names)
    for holder in sorted(set().union(*hints.values())):
        given = [name for name in names if holder in hints[name]]
        faults = await around.check(holder, given, verify)
        for name in given:
            kept[name][holder] = faults.get(name)
    for whom in kept.values():
        if len(whom) > 1 and whom.get(core.uuid) == "lost":  # it is not to be here
            del whom[core.uuid]
    return kept
