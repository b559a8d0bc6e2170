"""The sandbox: runs shipped code in confined worker processes, never in the node's own.

Imports nothing before a name is asked for: a zygote needs none of these, and has to prepare before it imports more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pool import Pool
    from .probe.probe import Findings, examine, probe

__all__ = ["Findings", "Pool", "examine", "probe"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .pool import Pool
    from .probe.probe import Findings, examine, probe

    globals().update(Findings=Findings, Pool=Pool, examine=examine, probe=probe)
    return globals()[name]
