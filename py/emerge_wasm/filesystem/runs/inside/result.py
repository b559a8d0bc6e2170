"""Puts a query's results into its object: stored objects as references, other values unchanged.

Runs where the shipped code runs, and stores nothing.
"""

from __future__ import annotations

from typing import Any

from ....codec import Reference
from ....objects import EmergeObject, Pointer

RESULTS = "results"
"""The attribute of a query object that holds what its last query returned."""


def keep(instance: Any, value: Any) -> Any:
    """Put a query's result into its object, to be stored with it; return it as kept, which is what the caller gets."""
    kept = _referred(value, {})
    setattr(instance, RESULTS, kept)
    return kept


def _referred(value: Any, made: dict[int, Any]) -> Any:
    """Replace stored objects and pointers to them by References, in containers at any depth.

    `made`: what a list or dict was replaced by, by its id; it may hold itself.
    """
    if isinstance(value, (EmergeObject, Pointer)):
        return Reference(value.uuid) if value.uuid else value
    if id(value) in made:
        return made[id(value)]
    if isinstance(value, list):  # includes a client's Listing
        items = made[id(value)] = []
        items += [_referred(each, made) for each in value]
        return items
    if type(value) is tuple:
        return tuple(_referred(each, made) for each in value)
    if type(value) is dict:
        pairs = made[id(value)] = {}
        pairs.update((key, _referred(each, made)) for key, each in value.items())
        return pairs
    return value
