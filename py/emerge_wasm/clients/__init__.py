"""Clients: the operation table called from afar, or from next door. One file a transport.

What is lost and tried again is logged by `emerge.clients`; nothing is shown unless a program sets up logging.
"""

from __future__ import annotations

import logging

from .client import Client
from .reads import Listing
from .sync import SyncClient

__all__ = ["Client", "Listing", "SyncClient"]

logging.getLogger("emerge.clients").addHandler(logging.NullHandler())
