"""mixin: one object with the state and the methods of two."""

from __future__ import annotations

from typing import Any

from ...bundles import Bundle, mix, parse
from ...codec import decode, encode
from ...context import Context
from ...errors import Conflict, NotFound
from ...operations import Wire
from ...paths import check_name, child_path, join_path, split_path
from ..core import Core
from ..tree.find import Found, find, find_place
from ..tree.load import load_state
from .read import load_bundles
from .write import store


async def mixin(core: Core, context: Context, first: str, second: str, class_name: str, name: str, path: str) -> Wire:
    target = child_path(join_path(*split_path(path)), check_name(name))
    if (await find_place(core, split_path(target))).raw is not None:
        raise Conflict(f"{target} is there already", path=target, remedy="choose another name")
    found = [await find(core, context, each, "r") for each in (first, second)]
    bundles: dict[str, bytes] = {}
    classes = [await _class_of(core, each, bundles) for each in found]
    states: list[dict[str, Any]] = [decode(await load_state(core, each.entry, each.path)) for each in found]
    mixed = mix(classes[0], classes[1], class_name, bundles.get)
    state = encode({**states[1], **states[0]})
    sent = {mixed.hash: mixed.data}
    return await store(core, context, target, state, class_name, mixed.hash, 0, "file", "", sent)


async def _class_of(core: Core, found: Found, bundles: dict[str, bytes]) -> Bundle | None:
    """The bundle of an object's class, it and all it requires now among `bundles`."""
    if not found.entry.bundle:
        return None
    bundles |= await load_bundles(core, found.entry.bundle)
    if found.entry.bundle not in bundles:
        raise NotFound(f"the class of {found.path} is gone from the store", path=found.path)
    return parse(bundles[found.entry.bundle], found.entry.bundle)
