"""Searching without running code: what of an expression is plain comparison and arithmetic, evaluated over data.

Layer 3: the codec and the bundles, nothing that waits. Nothing here runs what a bundle or an expression holds: a tree
of known nodes is walked, and what is not known is told (NeedsCode), for a sandbox to run.
"""

from __future__ import annotations

from .key_range import ABSENT, Both, Either, Everything, Nothing, Range, Want
from .nested import NeedsCode, Nested
from .predicate import Predicate, read_predicate
from .row import Row
from .shape import Shape, learn, shape_of

__all__ = [
    "ABSENT",
    "Both",
    "Either",
    "Everything",
    "NeedsCode",
    "Nested",
    "Nothing",
    "Predicate",
    "Range",
    "Row",
    "Shape",
    "Want",
    "learn",
    "read_predicate",
    "shape_of",
]
