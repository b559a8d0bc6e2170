"""Maintain references and indexes: derive the rows of `indexes` that a change of objects puts and deletes.

`commit` calls this, so nothing that changes an object can leave it out. The rows of an object's old state are deleted,
those of its new state are put. Must not import `commit.py`, which imports this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from ...codec import references_in
from ...codec.msgpack_engine import engine
from ...errors import NotFound
from ...query.shape import Shape
from ...store import Batch, Store, keys_of
from ..change import Change
from ..core import Core
from ..layout.ancestry import ancestry
from ..layout.catalogue import CATALOGUE, Catalogue, Definition, parse
from ..layout.locality import get_versions
from ..layout.place import Above
from ..layout.record import BROUGHT, ROOT, STATE, Entry, is_directory, version_key
from ..layout.touched import Following, Taken, Touched, check_frozen, check_mounts
from .class_shape import shapes_of
from .definitions import add_definitions, follow_directories
from .index_row import UNIQUE, read_state, rows_of

SPARE = 16
"""Rows of a commit that are reserved for other things than indexes."""

REFERENCE = b"ref"


def reference_key(target: bytes, source: bytes) -> bytes:
    return REFERENCE + target + source


def most_rows(store: Store) -> int:
    """Return the most rows of one object in one index, so that old and new ones fit into one commit."""
    return (store.capabilities.largest_batch - SPARE) // 4


def reserve(core: Core, catalogue: Catalogue) -> int:
    """Return the most index rows that the next object of a large change may add."""
    return sum(2 * most_rows(core.store) if each.text else 4 for each in catalogue.definitions)


async def follow(core: Core, change: Change) -> int:
    """Derive the rows for what a change has touched since the last call; return how many rows it has now."""
    now = core.catalogue
    catalogue = parse(now)
    if not (catalogue.definitions or change.refers):
        change.following = None
        return 0
    following = change.following
    if following is None or following.catalogue != now:
        following = change.following = Following(now)
    # they are in the order in which they were touched, so those that were not seen yet come last
    fresh = list(takewhile(lambda uuid: uuid not in following.seen, reversed(change.touched)))
    some = {uuid: change.touched[uuid] for uuid in reversed(fresh)}
    if catalogue.definitions:
        for touched in some.values():
            await _look_again(core, change, touched, now)
        await follow_directories(core, following, catalogue, some.values())
    await _follow_objects(core, change, following, catalogue, some.values())
    following.seen.update(some)
    return len(following)


async def finish(core: Core, change: Change) -> Batch:
    """Return a change with all rows that follow from it, on the condition that no index came or went meanwhile.

    Raises:
        Taken: another object has the values of a unique index.
        DirectoryGone: a directory above what was touched is gone.
        Unavailable: something was touched that a mount point closes.
        Frozen: something was touched that is on its way to another filesystem.
    """
    now = core.catalogue
    if (catalogue := parse(now)).mounts:
        check_mounts(catalogue, change.touched)
    if catalogue.frozen:
        check_frozen(catalogue, change.touched, change.own)
    await follow(core, change)
    following = change.following
    batch = Batch([*change.puts], [*change.deletes], change.expects, [*change.appends], change.counts)
    if change.log:
        batch.append("log", (BROUGHT if change.brought else b"") + b"".join(change.log))
    if change.touched:  # the first condition, so that a commit fails by it first
        batch.expects = [(*CATALOGUE, (now if following is None else following.catalogue) or None), *change.expects]
    if following is not None:
        await _add_following(core, batch, following, change.several)
    return batch


async def _add_following(core: Core, batch: Batch, following: Following, several: bool) -> None:
    for key in following.deletes:
        batch.delete("indexes", key)
    for key, value in following.puts.items():
        batch.put("indexes", key, value)
    await _add_unique(core, batch, following, several)
    if following.defined is not None:
        add_definitions(batch, following.defined, following.dropped)


# --- where things are
async def _look_again(core: Core, change: Change, touched: Touched, now: bytes) -> None:
    """Read the directories above again if an index came or went since they were read."""
    if touched.old is not None and touched.old[1].catalogue != now:
        touched.old = touched.old[0], await _above_now(core, change, touched.old[1], now)
    if touched.new is not None and touched.new[1].catalogue != now:
        touched.new = touched.new[0], await _above_now(core, change, touched.new[1], now)


async def _above_now(core: Core, change: Change, above: Above, now: bytes) -> Above:
    there = len(above.uuids)
    while _is_made(change, above.uuids[there - 1]):
        there -= 1
    found = [uuid for uuid, _ in await ancestry(core.store, above.uuids[there - 1])]
    return Above((ROOT, *found, *above.uuids[there:]), now)


def _is_made(change: Change, uuid: bytes) -> bool:
    """Whether the change itself creates a directory."""
    touched = change.touched.get(uuid)
    return touched is not None and touched.old is None


# --- objects
@dataclass(slots=True)
class _Side:
    """An object before or after a change, and the indexes that cover it there."""

    entry: Entry
    above: Above
    definitions: list[Definition]

    @property
    def key(self) -> bytes:
        """The key of the version that holds its state."""
        return version_key(self.entry.uuid, self.entry.content)

    @property
    def matters(self) -> bool:
        """Whether any row follows from its state."""
        return bool(self.definitions or self.entry.refs)


async def _follow_objects(
    core: Core, change: Change, following: Following, catalogue: Catalogue, some: Iterable[Touched]
) -> None:
    pairs = [
        (_side(touched.old, catalogue), _side(touched.new, catalogue))
        for touched in some
        if not is_directory((touched.new or touched.old or (b"",))[0])
    ]
    pairs = [pair for pair in pairs if any(side is not None and side.matters for side in pair)]
    states = await _load(core, change, [side for pair in pairs for side in pair if side is not None and side.matters])
    sides = [side for pair in pairs for side in pair if side is not None and side.definitions]
    shapes = await shapes_of(core.store, (side.entry.bundle for side in sides), change)
    for old, new in pairs:
        had, has = _rows(core, old, states, shapes), _rows(core, new, states, shapes)
        for key, value in had.items():
            if key not in has:
                (following.left if key.startswith(UNIQUE) else following.deletes)[key] = value
        for key, value in has.items():
            if had.get(key) != value:
                _put(following, key, value)


def _put(following: Following, key: bytes, value: bytes) -> None:
    if key.startswith(UNIQUE):
        other = following.taken.setdefault(key, value)
        if other != value:
            raise Taken(key, other)
    else:
        following.puts[key] = value


def _side(there: tuple[bytes, Above] | None, catalogue: Catalogue) -> _Side | None:
    if there is None:
        return None
    raw, above = there
    return _Side(Entry.unpack(raw), above, catalogue.over(above.uuids) if catalogue.definitions else [])


def _rows(
    core: Core, side: _Side | None, states: dict[bytes, bytes | None], shapes: dict[str, Shape]
) -> dict[bytes, bytes]:
    """Return all rows of an object on one side of a change."""
    if side is None or not side.matters:
        return {}
    raw = states[side.key]
    if raw is None and side.entry.refs:
        raise NotFound(f"the state of {side.entry.name} at version {side.entry.version} is gone from the store")
    rows = {reference_key(target, side.entry.uuid): b"" for target in references_in(raw or b"")}
    if side.definitions:
        state, shape, most = read_state(raw), shapes[side.entry.bundle], most_rows(core.store)
        for definition in side.definitions:
            rows |= rows_of(definition, side.above.parent, side.entry, state, shape, most)
    return rows


async def _load(core: Core, change: Change, sides: list[_Side]) -> dict[bytes, bytes | None]:
    """Load the states of these by the keys of their versions, from the change itself or from the store."""
    states: dict[bytes, bytes | None] = {
        side.key: change.states[side.key] for side in sides if side.key in change.states
    }
    wanted = list(dict.fromkeys(side.key for side in sides if side.key not in states))
    return states | await load_states(core.store, wanted)


async def load_states(store: Store, wanted: list[bytes]) -> dict[bytes, bytes | None]:
    """Load the states at these versions; None for one that is gone."""
    return dict(zip(wanted, await states_at(store, wanted), strict=True))


async def states_at(store: Store, wanted: list[bytes]) -> list[bytes | None]:
    """Return the states at these versions, in their order; None for one that is gone."""
    if not wanted:
        return []
    unpack = engine.unpackb
    raws = await get_versions(store, wanted)
    states: list[bytes | None] = [unpack(raw)[STATE] if raw is not None else None for raw in raws]
    large = [number for number, state in enumerate(states) if state is None]
    found = await store.get(keys_of("states", [wanted[number] for number in large])) if large else []
    for number, state in zip(large, found, strict=True):
        states[number] = state
    return states


# --- unique indexes
async def _add_unique(core: Core, batch: Batch, following: Following, several: bool) -> None:
    """Release values that the objects held and take free ones, on the condition that the holders stay the same.

    One object may take what another one leaves, but not where these are `several` changes.
    """
    keys = list({**following.left, **following.taken})
    if not keys:
        return
    holders = dict(zip(keys, await core.store.get(keys_of("indexes", keys)), strict=True))
    left = {} if several else following.left
    for key, value in following.taken.items():
        holder = holders[key]
        if holder is not None and holder[:16] not in (value[:16], left.get(key, b"")[:16]):
            raise Taken(key, holder)
        batch.expect("indexes", key, holder)
        batch.put("indexes", key, value)
    for key, value in following.left.items():
        holder = holders[key]
        if key not in following.taken and holder is not None and holder[:16] == value[:16]:
            batch.expect("indexes", key, holder)
            batch.delete("indexes", key)
