"""Emerge: an object filesystem for Python, in a browser tab and on a cluster.

`fs` is the node named by EMERGE_HOST or emerge.ini, else 127.0.0.1:5558; in a console cell of the page it is the
filesystem that the switch on the console says.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import (
    CannotShip,
    Conflict,
    EmergeError,
    ExecutionFailed,
    InconsistentAnswer,
    Invalid,
    LimitExceeded,
    NotFound,
    PartialAnswer,
    PermissionDenied,
    StaleAnswer,
    Unavailable,
    WrongBytes,
)
from .objects import EmergeDirectory, EmergeFile, EmergeObject, Pointer
from .shipment import ship

if TYPE_CHECKING:
    from .clients import SyncClient
    from .front import DynamoDBFileSystem as DynamoDBFileSystem
    from .front import IndexedDBFileSystem as IndexedDBFileSystem
    from .front import RESTClient as RESTClient
    from .front import RESTNodeServer as RESTNodeServer
    from .front import S3FileSystem as S3FileSystem
    from .front import SQLFileSystem as SQLFileSystem
    from .front import Z0DBFileSystem as Z0DBFileSystem
    from .front import Z0RPCClient as Z0RPCClient

    fs: SyncClient

__all__ = [
    "CannotShip",
    "Conflict",
    "EmergeDirectory",
    "EmergeError",
    "EmergeFile",
    "EmergeObject",
    "ExecutionFailed",
    "InconsistentAnswer",
    "Invalid",
    "LimitExceeded",
    "NotFound",
    "PartialAnswer",
    "PermissionDenied",
    "Pointer",
    "StaleAnswer",
    "Unavailable",
    "WrongBytes",
    "connect",
    "dataclass",
    "fs",
    "ship",
]

logging.getLogger("emerge").addHandler(logging.NullHandler())  # nothing is shown unless a program asks for it

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
"""Names of `front.py`, which is imported when one of them is asked for; so they are no part of `import *`."""


def connect(host: str | None = None, token: str | None = None, key: str | None = None) -> SyncClient:
    """A client of a node (`host:port`), or of the one that the environment names. Connects at the first call.

    A relay is called by its address, `ws://host:port` or `http://host:port`, with a `token` where it wants one. A node
    on another machine wants a `key`: its name or its file's path, else the one that EMERGE_KEY or emerge.ini names.
    """
    from .clients import SyncClient
    from .clients.connection import opener
    from .clients.transports.address import find_address, find_key

    address = find_address(host)
    key = find_key(key) if address.startswith("tcp://") else None
    return SyncClient(opener(address, token, key), f"fs on {address}")


if not TYPE_CHECKING:  # a type checker knows the names, and says which is misspelt

    def __getattr__(name):
        if name == "fs":
            globals()["fs"] = client = connect()
            return client
        if name in CLASSIC:
            from . import front

            return getattr(front, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
