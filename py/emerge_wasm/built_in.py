"""The classes of Emerge's own objects: they need no bundle, and their merge rules run where the objects are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from .notebook import Notebook
from .objects import EmergeBlob, EmergeFile, EmergeObject
from .saved_query import SavedQuery

BUILT_IN: dict[str, type[EmergeObject]] = {
    kind.__name__: kind for kind in (EmergeObject, EmergeFile, EmergeBlob, Notebook, SavedQuery)
}


MergeRule = Callable[[object, object, object], object]
"""A function of (base, theirs, mine)."""


def merge_rules_of(class_name: str) -> dict[str, str | MergeRule]:
    """The merge rules of a class of Emerge's own, by field; none for any other."""
    kind = BUILT_IN.get(class_name)
    rules = () if kind is None else fields(kind)
    return {each.name: each.metadata["merge"] for each in rules if "merge" in each.metadata}
