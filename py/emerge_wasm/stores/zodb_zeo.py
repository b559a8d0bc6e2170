"""A ZODB behind a ZEO server. Must not import asyncio (ZEO has a loop and a thread of its own)."""

from __future__ import annotations

import re
from typing import Any

from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected

from ..errors import EmergeError, Invalid, Unavailable
from .zodb_place import Place

_ADDRESS = re.compile(r"(?P<host>\[[^]/]+\]|[^:/]+):(?P<port>\d{1,5})(/(?P<storage>[^/]+)?)?")


def open_storage(place: Place) -> Any:
    """Connect to a server, which is waited for."""
    match = _ADDRESS.fullmatch(place.address)
    if match is None or int(match["port"]) > 65535:
        raise Invalid(f"zodb://{place.address} names no ZEO server", remedy="write zodb://host:port/storage")
    return ClientStorage(
        (match["host"].strip("[]"), int(match["port"])),
        storage=match["storage"] or "1",
        wait_timeout=place.wait,
        server_sync=True,  # what another process was told is committed, is seen
    )


def meaning(error: Exception, place: Place) -> EmergeError | None:
    """The EmergeError for what a connection has."""
    if isinstance(error, ClientDisconnected | OSError):
        return Unavailable(
            f"{place.name} does not answer", remedy="start it, and see that it serves a storage of that name"
        )
    return None
