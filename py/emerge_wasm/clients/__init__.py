"""Clients: the operation table called from afar, or from next door. One file a transport."""

from __future__ import annotations

from .client import Client
from .reads import Listing
from .sync import SyncClient

__all__ = ["Client", "Listing", "SyncClient"]
