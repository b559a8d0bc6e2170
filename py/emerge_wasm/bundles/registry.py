"""The classes and bundles that this process knows: each class by its hash, each bundle by its class."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from .bundle import Bundle

CLASSES: dict[str, type] = {}
"""The class of each hash: the last one captured with it, or the one loaded."""

_BY_HASH: dict[str, Bundle] = {}
_HASHES: WeakKeyDictionary[type, str] = WeakKeyDictionary()


def forget() -> None:
    """Forget every class and bundle, as a new process has none."""
    CLASSES.clear()
    _BY_HASH.clear()
    _HASHES.clear()


def register(cls: type, bundle: Bundle) -> None:
    """Make this class the one of that bundle's hash, and that bundle the one of this class."""
    CLASSES[bundle.hash] = cls
    _BY_HASH[bundle.hash] = bundle
    _HASHES[cls] = bundle.hash


def bundle_of(cls: type) -> Bundle | None:
    """Return the bundle of a class that was captured or loaded, else None."""
    hash = _HASHES.get(cls)
    return None if hash is None else _BY_HASH[hash]


def with_requires(bundle: Bundle) -> list[Bundle]:
    """Return a registered bundle with all it depends on, dependencies first."""
    ordered: dict[str, Bundle] = {}

    def add(one: Bundle) -> None:
        for hash in one.requires:
            if hash not in ordered:
                add(_BY_HASH[hash])
        ordered[one.hash] = one

    add(bundle)
    return list(ordered.values())
