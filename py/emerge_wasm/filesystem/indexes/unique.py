"""What to say when a unique index has the values of an object already. Must not import `core.py`, which needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...context import Context
from ...errors import Conflict, PermissionDenied
from ...paths import join_path
from ..layout import access
from ..layout.ancestry import Gone, ancestry
from ..layout.catalogue import parse
from ..layout.touched import Taken

if TYPE_CHECKING:
    from ..core import Core


async def path_in(core: Core, parent: bytes, name: str) -> str:
    """The path of a name in the directory of a uuid. Raises Gone."""
    return join_path(*(each for _, each in await ancestry(core.store, parent)), name)


async def taken_by(core: Core, context: Context | None, taken: Taken) -> Conflict:
    """The Conflict that names the object which has the values, to whoever may read it, and the fields."""
    id = int.from_bytes(taken.key[3:7], "big")
    fields = next((each.fields for each in parse(core.catalogue).definitions if each.id == id), ())
    path = await _seen_path(core, context, taken.holder)
    return Conflict(
        f"{path or 'another object'} has the same {' and '.join(fields)} already",
        path=path or None,
        remedy="a unique index there lets only one object have it: choose another, or drop the index",
        fields=list(fields),
    )


async def _seen_path(core: Core, context: Context | None, holder: bytes) -> str:
    """The path of the object that has a row of a unique index; "" for whoever may not read it."""
    try:
        path = await path_in(core, holder[16:32], holder[32:].decode())
        place = await core.find(tuple(path[1:].split("/")))
        if place.raw is not None and context is not None:
            access.check(context, place, "r")
    except (Gone, PermissionDenied):
        return ""
    return path
