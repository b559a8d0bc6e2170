"""Describe a class without running it (methods, help, code), and answer class bundles to clients that run it."""

from __future__ import annotations

from typing import Any

from ...bundles import Bundle, bundle_text, describe, help_of, parse, source_of, takes_long
from ...bundles.source_tree import look_beside
from ...errors import Invalid, LimitExceeded, NotFound
from ...operations import Context, Names
from ...results import AuthorMap, MethodRows
from ...store import keys_of
from ..core import Core
from ..layout.author import authors_of
from ..tree.find import find
from .read import load_bundles

HASHES_LIMIT = 1000


async def _find_bundle(
    core: Core, context: Context, path: str, version: int, as_of: str, *, whole: bool = False
) -> tuple[Bundle, dict[str, bytes]]:
    """Return the bundle of an object's class, and all that it needs; `whole`: it is shown, not looked into."""
    entry = (await find(core, context, path, "r", version, as_of)).entry
    if not entry.bundle:
        raise Invalid(f"{path} has no class", path=path, remedy="only objects stored with a class have code")
    found = await load_bundles(core, entry.bundle)
    if entry.bundle not in found:
        raise NotFound(f"the class of {path} ({entry.class_name}) is gone from the store", path=path)
    bundle = parse(found[entry.bundle], entry.bundle)
    if not whole and takes_long(bundle, found):
        await look_beside(describe, bundle, found.get)
    return bundle, found


async def methods(core: Core, context: Context, path: str, version: int, as_of: str) -> MethodRows:
    bundle, found = await _find_bundle(core, context, path, version, as_of)
    described: Any = describe(bundle, found.get)["methods"]
    return list(described)


async def help_text(core: Core, context: Context, path: str, method: str, version: int, as_of: str) -> str:
    bundle, found = await _find_bundle(core, context, path, version, as_of)
    return help_of(bundle, found.get, method)


async def code(core: Core, context: Context, path: str, method: str, version: int, as_of: str, bundle: bool) -> str:
    own, found = await _find_bundle(core, context, path, version, as_of, whole=bundle or not method)
    if bundle and method:
        raise Invalid("a bundle is shown whole", path=path, remedy="ask for a method, or for the bundle")
    return bundle_text(own, found.get) if bundle else source_of(own, found.get, method)


async def authors(core: Core, context: Context, hashes: Names) -> AuthorMap:
    _check_hashes("authors", hashes)
    return {hash: await authors_of(core.store, hash) for hash in hashes}


def _check_hashes(name: str, hashes: Names) -> None:
    if len(hashes) > HASHES_LIMIT:
        raise LimitExceeded(f"{len(hashes)} hashes at once", remedy=f"ask for {HASHES_LIMIT} at most", limit="hashes")
    if not all(isinstance(hash, str) for hash in hashes):
        raise Invalid(f"{name} wants a list of hashes", remedy="hashes are text")


async def classes(core: Core, context: Context, hashes: Names) -> dict[str, bytes]:
    _check_hashes("classes", hashes)
    raws = await core.store.get(keys_of("bundles", (hash.encode() for hash in hashes)))
    return {hash: raw for hash, raw in zip(hashes, raws, strict=True) if raw is not None}
