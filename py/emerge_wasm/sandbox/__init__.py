"""The sandbox: runs shipped code in confined worker processes, never in the node's own."""

from __future__ import annotations

from .pool import Pool
from .probe.probe import Findings, examine, probe

__all__ = ["Findings", "Pool", "examine", "probe"]
