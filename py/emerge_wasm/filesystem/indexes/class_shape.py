"""Read the shapes of stored classes: which of their fields come straight from the state. Awaits a store only.

An object whose class computes a field has no sort key in an index over it: searches must run its code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...bundles import parse
from ...bundles.source_tree import LONG, look_beside
from ...errors import EmergeError
from ...query.shape import Shape, known_shape, shape_of
from ...store import Batch, Store, keys_of


async def shapes_of(store: Store, hashes: Iterable[str], making: Batch | None = None) -> dict[str, Shape]:
    """Return the shapes of classes by bundle hash; `making` is a batch that may put some of the bundles."""
    found: dict[str, Shape] = {}
    for hash in set(hashes):
        shape = known_shape(hash) if hash else None
        if shape is None:
            bundles = await _bundles(store, hash, making) if hash else {}
            shape = await read_shape(hash, bundles)
        found[hash] = shape
    return found


async def read_shape(hash: str, bundles: Mapping[str, bytes], class_name: str = "") -> Shape:
    """Return the shape of a class, given all that it needs (see `shape_of`); a long one is read beside the loop."""
    if any(len(data) > LONG for data in bundles.values()):
        return await look_beside(shape_of, hash, bundles.get, class_name)
    return shape_of(hash, bundles.get, class_name)


async def _bundles(store: Store, hash: str, making: Batch | None) -> dict[str, bytes]:
    """Load a bundle and all that it requires, by hash; absent ones are left out."""
    fresh = {key.decode(): data for space, key, data in making.puts if space == "bundles"} if making else {}
    found: dict[str, bytes] = {}
    wanted = [hash]
    while wanted:
        raws = await store.get(keys_of("bundles", (each.encode() for each in wanted)))
        held = {each: fresh.get(each, raw) for each, raw in zip(wanted, raws, strict=True)}
        found |= {each: raw for each, raw in held.items() if raw is not None}
        wanted = list({each for raw in held.values() if raw is not None for each in _requires(raw)} - set(found))
    return found


def _requires(raw: bytes) -> list[str]:
    try:
        return list(parse(raw).requires)
    except EmergeError:
        return []
