"""The classes and bundles that this process knows: each class by its hash, each bundle by its class."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from .bundle import Bundle
from .home import Look

P = ParamSpec("P")
R = TypeVar("R")

_lock = threading.RLock()

CLASSES: dict[str, type] = {}
"""The class of each hash: the last one captured with it, or the one loaded."""

LOADED: dict[str, type] = {}
"""The class that was loaded for each code (see `code_hash`): bundles that differ only in modules have one class."""

LOOKS: dict[str, Look] = {}
"""What was seen when this process was last searched for the class of each hash."""

SAME: dict[str, str] = {}
"""The hash of its own that the class of another hash has; they are the same code."""

REFUSED: WeakKeyDictionary[type, int] = WeakKeyDictionary()
"""Classes that could not be captured, with the number of names that their module had then."""

_BY_HASH: dict[str, Bundle] = {}
_HASHES: WeakKeyDictionary[type, str] = WeakKeyDictionary()
_WITH_REQUIRES: dict[str, list[Bundle]] = {}  # what a hash requires never changes


def one_at_a_time(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function that changes these tables run in one thread at a time."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with _lock:
            return function(*args, **kwargs)

    return call


def _renew() -> None:
    """In a forked child: whichever thread held the lock did not come along."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # neither Windows nor a browser forks
    os.register_at_fork(after_in_child=_renew)


def forget() -> None:
    """Forget every class and bundle, as a new process has none."""
    for table in (CLASSES, LOADED, LOOKS, SAME, REFUSED, _BY_HASH, _HASHES, _WITH_REQUIRES):
        table.clear()


def register(cls: type, bundle: Bundle) -> None:
    """Make this class the one of that bundle's hash, and that bundle the one of this class."""
    CLASSES[bundle.hash] = cls
    _BY_HASH[bundle.hash] = bundle
    _HASHES[cls] = bundle.hash


def register_same(cls: type, bundle: Bundle) -> None:
    """Make this class, which has a bundle of its own, the one of another bundle of the same code too."""
    CLASSES[bundle.hash] = cls
    _BY_HASH[bundle.hash] = bundle
    SAME[bundle.hash] = _HASHES[cls]


def bundle_of(cls: type) -> Bundle | None:
    """Return the bundle of a class that was captured or loaded, else None."""
    hash = _HASHES.get(cls)
    return None if hash is None else _BY_HASH[hash]


def is_class_of(cls: type, hash: str) -> bool:
    """Tell whether this is the class of that hash; it may be that of others too."""
    return CLASSES.get(hash) is cls


def bundle_of_hash(hash: str) -> Bundle:
    """Return the bundle of a class that is known for this hash."""
    return _BY_HASH[hash]


def with_requires(bundle: Bundle) -> list[Bundle]:
    """Return a registered bundle with all it depends on, dependencies first."""
    known = _WITH_REQUIRES.get(bundle.hash)
    if known is None:
        known = _WITH_REQUIRES[bundle.hash] = _with_requires(bundle)
    return [*known]


def _with_requires(bundle: Bundle) -> list[Bundle]:
    ordered: dict[str, Bundle] = {}

    def add(one: Bundle) -> None:
        for hash in one.requires:
            if hash not in ordered:
                add(_BY_HASH[hash])
        ordered[one.hash] = one

    add(bundle)
    return list(ordered.values())
