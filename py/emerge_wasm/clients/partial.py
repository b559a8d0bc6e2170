"""Telling a program that an answer lacks what nodes hold that are away."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from ..errors import PartialAnswer


def add_missing(known: list[str], names: Sequence[str]) -> None:
    """Add the names of nodes that are away to those known, and warn of new ones."""
    new = [name for name in names if name not in known]
    if new:
        known += new
        warnings.warn(PartialAnswer(new), stacklevel=2)
