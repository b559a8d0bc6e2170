"""Evaluate expressions over data without running code, as far as they are comparisons, arithmetic and plain calls.

Layer 3: imports the codec and the bundles, and waits for nothing. Nothing here runs the code of a bundle or an
expression: a tree of known nodes is walked, and NeedsCode is raised for any other, so that a sandbox runs it.
"""

from __future__ import annotations

from .key_range import ABSENT, Both, Either, Everything, Nothing, Range, RangeSet
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
    "RangeSet",
    "Row",
    "Shape",
    "learn",
    "read_predicate",
    "shape_of",
]
