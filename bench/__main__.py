"""All measurements, one after another; or those named: `python -m bench cluster node running search storage stores`."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("classes", "cluster", "files", "node", "running", "search", "page", "storage", "stores")

for name in sys.argv[1:] or NAMES:
    import_module(f"bench.{name}").main()
