"""References between objects: which object refers to which. `indexing.py` keeps them."""

from __future__ import annotations

from collections.abc import Iterable

from ..codec import references_in
from ..context import Context
from ..errors import NotFound, PermissionDenied
from ..operations import Wire
from ..store import prefix_end
from .core import Core
from .find import REGISTRY, find
from .indexing import REFERENCE
from .read import check_limit, load_state


async def references(core: Core, context: Context, path: str, back: bool, cursor: str, limit: int) -> Wire:
    found = await find(core, context, path, "r")
    check_limit(limit)
    after = bytes.fromhex(cursor) if cursor else b""
    if back:
        prefix = REFERENCE + found.uuid
        start = prefix + after + b"\0" if after else prefix
        rows = await core.store.scan("indexes", start, prefix_end(prefix), limit=limit)
        uuids = [key[-16:] for key, _ in rows]
    elif found.entry.refs:
        targets = references_in(await load_state(core, found.entry, found.path))
        uuids = sorted(target for target in targets if target > after)[:limit]
    else:
        uuids = []
    entries = await _pointers(core, context, uuids)
    return {"entries": entries, "cursor": uuids[-1].hex() if len(uuids) == limit else ""}


async def _pointers(core: Core, context: Context, uuids: Iterable[bytes]) -> list[Wire]:
    """The pointers of those objects that are there and that the caller may read."""
    pointers = []
    for uuid in uuids:
        try:
            found = await find(core, context, f"/{REGISTRY}/{uuid.hex()}")
        except (NotFound, PermissionDenied):
            continue
        pointers.append(found.entry.wire(found.directory, core.node))
    return pointers
