"""The filesystem: directories, versions and changes over an injected store. Awaits nothing else."""

from __future__ import annotations

from .filesystem import Filesystem
from .runner import RunCall, RunOutcome

__all__ = ["Filesystem", "RunCall", "RunOutcome"]
