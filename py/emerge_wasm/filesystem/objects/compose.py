"""Collections of objects inside an object: add."""

from __future__ import annotations

from typing import Any

from ...codec import Record, decode, encode
from ...context import Context
from ...errors import Invalid, NotFound
from ...operations import Wire
from ..core import Core
from ..layout.record import Entry
from ..tree.find import name, not_found
from .write import Write, change_objects, check_bundles


async def add(
    core: Core, context: Context, path: str, field: str, values: bytes, bundles: dict[str, bytes] | None
) -> Wire:
    added = decode(values)
    if not isinstance(added, list):
        raise Invalid("add wants an encoded list of values", path=path)

    def edit(entry: Entry, old: bytes | None) -> tuple[Entry, bytes]:
        if old is None:
            raise not_found(path)
        state = decode(old)
        _list_in(state, field, path).extend(added)
        return entry, encode(state)

    puts = await check_bundles(core, set(bundles or {}), bundles or {}, path)
    write = Write(await name(core, path), edit, 0, values, needs=True)
    return (await change_objects(core, context, [write], "add", puts))[0]


def _list_in(state: Any, field: str, path: str) -> list[Any]:
    """The list that `field` (`orders`, `orders.0.lines`) leads to; an absent or empty last field becomes one."""
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
