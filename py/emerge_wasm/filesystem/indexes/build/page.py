"""Rows of some objects for an index build, and two of them that a unique index cannot hold. Awaits the store only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ....codec.msgpack_engine import engine
from ....store import Store
from ...core import Core
from ...layout.catalogue import Definition
from ...layout.locality import get_entries
from ...layout.record import BUNDLE, CONTENT, VERSION, Entry, KeyValue, version_key
from ..class_shape import shapes_of
from ..index_row import fast_row, read_state, rows_of
from ..maintain import most_rows, states_at
from ..unique import path_in
from .walk import WalkedEntry


class Clash(NamedTuple):
    """Two objects with the same values in a unique index: the key of its row, and the keys of their entries."""

    key: bytes
    one: bytes
    other: bytes


async def make_rows(store: Store, definition: Definition, found: Sequence[WalkedEntry]) -> list[KeyValue]:
    """Make the rows of some objects."""
    unpack, make = engine.unpackb, fast_row(definition)
    entries = [unpack(each.raw[17:]) for each in found]
    keys = [version_key(each.raw[:16], fields[CONTENT]) for each, fields in zip(found, entries, strict=True)]
    states = await states_at(store, keys)
    shapes = await shapes_of(store, {fields[BUNDLE] for fields in entries})
    most = most_rows(store)
    rows: list[KeyValue] = []
    for each, fields, packed in zip(found, entries, states, strict=True):
        parent, name, raw = each
        state, shape = read_state(packed), shapes[fields[BUNDLE]]
        row = make(parent, raw[:16], name, fields[VERSION], state, shape)
        if row is not None:
            rows.append(row)
        else:
            rows += rows_of(definition, parent, Entry.unpack(raw), state, shape, most).items()
    return rows


async def still_clash(core: Core, definition: Definition, clash: Clash) -> list[tuple[str, bytes, bytes | None]]:
    """Return the conditions that both objects have the values as long as they hold; none if they differ by now."""
    conditions: list[tuple[str, bytes, bytes | None]] = []
    keys = [clash.one, clash.other]
    for key, raw in zip(keys, await get_entries(core.store, keys), strict=True):
        found = [] if raw is None else [WalkedEntry(key[:16], key[16:].decode(), raw)]
        if clash.key not in dict(await make_rows(core.store, definition, found)):
            return []
        conditions.append(("entries", key, raw))
    return conditions


async def name_pair(core: Core, definition: Definition, clash: Clash) -> str:
    """Describe a clash, with both paths. Raises DirectoryGone."""
    paths = [await path_in(core, key[:16], key[16:].decode()) for key in (clash.one, clash.other)]
    return f"{' and '.join(sorted(paths))} have the same {' and '.join(definition.fields)}"
