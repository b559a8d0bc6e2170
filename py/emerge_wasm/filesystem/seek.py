"""From rows of an index to the objects that they lead to: those at or below a path that the caller may read.

Awaits the store only.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..context import Context
from ..store import keys_of
from .access import may
from .candidate import Spot
from .core import Core
from .index import Hit, WordHit
from .record import Entry, entry_key, is_directory
from .whereabouts import Whereabouts


async def seek(
    core: Core, context: Context, whereabouts: Whereabouts, hits: Sequence[Hit | WordHit], scan: int = 0
) -> list[Spot]:
    """The objects that hits lead to, as they are now, in the order of the hits; a spot's mark is the number of the
    scan and the hit's key.

    Left out is what is elsewhere, gone, or not for the caller to read.
    """
    paths = {parent: await whereabouts.path_of(parent) for parent in {hit.parent for hit in hits}}
    inside = [(hit, path) for hit in hits if (path := paths[hit.parent]) is not None]
    raws = await core.store.get(keys_of("entries", (entry_key(hit.parent, hit.name) for hit, _ in inside)))
    return [
        Spot(Entry.unpack(raw), path, [scan, hit.key])
        for (hit, path), raw in zip(inside, raws, strict=True)
        if raw is not None and raw[:16] == hit.uuid and not is_directory(raw) and may(context, raw, "r")
    ]
