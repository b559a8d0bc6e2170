"""Shipped code runs here: in processes that are closed in, never in a node's own."""

from __future__ import annotations

from .pool import Pool
from .probe.probe import Findings, examine, probe

__all__ = ["Findings", "Pool", "examine", "probe"]
