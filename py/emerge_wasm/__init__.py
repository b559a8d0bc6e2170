"""Emerge: an object filesystem for Python, in a browser tab and on a cluster.

`fs` is the node named by EMERGE_HOST or emerge.ini, else 127.0.0.1:5558; in a console cell of the page it is the
filesystem that the switch on the console says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import (
    CannotShip,
    Conflict,
    EmergeError,
    ExecutionFailed,
    Invalid,
    LimitExceeded,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from .objects import EmergeDirectory, EmergeFile, EmergeObject, Pointer

if TYPE_CHECKING:
    from .clients import SyncClient

    fs: SyncClient

__all__ = [
    "CannotShip",
    "Conflict",
    "EmergeDirectory",
    "EmergeError",
    "EmergeFile",
    "EmergeObject",
    "ExecutionFailed",
    "Invalid",
    "LimitExceeded",
    "NotFound",
    "PermissionDenied",
    "Pointer",
    "Unavailable",
    "connect",
    "dataclass",
    "fs",
]

CLASSIC = (
    "DynamoDBFileSystem",
    "IndexedDBFileSystem",
    "RESTClient",
    "RESTNodeServer",
    "S3FileSystem",
    "SQLFileSystem",
    "Z0DBFileSystem",
    "Z0RPCClient",
)
"""Names of `classic.py`, which is imported when one of them is asked for; so they are no part of `import *`."""


def connect(host: str | None = None) -> SyncClient:
    """A client of a node (`host:port`), or of the one that the environment names. Connects at the first call."""
    from .clients import Client, SyncClient
    from .clients.transports.address import find_endpoint

    endpoint = find_endpoint(host)

    async def open_client() -> Client:
        from .clients.transports.zeromq import ZeroMQTransport

        return Client(ZeroMQTransport(endpoint))

    return SyncClient(open_client, f"fs on {endpoint}")


def __getattr__(name: str) -> Any:
    if name == "fs":
        globals()["fs"] = client = connect()
        return client
    if name in CLASSIC:
        from . import classic

        return getattr(classic, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
