"""One commit of an index build: the rows of some objects. Awaits the store only."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from ....store import Batch, keys_of
from ...core import Core
from ...layout.catalogue import Definition
from ...layout.record import Entry, entry_key, version_key
from ..class_shape import shapes_of
from ..index_row import UNIQUE, read_state, rows_of
from ..maintain import load_states, most_rows
from ..unique import path_in
from .walk import WalkedEntry

PART = 256
"""Objects that are read, and whose rows are made, before other tasks run."""


class Clash(NamedTuple):
    """Two objects with the same values; `conditions` hold as long as they still have them."""

    one: tuple[bytes, str]  # parent uuid, name
    other: tuple[bytes, str]
    conditions: list[tuple[str, bytes, bytes | None]]


class IndexPage(NamedTuple):
    """The rows of the first `objects` objects, as many as there was room for."""

    batch: Batch
    objects: int
    clash: Clash | None = None


async def fill_page(core: Core, definition: Definition, found: list[WalkedEntry], room: int) -> IndexPage:
    """Make the rows of some objects, sorted, on the condition that the objects are unchanged."""
    batch, done, clash = Batch(), 0, None
    held: dict[bytes, bytes | None] = {}  # who has the unique values, with this batch
    while done < len(found) and clash is None and room > 0:
        part = found[done : done + PART]
        rows = await _rows(core, definition, part)
        held = await _holders(core, rows) | held
        for each, of_one in zip(part, rows, strict=True):
            room -= len(of_one)
            if done and room < 0:
                break
            condition = ("entries", entry_key(each.parent, each.name), each.raw)
            clash = _take_values(batch, of_one, held, condition) if definition.unique else None
            if clash is not None:
                break
            batch.puts += [("indexes", key, value) for key, value in of_one.items()]
            batch.expects.append(condition)
            done += 1
        await asyncio.sleep(0)
    batch.puts.sort()  # rows that lie together are written together
    return IndexPage(batch, done, clash)


async def _rows(core: Core, definition: Definition, found: list[WalkedEntry]) -> list[dict[bytes, bytes]]:
    """Return the rows of each of some objects."""
    entries = [Entry.unpack(each.raw) for each in found]
    keys = [version_key(entry.uuid, entry.content) for entry in entries]
    states = await load_states(core.store, list(dict.fromkeys(keys)))
    shapes = await shapes_of(core.store, {entry.bundle for entry in entries})
    most = most_rows(core.store)
    return [
        rows_of(definition, each.parent, entry, read_state(states[key]), shapes[entry.bundle], most)
        for each, entry, key in zip(found, entries, keys, strict=True)
    ]


def _take_values(
    batch: Batch,
    of_one: dict[bytes, bytes],
    held: dict[bytes, bytes | None],
    condition: tuple[str, bytes, bytes | None],
) -> Clash | None:
    """Take an object's unique values, on the condition that nobody has them; return what prevents it."""
    for key, value in of_one.items():
        if key.startswith(UNIQUE):
            holder = held[key]
            if holder is not None and holder[:16] != value[:16]:
                one, other = ((each[16:32], each[32:].decode()) for each in (value, holder))
                return Clash(one, other, [condition, *_conditions(key, holder, batch)])
            batch.expect("indexes", key, holder)
            held[key] = value
    return None


async def _holders(core: Core, rows: list[dict[bytes, bytes]]) -> dict[bytes, bytes | None]:
    """Return the current holders of the objects' unique values."""
    keys = list({key: None for of_one in rows for key in of_one if key.startswith(UNIQUE)})
    return dict(zip(keys, await core.store.get(keys_of("indexes", keys)) if keys else [], strict=True))


def _conditions(key: bytes, holder: bytes, batch: Batch) -> list[tuple[str, bytes, bytes | None]]:
    """Return the conditions that another object has the values: its row or, if the batch puts that, its entry."""
    if not any(put[1] == key for put in batch.puts):
        return [("indexes", key, holder)]
    where = holder[16:]
    return [expected for expected in batch.expects if expected[:2] == ("entries", where)]


async def name_pair(core: Core, definition: Definition, clash: Clash) -> str:
    """Describe a clash, with both paths. Raises DirectoryGone."""
    paths = [await path_in(core, *each) for each in (clash.other, clash.one)]
    return f"{' and '.join(paths)} have the same {' and '.join(definition.fields)}"
