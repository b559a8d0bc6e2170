"""What a query object keeps of its results: references to the objects that are stored, the rest as it is.

Pure; runs where the shipped code runs, and stores nothing.
"""

from __future__ import annotations

from typing import Any

from ....codec import Reference
from ....objects import EmergeObject, Pointer

RESULTS = "results"
"""The attribute of a query object that holds what its last query returned."""


def keep(instance: Any, value: Any) -> Any:
    """Put what a query returned into its object, to be stored with it; what is kept, which is what the caller gets."""
    kept = _referred(value)
    setattr(instance, RESULTS, kept)
    return kept


def _referred(value: Any) -> Any:
    """The value with stored objects, and pointers to them, as References, in containers at any depth."""
    if isinstance(value, (EmergeObject, Pointer)):
        return Reference(value.uuid) if value.uuid else value
    if isinstance(value, list):  # a listing of a client's too
        return [_referred(each) for each in value]
    if type(value) is tuple:
        return tuple(_referred(each) for each in value)
    if type(value) is dict:
        return {key: _referred(each) for key, each in value.items()}
    return value
