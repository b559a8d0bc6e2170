"""Report which object has the values of a unique index. Must not import `commit.py`, which imports this."""

from __future__ import annotations

from itertools import takewhile

from ...context import Context
from ...errors import Conflict, PermissionDenied
from ...paths import join_path
from ..core import Core
from ..layout import access
from ..layout.ancestry import DirectoryGone, ancestry
from ..layout.catalogue import parse
from ..layout.place import ROOT_KEY, ROOT_RAW, Place
from ..layout.record import ROOT, entry_key
from ..layout.touched import Taken


async def path_in(core: Core, parent: bytes, name: str) -> str:
    """Return the path of a name in the directory with this uuid. Raises DirectoryGone."""
    return join_path(*(each for _, each in await ancestry(core.store, parent)), name)


async def taken_by(core: Core, context: Context, taken: Taken) -> Conflict:
    """Make the Conflict that names the fields and, if the caller may read it, the object that has the values."""
    id = int.from_bytes(taken.key[3:7], "big")
    fields = next((each.fields for each in parse(core.catalogue).definitions if each.id == id), ())
    path = await _seen_path(core, context, taken.holder)
    return Conflict(
        f"{path or 'another object'} has the same {' and '.join(fields)} already",
        path=path or None,
        remedy="a unique index there lets only one object have it: choose another, or drop the index",
        fields=list(fields),
    )


async def _seen_path(core: Core, context: Context, holder: bytes) -> str:
    """Return the path of the object that holds a unique row; "" if the caller may not read it."""
    try:
        above = await ancestry(core.store, holder[16:32])
    except DirectoryGone:
        return ""
    parents = [ROOT, *[uuid for uuid, _ in above]]
    names = (*[name for _, name in above], holder[32:].decode())
    keys = [("entries", entry_key(parent, name)) for parent, name in zip(parents, names, strict=True)]
    root, *raws = await core.store.get([("entries", ROOT_KEY), *keys])
    place = Place(names, [raw for raw in takewhile(bool, raws) if raw], root or ROOT_RAW)
    try:
        if place.raw is not None:
            access.check(context, place, "r")
    except PermissionDenied:
        return ""
    return place.path
