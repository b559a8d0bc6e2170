"""The definitions of indexes in a copy: those of its leader, by directory. Awaits the store only.

In a copy no index is unique, or two values that the leader exchanged could stop it; `make_unique` is for its promotion.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from ..filesystem.core import Core
from ..filesystem.indexes.definitions import add_definitions, read_catalogue
from ..filesystem.layout.catalogue import CATALOGUE, Catalogue, parse
from ..store import Batch

Defined = tuple[bytes, list[str], bool, bool]
"""(directory, fields, unique, text)"""


def defined(rows: Iterable[Defined]) -> tuple[Defined, ...]:
    """Read definitions as they come over a wire."""
    return tuple((directory, list(fields), unique, text) for directory, fields, unique, text in rows)


async def adjust_definitions(core: Core, wanted: Iterable[Defined]) -> None:
    """Define the indexes that a leader has, and drop others."""
    raw = await read_catalogue(core)
    before = catalogue = parse(raw)
    keys = {(directory, tuple(fields), text) for directory, fields, _, text in wanted}
    gone = [each.id for each in catalogue.definitions if (each.directory, each.fields, each.text) not in keys]
    catalogue = catalogue.remove(gone)
    for directory, fields, text in sorted(keys - _keys(catalogue)):
        catalogue = catalogue.add(directory, fields, False, text)
    if catalogue != before:
        await _commit(core, raw, catalogue, gone)


async def make_unique(core: Core, wanted: Iterable[Defined]) -> None:
    """Make those indexes unique that are so at the leader: the copy has become the owner."""
    raw = await read_catalogue(core)
    catalogue = parse(raw)
    unique = {(directory, tuple(fields), text) for directory, fields, unique, text in wanted if unique}
    ids = [each.id for each in catalogue.definitions if (each.directory, each.fields, each.text) in unique]
    ids = [each.id for each in catalogue.definitions if each.id in ids and not each.unique]
    if ids:
        made = tuple(replace(each, unique=each.unique or each.id in ids) for each in catalogue.definitions)
        await _commit(core, raw, replace(catalogue, definitions=made).renew(ids), ids)


def _keys(catalogue: Catalogue) -> set[tuple[bytes, tuple[str, ...], bool]]:
    return {(each.directory, each.fields, each.text) for each in catalogue.definitions}


async def _commit(core: Core, before: bytes, catalogue: Catalogue, gone: Collection[int]) -> None:
    batch = Batch()
    batch.expect(*CATALOGUE, before or None)
    add_definitions(batch, catalogue, gone)
    await core.store.commit(batch)
    await read_catalogue(core)
