"""Clients of a filesystem, remote or in this process, and the transports that they use. Each is imported when it is
asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["Client", "Listing", "SyncClient"]

if TYPE_CHECKING:
    from .client import Client
    from .pointer_reads import Listing
    from .sync import SyncClient
else:

    def __getattr__(name):
        if name == "Client":
            from .client import Client as found
        elif name == "SyncClient":
            from .sync import SyncClient as found
        elif name == "Listing":
            from .pointer_reads import Listing as found
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found
