"""Check that indexes hold exactly the rows that the objects have. See `audit.py`. Awaits a store only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from ...store import Store, keys_of, prefix_end
from ..indexes.build.walk import Walk, WalkedEntry
from ..indexes.class_shape import shapes_of
from ..indexes.index_row import KINDS, UNIQUE, prefixes_of, read_state, rows_of
from ..indexes.maintain import load_states, most_rows
from ..layout.ancestry import DirectoryGone, ancestry
from ..layout.catalogue import CATALOGUE, NONE, Definition, dropped_key, parse, ready_key
from ..layout.locality import PAGE_ROWS
from ..layout.record import ROOT, Entry, version_key


async def index_faults(store: Store) -> AsyncIterator[str]:
    """Yield the faults, a line each. An index being built may lack rows, but must have none too many."""
    definitions = parse((await store.get([CATALOGUE]))[0] or NONE).definitions
    kept = {each.id: each for each in definitions if not each.error}
    for definition in kept.values():
        async for fault in _faults(store, definition):
            yield fault
    for id in [id for kind in KINDS async for id in _ids(store, kind)]:
        if id not in kept and (await store.get([("meta", dropped_key(id))]))[0] is None:
            yield f"there are rows of an index {id}, which is not defined"


async def _ids(store: Store, kind: bytes) -> AsyncIterator[int]:
    """Yield the ids of all indexes that have rows of a kind."""
    start: bytes | None = kind
    while start is not None and (rows := await store.scan("indexes", start, prefix_end(kind), limit=1)):
        id = rows[0][0][len(kind) : len(kind) + 4]
        yield int.from_bytes(id, "big")
        start = prefix_end(kind + id)


async def _faults(store: Store, definition: Definition) -> AsyncIterator[str]:
    what = f"the index {definition.id} over {', '.join(definition.fields)}"
    try:
        above = (ROOT, *[uuid for uuid, _ in await ancestry(store, definition.directory)])
    except DirectoryGone:
        yield f"{what} is over the directory {definition.directory.hex()}, which is not there"
        return
    ready = (await store.get([("meta", ready_key(definition.id))]))[0] is not None
    expected = 0
    walk = Walk(store, above[-1])
    while (found := await walk.next(PAGE_ROWS)) is not None:
        rows = await _expected(store, definition, found)
        expected += len(rows)
        values = dict(zip(rows, await store.get(keys_of("indexes", rows)), strict=True))
        for key, value in rows.items():
            if (ready or values[key] is not None) and values[key] != value:
                yield f"{what} {'lacks' if values[key] is None else 'has another'} row {key[7:].hex()}"
    if await _count(store, definition) > expected or not ready:
        async for fault in _strays(store, definition, what):
            yield fault


async def _expected(store: Store, definition: Definition, found: Iterable[WalkedEntry]) -> dict[bytes, bytes]:
    entries = [(each.parent, Entry.unpack(each.raw)) for each in found]
    keys = {entry.uuid: version_key(entry.uuid, entry.content) for _, entry in entries}
    states = await load_states(store, list(keys.values()))
    shapes = await shapes_of(store, (entry.bundle for _, entry in entries))
    rows: dict[bytes, bytes] = {}
    for parent, entry in entries:
        state, shape = read_state(states[keys[entry.uuid]]), shapes[entry.bundle]
        rows |= rows_of(definition, parent, entry, state, shape, most_rows(store))
    return rows


async def _pages(store: Store, definition: Definition) -> AsyncIterator[list[tuple[bytes, bytes]]]:
    for prefix in prefixes_of(definition.id):
        start = prefix
        while rows := await store.scan("indexes", start, prefix_end(prefix), limit=PAGE_ROWS):
            yield rows
            start = rows[-1][0] + b"\0"


async def _count(store: Store, definition: Definition) -> int:
    return sum([len(rows) async for rows in _pages(store, definition)])


async def _strays(store: Store, definition: Definition, what: str) -> AsyncIterator[str]:
    """Report rows that no object has. Each row says where its object is; the object there must have the row."""
    async for rows in _pages(store, definition):
        places = [(key, _place_of(key, value)) for key, value in rows]
        raws = await store.get(keys_of("entries", (place for _, place in places)))
        found = {place: raw for (_, place), raw in zip(places, raws, strict=True) if raw is not None}
        inside = {place: raw for place, raw in found.items() if await _is_inside(store, definition, place[:16])}
        had = await _expected(
            store, definition, [WalkedEntry(place[:16], place[16:].decode(), raw) for place, raw in inside.items()]
        )
        for key, _ in rows:
            if key not in had:
                yield f"{what} has a row {key[7:].hex()}, which no object has"


def _place_of(key: bytes, value: bytes) -> bytes:
    """Return the key of the entry that a row points to."""
    if key.startswith(b"idx"):
        return value[:16] + value[24:]
    return value[16:] if key.startswith(UNIQUE) else value[8:]


async def _is_inside(store: Store, definition: Definition, parent: bytes) -> bool:
    try:
        above = await ancestry(store, parent)
    except DirectoryGone:
        return False
    return definition.directory in (ROOT, *[uuid for uuid, _ in above])
