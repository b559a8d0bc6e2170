"""Shipped code runs here: in warm processes of their own, under limits, never in a node's process."""

from __future__ import annotations

from .pool import Pool

__all__ = ["Pool"]
