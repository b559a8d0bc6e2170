"""A ZODB behind a ZEO server. Must not import asyncio (ZEO has a loop and a thread of its own)."""

from __future__ import annotations

import errno
import re
from typing import Any

from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected, ServerException

from ...errors import EmergeError, Invalid, LimitExceeded, Unavailable
from .location import Place

_ADDRESS = re.compile(r"(?P<host>\[[^]/]+\]|[^:/]+):(?P<port>\d{1,5})(/(?P<storage>[^/]+)?)?")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
    """The EmergeError for what a connection, or the server, has."""
    if isinstance(error, ServerException):
        return _meaning_there(error, place)
    if isinstance(error, ClientDisconnected | OSError):
        return Unavailable(
            f"{place.name} does not answer",
            remedy="start it, and see that it serves a storage of that name, for writing",
        )
    return None


def _meaning_there(error: ServerException, place: Place) -> EmergeError | None:
    """Of an error that the server met: its class by name, and its arguments."""
    match error.args:
        case [str(kind), [int(number), *_]] if kind.endswith("OSError") and number in _NO_ROOM:
            return LimitExceeded(
                f"no room is left for {place.name}",
                remedy="free some disk space there, then try again",
                limit="disk space",
            )
    return None
