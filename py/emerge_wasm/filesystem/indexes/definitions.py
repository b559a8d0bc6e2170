"""Index definitions: read them, put them into a commit, and update them when directories move or go."""

from __future__ import annotations

from collections.abc import Iterable

from ...store import Batch, Key
from ..core import Core
from ..layout.catalogue import CATALOGUE, NONE, Catalogue, dropped_key, progress_key, ready_key
from ..layout.record import is_directory
from ..layout.touched import Following, Touched


async def read_catalogue(core: Core) -> bytes:
    """Read the catalogue of indexes and keep it in the core; call `on_catalogue` if it changed."""
    raw = (await core.store.get([CATALOGUE]))[0] or NONE
    if raw != core.catalogue:
        core.catalogue = raw
        core.on_catalogue()
    return raw


def add_definitions(batch: Batch, catalogue: Catalogue, dropped: Iterable[int]) -> None:
    """Add these definitions to a batch, and mark the rows of dropped indexes for removal."""
    batch.put(*CATALOGUE, catalogue.pack())
    for id in dropped:
        batch.delete("meta", ready_key(id))
        batch.delete("meta", progress_key(id))
        batch.put("meta", dropped_key(id), b"")


async def follow_directories(core: Core, following: Following, catalogue: Catalogue, some: Iterable[Touched]) -> None:
    """Drop the indexes of removed directories; rebuild those that a moved directory enters or leaves."""
    before = following.defined or catalogue
    gone: set[int] = set()
    again: set[int] = set()
    for touched in some:
        if touched.old is None or not is_directory(touched.old[0]):
            continue
        if touched.new is None:
            gone.update(each.id for each in before.definitions if each.directory == touched.old[0][:16])
        else:
            again.update(await _disturbed(core, before, touched.old[1].uuids, touched.new[1].uuids))
    if gone or again:
        following.defined = before.remove(gone).renew(again - gone)
        following.dropped += sorted(gone | again)


async def _disturbed(core: Core, catalogue: Catalogue, old: tuple[bytes, ...], new: tuple[bytes, ...]) -> set[int]:
    """Return the indexes that a moved directory enters or leaves, and those being built, which may miss its objects."""
    if old == new:
        return set()
    across = {each.id for each in catalogue.definitions if (each.directory in old) != (each.directory in new)}
    inside = [each.id for each in catalogue.over(old) if each.id not in across]
    keys: list[Key] = [("meta", ready_key(id)) for id in inside]
    ready = await core.store.get(keys) if keys else []
    across = {each.id for each in catalogue.definitions if each.id in across and not each.error}
    return across | {id for id, raw in zip(inside, ready, strict=True) if raw is None}
