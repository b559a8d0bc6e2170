"""The older project's names and call forms: `import emerge_wasm.classic as emerge`, and its programs run.

`docs/from-emergefs.md` says what is the same, what has a new form, and why. Nothing else in the package uses this.
A front door like `emerge_wasm` itself: whatever the names need is imported when one is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import core as core
from .core.client import Client, IClient, RESTClient, Z0RPCClient
from .core.objects import EmergeBlock, EmergeFile, EmergeObject

if TYPE_CHECKING:
    from ..front import DynamoDBFileSystem as DynamoDBFileSystem
    from ..front import S3FileSystem as S3FileSystem
    from ..front import SQLFileSystem as SQLFileSystem
    from ..front import Z0DBFileSystem as Z0DBFileSystem
    from .node.server import NodeServer as NodeServer
    from .node.server import RESTNodeServer as RESTNodeServer
    from .node.server import Z0DBNodeServer as Z0DBNodeServer

    fs: Client

__all__ = [
    "Client",
    "EmergeBlock",
    "EmergeFile",
    "EmergeObject",
    "IClient",
    "RESTClient",
    "Z0RPCClient",
    "dataclass",
    "fs",
]

_SERVERS = ("NodeServer", "Z0DBNodeServer", "RESTNodeServer")
_FILESYSTEMS = ("SQLFileSystem", "Z0DBFileSystem", "S3FileSystem", "DynamoDBFileSystem")


if not TYPE_CHECKING:

    def __getattr__(name):
        if name == "fs":  # in a method that of the run, in a cell that of the switch: so it is not kept
            import emerge_wasm

            return Client.over(emerge_wasm.fs)
        if name in _SERVERS:
            from .node import server

            return getattr(server, name)
        if name in _FILESYSTEMS:
            from .. import front

            return getattr(front, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
