"""Add values to a list inside an object (add), and make one object of two (mixin)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...bundles import Bundle, mix, parse
from ...codec import Record, decode, encode
from ...context import Context
from ...errors import Conflict, Invalid, NotFound
from ...operations import OWN
from ...paths import check_name, child_path, join_path, split_path
from ...results import PointerRow
from ..core import Core
from ..layout import access
from ..layout.author import are_all_by, authors_of
from ..layout.record import Entry
from ..tree.find import Found, find, find_place, name, not_found
from ..tree.load import load_state
from .read import load_bundles
from .write import Write, change_objects, check_sent, store


async def add(
    core: Core, context: Context, path: str, field: str, values: bytes, bundles: dict[str, bytes] | None
) -> PointerRow:
    added = decode(values)
    if not isinstance(added, list):
        raise Invalid("add wants an encoded list of values", path=path)

    def edit(entry: Entry, old: bytes | None) -> tuple[Entry, bytes]:
        if old is None:
            raise not_found(path)
        state = decode(old)
        _list_in(state, field, path).extend(added)
        return entry, encode(state)

    puts = await check_sent(core, context, set(bundles or {}), bundles, path)
    write = Write(await name(core, path), edit, 0, values, needs=True)
    return (await change_objects(core, context, [write], "add", puts))[0]


def _list_in(state: Any, field: str, path: str) -> list[object]:
    """Return the list at `field` (`orders`, `orders.0.lines`); an absent or None last field becomes one."""
    value = state
    for step, part in enumerate(parts := field.split(".")):
        fields = value.fields if isinstance(value, Record) else value
        last = step == len(parts) - 1
        if last and isinstance(fields, dict) and fields.get(part) is None:
            fields[part] = []
        try:
            value = fields[int(part)] if isinstance(fields, list) else fields[part]
        except (LookupError, TypeError, ValueError):
            known = ", ".join(map(str, fields)) if isinstance(fields, dict) else ""
            raise NotFound(
                f"{path} has no {field!r}", path=path, remedy=f"it has: {known}" if known else None
            ) from None
    if not isinstance(value, list):
        raise Invalid(
            f"{path}.{field} is not a list but {type(value).__name__}", path=path, remedy="add to a list, or update it"
        )
    return value


async def mixin(
    core: Core, context: Context, first: str, second: str, class_name: str, name: str, path: str
) -> PointerRow:
    target = child_path(join_path(*split_path(path)), check_name(name))
    place = await find_place(core, split_path(target))
    access.check_way(context, place)
    if place.raw is not None:
        raise target_is_there(target)
    found = [await find(core, context, each, "r") for each in (first, second)]
    bundles: dict[str, bytes] = {}
    classes = [await _class_of(core, each, bundles) for each in found]
    states = [await load_state(core, each.entry, each.path) for each in found]
    mixed, state = mix_objects(classes, states, class_name, bundles)
    sent = {mixed.hash: mixed.data}
    authors = {each.hash: await authors_of(core.store, each.hash) for each in classes if each is not None}
    if are_all_by(context.principal, authors):
        sent[OWN] = mixed.hash.encode()
    return await store(core, context, target, state, class_name, mixed.hash, 0, "file", "", sent)


def target_is_there(path: str) -> Conflict:
    return Conflict(f"{path} is there already", path=path, remedy="choose another name")


def mix_objects(
    classes: Sequence[Bundle | None], states: Sequence[bytes], class_name: str, bundles: dict[str, bytes]
) -> tuple[Bundle, bytes]:
    """Make one class of those of two objects, and one state: the first's, where both have a field."""
    mixed = mix(classes[0], classes[1], class_name, bundles.get)
    first, second = (decode(state) for state in states)
    return mixed, encode({**second, **first})


async def _class_of(core: Core, found: Found, bundles: dict[str, bytes]) -> Bundle | None:
    """Return the bundle of an object's class, and add it and all it requires to `bundles`."""
    if not found.entry.bundle:
        return None
    bundles |= await load_bundles(core, found.entry.bundle)
    if found.entry.bundle not in bundles:
        raise NotFound(f"the class of {found.path} is gone from the store", path=found.path)
    return parse(bundles[found.entry.bundle], found.entry.bundle)
