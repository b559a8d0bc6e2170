"""Clients of a filesystem, remote or in this process, and the transports that they use."""

from __future__ import annotations

from .client import Client
from .reads import Listing
from .sync import SyncClient

__all__ = ["Client", "Listing", "SyncClient"]
