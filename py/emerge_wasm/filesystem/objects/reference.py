"""List references between objects, in both directions. `indexes/maintain.py` keeps their rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...codec import references_in
from ...context import Context
from ...errors import Invalid, NotFound, PermissionDenied
from ...results import EntryPage, PointerRow, PointerRows
from ...store import prefix_end
from ..core import Core
from ..indexes.maintain import REFERENCE
from ..tree.find import REGISTRY, find
from ..tree.load import check_limit, load_state


async def references(core: Core, context: Context, path: str, back: bool, cursor: str, limit: int) -> EntryPage:
    found = await find(core, context, path, "r")
    if back:
        return await back_references(core, context, found.uuid, cursor, limit)
    check_limit(limit)
    after = _after(cursor)
    targets = references_in(await load_state(core, found.entry, found.path)) if found.entry.refs else set()
    uuids = sorted(target for target in targets if target > after)[:limit]
    return await _page(core, context, uuids, limit)


async def back_references(core: Core, context: Context, uuid: bytes, cursor: str, limit: int) -> EntryPage:
    """Return a page of the objects here that refer to the object with this uuid, which may be on another node."""
    check_limit(limit)
    after = _after(cursor)
    prefix = REFERENCE + uuid
    start = prefix + after + b"\0" if after else prefix
    rows = await core.store.scan("indexes", start, prefix_end(prefix), limit=limit)
    return await _page(core, context, [key[-16:] for key, _ in rows], limit)


def _after(cursor: str) -> bytes:
    try:
        return bytes.fromhex(cursor)
    except ValueError:
        raise Invalid(f"{cursor[:40]!r} is no cursor of references", remedy="ask without one") from None


async def _page(core: Core, context: Context, uuids: list[bytes], limit: int) -> EntryPage:
    entries = await _pointers(core, context, uuids)
    return {"entries": entries, "cursor": uuids[-1].hex() if len(uuids) == limit else ""}


async def _pointers(core: Core, context: Context, uuids: Iterable[bytes]) -> PointerRows:
    """Return the pointers of those objects that exist and that the caller may read."""
    pointers = []
    for uuid in uuids:
        try:
            pointers.append(await _pointer(core, context, f"/{REGISTRY}/{uuid.hex()}"))
        except (NotFound, PermissionDenied):
            continue
    return pointers


async def _pointer(core: Core, context: Context, path: str) -> PointerRow:
    """Return the pointer of an object here or, on a node, elsewhere in the cluster."""
    try:
        found = await find(core, context, path)
    except NotFound:
        if core.dispatch is None or context.transaction:
            raise
        elsewhere: Any = core.dispatch("get", [path], context)
        pointer: PointerRow = await elsewhere
        return pointer
    return found.entry.wire(found.directory, core.node)
