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
    kept = _referred(value)
    setattr(instance, RESULTS, kept)
    return kept


def _referred(value: Any) -> Any:
    """Replace stored objects and pointers to them by References, in containers at any depth."""
    if isinstance(value, (EmergeObject, Pointer)):
        return Reference(value.uuid) if value.uuid else value
    if isinstance(value, list):  # includes a client's Listing
        return [_referred(each) for each in value]
    if type(value) is tuple:
        return tuple(_referred(each) for each in value)
    if type(value) is dict:
        return {key: _referred(each) for key, each in value.items()}
    return value
